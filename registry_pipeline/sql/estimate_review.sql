-- Reviewed pairs by stratum and by whether the night joins them: how many, judged, and judged to be one person. Where
-- reviewers are of two minds the more common verdict stands; where they are even the pair is not settled.
-- Reads: review, person_cluster.
WITH settled AS (
    SELECT
        record_id_l, record_id_r, any_value(stratum) AS stratum, any_value(stratum_pairs) AS stratum_pairs,
        CASE WHEN count(*) FILTER (is_match) > count(*) FILTER (NOT is_match) THEN true
            WHEN count(*) FILTER (is_match) < count(*) FILTER (NOT is_match) THEN false END AS is_match,
        count(is_match) > 0 AS is_judged
    FROM review
    GROUP BY record_id_l, record_id_r
)
SELECT
    stratum, l.cluster_id = r.cluster_id AS is_joined, max(stratum_pairs) AS stratum_pairs, count(*) AS pairs,
    count(is_match) AS settled, count(*) FILTER (is_match) AS matches, count(*) FILTER (is_judged AND is_match IS NULL) AS even
FROM settled
INNER JOIN person_cluster AS l ON l.record_id = record_id_l
INNER JOIN person_cluster AS r ON r.record_id = record_id_r
GROUP BY stratum, is_joined
ORDER BY stratum, is_joined
