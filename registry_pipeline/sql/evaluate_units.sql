-- Units (people, with whoever shares a cluster with them) counted alike, for each group of /* by */: true, joined and both
-- count pairs at each of their two records. Reads: judged_record.
WITH unit_count AS (
    SELECT
        /* by */ AS by_group, unit,
        sum(n_person - 1)::BIGINT AS true_ends,
        sum(n_cluster - 1)::BIGINT AS joined_ends,
        sum(n_both - 1)::BIGINT AS both_ends,
        sum(n_blocked)::BIGINT AS blocked_ends,
        count(*) AS records,
        round(sum(n_both / n_cluster), 6) AS precision_sum,
        round(sum(n_both / n_person), 6) AS recall_sum
    FROM judged_record
    GROUP BY by_group, unit
)
SELECT by_group, true_ends, joined_ends, both_ends, blocked_ends, records, precision_sum, recall_sum, count(*) AS units
FROM unit_count
GROUP BY ALL
