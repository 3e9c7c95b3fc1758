-- What holds for a person as a whole, over all records.
SELECT
    patient_record.patient_id,
    count(*)::INTEGER AS record_count,
    count(DISTINCT patient_record.setting)::INTEGER AS setting_count,
    bool_and(patient_record.is_stale) AS is_stale,
    min(sensitive.record_id) AS sensitive_record_id
FROM patient_record
LEFT JOIN (SELECT record_id FROM person_record WHERE is_sensitive) AS sensitive USING (record_id)
GROUP BY patient_record.patient_id
