-- `patient` of a snapshot without a person: whose records are all gone is gone; who had one of the person's records then
-- loses the values that came from it, and nothing else.
-- Input: views kept_patient and kept_crosswalk (the snapshot's files), table gone_record.
WITH affected AS (
    SELECT DISTINCT patient_id FROM kept_crosswalk SEMI JOIN gone_record USING (record_id)
),
remaining AS (
    SELECT patient_id, count(*) AS record_count, count(DISTINCT setting) AS setting_count
    FROM kept_crosswalk
    SEMI JOIN affected USING (patient_id)
    ANTI JOIN gone_record USING (record_id)
    GROUP BY patient_id
)
SELECT kept_patient.* REPLACE (/* replaced */)
FROM kept_patient
LEFT JOIN remaining USING (patient_id)
WHERE patient_id NOT IN (SELECT patient_id FROM affected) OR remaining.patient_id IS NOT NULL
ORDER BY file_row_number
