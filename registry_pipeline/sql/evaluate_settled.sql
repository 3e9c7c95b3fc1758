-- Pairs of one person that are not together and were not compared because each record has a verified NHS number: two
-- numbers are two people, by rule. Reads: judged_record, true_candidate.
WITH settled AS (
    SELECT person_key, cluster_key, count(*) AS n FROM judged_record WHERE is_settled GROUP BY ALL
),
of_person AS (SELECT person_key, sum(n)::BIGINT AS n FROM settled GROUP BY person_key),
compared AS (
    SELECT count(*) AS pairs
    FROM true_candidate
    INNER JOIN judged_record AS l ON l.id = id_l
    INNER JOIN judged_record AS r ON r.id = id_r
    WHERE is_missed AND l.is_settled AND r.is_settled
)
SELECT
    coalesce((SELECT sum(n * (n - 1) // 2) FROM of_person), 0) - coalesce((SELECT sum(n * (n - 1) // 2) FROM settled), 0)
    - (SELECT pairs FROM compared)
