-- The person records of one patient_id.
SELECT record_id, setting, night, link_method, round(link_probability, 4)
FROM patient_record
WHERE patient_id = $patient_id::UUID
ORDER BY record_id
