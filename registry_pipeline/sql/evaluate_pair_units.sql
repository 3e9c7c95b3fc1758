-- Units counted alike for each kind of pair by its two records' /* by */ ("gp + acute"): pairs, each once.
-- Reads: judged_record, true_candidate.
WITH cell AS (
    SELECT unit, person_key, cluster_key, /* by */ AS side, count(*) AS n FROM judged_record
    WHERE n_person > 1 OR n_cluster > 1
    GROUP BY ALL
),
person_cell AS (SELECT unit, person_key, side, sum(n)::BIGINT AS n FROM cell GROUP BY ALL),
cluster_cell AS (SELECT unit, cluster_key, side, sum(n)::BIGINT AS n FROM cell GROUP BY ALL),
counted AS (
    SELECT l.unit, l.side || ' + ' || r.side AS by_group, evaluate_pairs(l.side = r.side, l.n, r.n) AS true_pairs, 0 AS joined_pairs, 0 AS both_pairs, 0 AS blocked_pairs
    FROM person_cell AS l
    INNER JOIN person_cell AS r ON l.person_key = r.person_key AND l.side <= r.side
    UNION ALL
    SELECT l.unit, l.side || ' + ' || r.side, 0, evaluate_pairs(l.side = r.side, l.n, r.n), 0, 0
    FROM cluster_cell AS l
    INNER JOIN cluster_cell AS r ON l.cluster_key = r.cluster_key AND l.side <= r.side
    UNION ALL
    SELECT l.unit, l.side || ' + ' || r.side, 0, 0, evaluate_pairs(l.side = r.side, l.n, r.n), 0
    FROM cell AS l
    INNER JOIN cell AS r ON l.person_key = r.person_key AND l.cluster_key = r.cluster_key AND l.side <= r.side
    UNION ALL
    SELECT l.unit, least(l./* by */, r./* by */) || ' + ' || greatest(l./* by */, r./* by */), 0, 0, 0, 1
    FROM true_candidate
    INNER JOIN judged_record AS l ON l.id = id_l
    INNER JOIN judged_record AS r ON r.id = id_r
),
unit_count AS (
    SELECT by_group, unit, sum(true_pairs)::BIGINT AS true_pairs, sum(joined_pairs)::BIGINT AS joined_pairs, sum(both_pairs)::BIGINT AS both_pairs,
        sum(blocked_pairs)::BIGINT AS blocked_pairs
    FROM counted
    GROUP BY by_group, unit
    HAVING sum(true_pairs) + sum(joined_pairs) > 0
)
SELECT by_group, true_pairs, joined_pairs, both_pairs, blocked_pairs, count(*) AS units FROM unit_count GROUP BY ALL
