-- Person records that came to one patient_id from another, or went from it. Reads: moved_record.
SELECT night, record_id, from_patient_id, to_patient_id
FROM moved_record
WHERE $patient_id::UUID IN (from_patient_id, to_patient_id) AND from_patient_id <> to_patient_id
ORDER BY night, record_id
