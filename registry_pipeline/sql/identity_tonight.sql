-- Everything that happened to ids tonight, as events of the night.
SELECT patient_id, event_type, other_patient_id, cause, record_count, $night::DATE AS night, $run_id AS run_id
FROM (FROM identity_happened UNION ALL FROM identity_overridden)
