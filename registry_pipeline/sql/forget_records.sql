-- Record keys of a person over all time: those that go by the person's ids where they were last known. A record that
-- moved on to somebody else is not the person's.
-- Input: views current_record, current_former and kept_record (record_id, patient_id); table person_id (patient_id).
WITH last_known AS (
    SELECT record_id, patient_id FROM current_record
    UNION ALL
    SELECT record_id, patient_id FROM current_former ANTI JOIN current_record USING (record_id)
)
SELECT record_id FROM last_known SEMI JOIN person_id USING (patient_id)
UNION
SELECT record_id FROM kept_record SEMI JOIN person_id USING (patient_id) ANTI JOIN last_known USING (record_id)
ORDER BY ALL
