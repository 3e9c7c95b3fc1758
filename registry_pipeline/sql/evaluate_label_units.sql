-- Units counted alike for each group of /* by */: labelled pairs, at each of their two records.
-- Reads: judged_label, judged_record, mixed_unit (person_key, unit).
WITH label_end AS (
    SELECT unnest([id_l, id_r]) AS id, coalesce(unit, key_l) AS unit, is_true, is_joined, is_blocked
    FROM judged_label
    LEFT JOIN mixed_unit ON mixed_unit.person_key = key_l
),
unit_count AS (
    SELECT
        /* by */ AS by_group, label_end.unit,
        count(*) FILTER (is_true) AS true_ends,
        count(*) FILTER (is_joined) AS joined_ends,
        count(*) FILTER (is_true AND is_joined) AS both_ends,
        count(*) FILTER (is_true AND is_blocked) AS blocked_ends
    FROM label_end
    INNER JOIN judged_record USING (id)
    GROUP BY by_group, label_end.unit
)
SELECT by_group, true_ends, joined_ends, both_ends, blocked_ends, 0 AS records, 0.0 AS precision_sum, 0.0 AS recall_sum, count(*) AS units
FROM unit_count
GROUP BY ALL
