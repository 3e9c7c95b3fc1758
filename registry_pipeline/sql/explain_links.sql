-- The pairs among the person records of one patient_id: what people decided first, then the strongest, with what the two
-- records alone said where it is not what holds. Reads: known_pair (explain_pairs), patient_record.
WITH person_records AS (
    SELECT record_id FROM patient_record WHERE patient_id = $patient_id::UUID
)
SELECT *
FROM known_pair
WHERE record_id_l IN (FROM person_records) AND record_id_r IN (FROM person_records)
ORDER BY match_weight DESC NULLS FIRST, record_id_l, record_id_r
