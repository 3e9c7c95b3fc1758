-- The records that an id had when it was last joined into another and that went with it, and the other records of the
-- person whom it was joined into. Reads: identity_event, moved_record, patient_record (the current snapshot's).
WITH last_join AS (
    SELECT night, other_patient_id
    FROM identity_event
    WHERE patient_id = $patient_id::UUID AND event_type = 'joined'
    QUALIFY row_number() OVER (ORDER BY night DESC) = 1
),
had AS (
    SELECT DISTINCT record_id
    FROM moved_record
    JOIN last_join USING (night)
    WHERE from_patient_id = $patient_id::UUID AND to_patient_id = other_patient_id
)
SELECT record_id, true AS had_before FROM had
UNION ALL
SELECT record_id, false FROM patient_record ANTI JOIN had USING (record_id) WHERE patient_id = $living::UUID
ORDER BY ALL
