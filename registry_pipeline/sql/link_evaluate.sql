-- Pairs that are true, joined or both. Reads: truth (record_id, person), person_cluster, linked_pair, link_record.
-- Records that the truth does not know, and those that did not come to linkage, are left out on both sides.
CREATE OR REPLACE TEMP TABLE judged_record AS
SELECT id, record_id, setting, person, cluster_id
FROM truth
INNER JOIN person_cluster USING (record_id)
INNER JOIN link_record USING (record_id);

CREATE OR REPLACE TEMP TABLE pair_of_settings AS
WITH true_pair AS (
    SELECT l.id AS id_l, r.id AS id_r FROM judged_record AS l
    INNER JOIN judged_record AS r ON l.person = r.person AND l.id < r.id
),
joined_pair AS (
    SELECT l.id AS id_l, r.id AS id_r FROM judged_record AS l
    INNER JOIN judged_record AS r ON l.cluster_id = r.cluster_id AND l.id < r.id
),
pair AS (
    SELECT id_l, id_r FROM true_pair UNION SELECT id_l, id_r FROM joined_pair
)
SELECT
    id_l, id_r,
    least(l.setting, r.setting) || ' + ' || greatest(l.setting, r.setting) AS settings,
    l.person = r.person AS is_true,
    l.cluster_id = r.cluster_id AS is_joined
FROM pair
INNER JOIN judged_record AS l ON l.id = id_l
INNER JOIN judged_record AS r ON r.id = id_r;

CREATE OR REPLACE TEMP TABLE judged_match AS
SELECT decided_by, l.person = r.person AS is_true
FROM linked_pair
INNER JOIN judged_record AS l ON l.record_id = record_id_l
INNER JOIN judged_record AS r ON r.record_id = record_id_r
WHERE outcome = 'match';
