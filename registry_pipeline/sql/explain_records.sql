-- The person records of one patient_id: those of today, and those that left while they were its own.
-- Reads: patient_record, person_cluster, former_record.
SELECT
    record_id,
    setting,
    night,
    patient_record.link_method,
    round(patient_record.link_probability, 4) AS link_probability,
    if(is_conflict_cut, 'a link of it was cut', '') AS note
FROM patient_record
LEFT JOIN person_cluster USING (record_id)
WHERE patient_id = $patient_id::UUID
UNION ALL
SELECT record_id, NULL, night, NULL, NULL, 'left the registry'
FROM former_record
WHERE patient_id = $patient_id::UUID
ORDER BY note = 'left the registry', record_id
