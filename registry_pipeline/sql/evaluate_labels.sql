-- judged_label: labelled pairs with what the night made of them. judged_record: their records, with their own groups.
-- Reads: labelled_pair (record_id_l, record_id_r, is_match), person_cluster, night_record, link_record. Parameter: $night.
CREATE OR REPLACE TEMP TABLE judged_record AS
SELECT
    id, record_id, provider, setting, hash(cluster_id, 'cluster') AS cluster_key, hash(record_id) AS person_key,
    CASE WHEN has_number THEN 'with' ELSE 'without' END AS nhs_number,
    CASE sex WHEN 'M' THEN 'male' WHEN 'F' THEN 'female' WHEN 'O' THEN 'other' ELSE 'not known' END AS sex,
    evaluate_age_band(birth_date, $night::DATE) AS age_band,
    evaluate_ethnicity(ethnicity) AS ethnicity,
    'not known' AS deprivation_decile
FROM (SELECT DISTINCT unnest([record_id_l, record_id_r]) AS record_id FROM labelled_pair)
INNER JOIN person_cluster USING (record_id)
INNER JOIN night_record USING (record_id)
INNER JOIN (SELECT id, record_id FROM link_record) AS linked USING (record_id);

CREATE OR REPLACE TEMP TABLE judged_label AS
SELECT
    l.id AS id_l, r.id AS id_r, l.record_id AS record_id_l, r.record_id AS record_id_r, l.person_key AS key_l, r.person_key AS key_r,
    is_match AS is_true, l.cluster_key = r.cluster_key AS is_joined, candidate_pair.id_l IS NOT NULL AS is_blocked
FROM labelled_pair
INNER JOIN judged_record AS l ON l.record_id = record_id_l
INNER JOIN judged_record AS r ON r.record_id = record_id_r
LEFT JOIN candidate_pair ON candidate_pair.id_l = least(l.id, r.id) AND candidate_pair.id_r = greatest(l.id, r.id);
