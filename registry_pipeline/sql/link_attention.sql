-- attention_tonight: what needs a person's attention, from the groups that were clustered and from every pair to review.
-- The registry fills in whose they are, and since when. Reads: attention, linked_pair and
-- person_cluster (as written). Number: $night.
CREATE OR REPLACE TEMP TABLE attention_tonight AS
WITH found AS (
    SELECT reason, record_ids, decided_by, match_weight, override_ids FROM attention
    UNION ALL
    -- A pair whose link was cut, or that fits two people, has a row of its own reason.
    SELECT 'possible_match', [record_id_l, record_id_r], decided_by, match_weight, []::BIGINT[]
    FROM linked_pair
    INNER JOIN person_cluster AS mine ON mine.record_id = record_id_l
    INNER JOIN person_cluster AS theirs ON theirs.record_id = record_id_r
    WHERE outcome = 'possible_match' AND mine.cluster_id <> theirs.cluster_id
        AND NOT starts_with(decided_by, 'cut_') AND decided_by NOT IN ('fits_two_people', 'frozen')
)
SELECT DISTINCT ON (attention_id)
    md5(reason || ':' || array_to_string(record_ids, ' ')) AS attention_id,
    reason, record_ids, []::UUID[] AS patient_ids, decided_by, match_weight, override_ids, $night AS first_night
FROM found
ORDER BY attention_id, match_weight DESC, decided_by;
