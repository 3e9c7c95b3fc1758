-- Units counted alike for each kind of labelled pair by its two records' /* by */: pairs, each once.
-- Reads: judged_label, judged_record, mixed_unit (person_key, unit).
WITH unit_count AS (
    SELECT
        least(l./* by */, r./* by */) || ' + ' || greatest(l./* by */, r./* by */) AS by_group, coalesce(unit, key_l) AS pair_unit,
        count(*) FILTER (is_true) AS true_pairs,
        count(*) FILTER (is_joined) AS joined_pairs,
        count(*) FILTER (is_true AND is_joined) AS both_pairs,
        count(*) FILTER (is_true AND is_blocked) AS blocked_pairs
    FROM judged_label
    INNER JOIN judged_record AS l ON l.id = id_l
    INNER JOIN judged_record AS r ON r.id = id_r
    LEFT JOIN mixed_unit ON mixed_unit.person_key = key_l
    GROUP BY by_group, pair_unit
)
SELECT by_group, true_pairs, joined_pairs, both_pairs, blocked_pairs, count(*) AS units FROM unit_count GROUP BY ALL
