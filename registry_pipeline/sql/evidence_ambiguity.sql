-- Records that fit two people about equally well: the strongest possible partner among the records of one person, and the
-- strongest among those of another one, within $margin of weight. Only records with an undecided pair can be such.
-- Reads: linked_pair, person_cluster.
WITH possible AS (
    SELECT record_id_l, record_id_r FROM linked_pair WHERE outcome = 'possible_match'
),
doubtful AS MATERIALIZED (
    SELECT record_id_l AS record_id FROM possible UNION SELECT record_id_r FROM possible
),
pair_end AS (
    SELECT record_id_l AS record_id, record_id_r AS other, match_weight FROM linked_pair
    SEMI JOIN doubtful ON doubtful.record_id = record_id_l WHERE outcome <> 'no_match'
    UNION ALL
    SELECT record_id_r, record_id_l, match_weight FROM linked_pair
    SEMI JOIN doubtful ON doubtful.record_id = record_id_r WHERE outcome <> 'no_match'
),
partner AS (
    SELECT pair_end.record_id, cluster_id, max(match_weight) AS weight
    FROM pair_end
    INNER JOIN person_cluster ON person_cluster.record_id = other
    GROUP BY ALL
),
ranked AS (
    SELECT record_id, weight, row_number() OVER (PARTITION BY record_id ORDER BY weight DESC, cluster_id) AS place
    FROM partner
),
nearest AS (
    SELECT best.weight - second.weight AS difference
    FROM ranked AS best
    INNER JOIN ranked AS second ON second.record_id = best.record_id AND second.place = 2
    WHERE best.place = 1
)
SELECT
    (SELECT count(*) FROM person_cluster LEFT JOIN doubtful USING (record_id)
        WHERE cluster_size > 1 OR doubtful.record_id IS NOT NULL) AS records_with_a_partner,
    (SELECT count(*) FROM nearest WHERE difference <= $margin) AS records,
    (SELECT count(*) FROM nearest WHERE difference < 0.000001) AS ties
