-- What is known of pairs of one patient_id's records with any record: scored pairs, and pairs that an override in force
-- that night speaks of, which need not be scored. Reads: linked_pair, override_pair, patient_record.
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
WHERE record_id_l IN (FROM person_records) OR record_id_r IN (FROM person_records)
UNION ALL
SELECT
    record_id_l,
    record_id_r,
    kind || ' override ' || string_agg(override_id, ', ' ORDER BY override_id),
    if(kind = 'must_link', 'match', 'no_match'),
    'not compared',
    NULL, NULL, NULL
FROM override_pair
ANTI JOIN linked_pair USING (record_id_l, record_id_r)
WHERE record_id_l IN (FROM person_records) OR record_id_r IN (FROM person_records)
GROUP BY record_id_l, record_id_r, kind
