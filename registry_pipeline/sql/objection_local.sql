-- Every record of the people to whom the records objected for belong on the night.
-- Reads: covered_record, known_record. List of record keys: $records.
WITH objecting AS (
    SELECT DISTINCT known_record.patient_id
    FROM known_record
    SEMI JOIN (SELECT unnest($records::VARCHAR[]) AS record_id) AS objected USING (record_id)
)
SELECT covered_record.record_id, 'local' AS reason
FROM covered_record
SEMI JOIN objecting USING (patient_id)
