-- Whose a record is today, or was when it left. Reads: patient_record, former_record.
SELECT patient_id::VARCHAR, true AS is_there FROM patient_record WHERE record_id = $record_id
UNION ALL
SELECT patient_id::VARCHAR, false FROM former_record WHERE record_id = $record_id
ORDER BY is_there DESC
LIMIT 1
