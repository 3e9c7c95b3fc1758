-- The pairs of one patient_id's records with records of other people: those that only an override speaks of, then the
-- strongest, so who was nearest and what kept them apart. Reads: known_pair (explain_pairs), patient_record.
WITH person_records AS (
    SELECT record_id FROM patient_record WHERE patient_id = $patient_id::UUID
),
pair AS (
    SELECT record_id_l AS record_id, record_id_r AS other_id, * EXCLUDE (record_id_l, record_id_r) FROM known_pair
    UNION ALL
    SELECT record_id_r, record_id_l, * EXCLUDE (record_id_l, record_id_r) FROM known_pair
)
SELECT
    pair.record_id,
    other_id,
    patient_record.patient_id::VARCHAR AS other_patient_id,
    decided_by,
    outcome,
    by_themselves,
    match_weight,
    comparison_levels,
    comparison_weights,
    count(*) OVER () AS pairs
FROM pair
SEMI JOIN person_records USING (record_id)
ANTI JOIN person_records AS same_person ON same_person.record_id = pair.other_id
LEFT JOIN patient_record ON patient_record.record_id = pair.other_id
QUALIFY row_number() OVER (PARTITION BY match_weight IS NULL ORDER BY match_weight DESC, pair.record_id, other_id) <= $most
ORDER BY match_weight DESC NULLS FIRST, pair.record_id, other_id
