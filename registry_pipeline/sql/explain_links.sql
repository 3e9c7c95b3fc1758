-- The scored pairs among the person records of one patient_id, the strongest first, with what the two records alone said
-- where it is not what holds. Reads: linked_pair, patient_record.
WITH person_records AS (
    SELECT record_id FROM patient_record WHERE patient_id = $patient_id::UUID
)
SELECT
    record_id_l,
    record_id_r,
    concat_ws(' ', decided_by, 'override ' || override_id) AS decided_by,
    outcome,
    if(judged_by <> decided_by OR judged_outcome <> outcome, concat(judged_outcome, ': ', judged_by), '') AS by_themselves,
    match_weight,
    comparison_levels,
    comparison_weights
FROM linked_pair
WHERE record_id_l IN (SELECT record_id FROM person_records)
  AND record_id_r IN (SELECT record_id FROM person_records)
ORDER BY match_weight DESC NULLS LAST, record_id_l, record_id_r
