-- The scored pairs among the person records of one patient_id, the strongest first, each comparison with its weight.
WITH person_records AS (
    SELECT record_id FROM patient_record WHERE patient_id = $patient_id::UUID
)
SELECT
    record_id_l,
    record_id_r,
    decided_by,
    outcome,
    round(match_weight, 2),
    array_to_string(
        list_transform(map_entries(comparison_weights), lambda entry: concat(entry.key, ' ', printf('%+.1f', entry.value::DOUBLE))),
        ', '
    )
FROM linked_pair
WHERE record_id_l IN (SELECT record_id FROM person_records)
  AND record_id_r IN (SELECT record_id FROM person_records)
ORDER BY match_weight DESC NULLS LAST, record_id_l, record_id_r
