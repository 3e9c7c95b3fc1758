-- attention_tonight: what needs a person's attention, from the groups that were clustered and from every pair to review.
-- The registry fills in whose they are, and since when. Reads: attention, linked_pair and
-- person_cluster (as written). Number: $night.
CREATE OR REPLACE TEMP TABLE attention_tonight AS
WITH to_review AS (
    SELECT record_id_l, record_id_r, decided_by, match_weight
    FROM linked_pair
    WHERE outcome = 'possible_match' AND NOT starts_with(decided_by, 'cut_') AND decided_by NOT IN ('fits_two_people', 'frozen')
),
whose AS (
    SELECT record_id, cluster_id
    FROM person_cluster
    SEMI JOIN (SELECT record_id_l AS record_id FROM to_review UNION SELECT record_id_r FROM to_review) AS asked USING (record_id)
),
found AS (
    SELECT reason, record_ids, decided_by, match_weight, override_ids FROM attention
    UNION ALL
    -- A pair whose link was cut, or that fits two people, has a row of its own reason.
    SELECT 'possible_match', [record_id_l, record_id_r], decided_by, match_weight, []::BIGINT[]
    FROM to_review
    INNER JOIN whose AS mine ON mine.record_id = record_id_l
    INNER JOIN whose AS theirs ON theirs.record_id = record_id_r
    WHERE mine.cluster_id <> theirs.cluster_id
)
SELECT DISTINCT ON (attention_id)
    md5(reason || ':' || array_to_string(record_ids, ' ')) AS attention_id,
    reason, record_ids, []::VARCHAR[] AS patient_ids, decided_by, match_weight, override_ids, $night AS first_night
FROM found
ORDER BY attention_id, match_weight DESC, decided_by;
