-- One row a person and step: the newest discharge whose window has passed without what had to follow. Parameter: $night.
INSERT INTO care_standing
SELECT step, patient_id, due_since, late.day, late.setting, late.provider, event_key
FROM care_discharge
WHERE NOT is_closed AND due_since <= $night::DATE
QUALIFY row_number() OVER (PARTITION BY step, patient_id ORDER BY left_at DESC, event_key) = 1;
