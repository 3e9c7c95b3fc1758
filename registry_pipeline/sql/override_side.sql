-- Which of the keys and ids given stand in the current registry, and the person records that each stands for.
-- Reads: patient_record (the current snapshot's).
WITH given AS (
    SELECT DISTINCT unnest($given) AS side
)
SELECT side, patient_id::VARCHAR AS patient_id, record_id
FROM given
JOIN patient_record ON patient_record.record_id = side
UNION ALL
SELECT side, patient_id::VARCHAR, record_id
FROM given
JOIN patient_record ON patient_record.patient_id = try_cast(side AS UUID)
ORDER BY ALL
