-- What waits for somebody's decision about the records of one patient_id. Reads: needs_attention, patient_record.
WITH person_records AS (
    SELECT list(record_id) AS held FROM patient_record WHERE patient_id = $patient_id::UUID
)
SELECT
    reason,
    array_to_string(record_ids, ' ') AS records,
    concat_ws(' ', decided_by, 'override ' || nullif(array_to_string(override_ids, ', '), '')) AS decided_by,
    round(match_weight, 2) AS weight,
    first_night
FROM needs_attention, person_records
WHERE list_has_any(record_ids, held) OR list_contains(patient_ids::VARCHAR[], $patient_id::UUID::VARCHAR)
ORDER BY first_night, reason, records
