-- Rows that differ between a night linked by its changes (ours) and in full (theirs): table, which, rows.
-- The id of a group is its smallest record; weights are rounded far below what a weight means.
WITH ours_pair AS (
    SELECT * EXCLUDE (comparison_weights) REPLACE (
        round(match_weight, 6) AS match_weight, round(match_probability, 9) AS match_probability
    )
    FROM ours_linked_pair
),
theirs_pair AS (
    SELECT * EXCLUDE (comparison_weights) REPLACE (
        round(match_weight, 6) AS match_weight, round(match_probability, 9) AS match_probability
    )
    FROM theirs_linked_pair
),
ours_cluster AS (SELECT * REPLACE (round(link_probability, 9) AS link_probability) FROM ours_person_cluster),
theirs_cluster AS (SELECT * REPLACE (round(link_probability, 9) AS link_probability) FROM theirs_person_cluster),
ours_need AS (SELECT attention_id, reason, record_ids, decided_by, override_ids FROM ours_needs_attention),
theirs_need AS (SELECT attention_id, reason, record_ids, decided_by, override_ids FROM theirs_needs_attention),
difference AS (
    SELECT 'linked_pair' AS table_name, 'only in the changes' AS which, (SELECT count(*) FROM (FROM ours_pair EXCEPT FROM theirs_pair)) AS rows
    UNION ALL
    SELECT 'linked_pair', 'only in the full run', (SELECT count(*) FROM (FROM theirs_pair EXCEPT FROM ours_pair))
    UNION ALL
    SELECT 'person_cluster', 'only in the changes', (SELECT count(*) FROM (FROM ours_cluster EXCEPT FROM theirs_cluster))
    UNION ALL
    SELECT 'person_cluster', 'only in the full run', (SELECT count(*) FROM (FROM theirs_cluster EXCEPT FROM ours_cluster))
    UNION ALL
    SELECT 'needs_attention', 'only in the changes', (SELECT count(*) FROM (FROM ours_need EXCEPT FROM theirs_need))
    UNION ALL
    SELECT 'needs_attention', 'only in the full run', (SELECT count(*) FROM (FROM theirs_need EXCEPT FROM ours_need))
)
SELECT table_name, which, rows FROM difference WHERE rows > 0
