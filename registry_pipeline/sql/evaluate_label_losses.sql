-- What became of labelled matches that are not together, and what joined labelled non-matches: by decision.
-- Reads: judged_label, linked_pair.
WITH known_pair AS (
    SELECT linked_pair.outcome, linked_pair.decided_by, is_true, is_joined, is_blocked
    FROM judged_label
    LEFT JOIN linked_pair USING (record_id_l, record_id_r)
)
SELECT 'missed' AS kind, CASE WHEN outcome IS NULL THEN 'not kept' ELSE outcome END AS outcome, decided_by, count(*)
FROM known_pair
WHERE is_true AND NOT is_joined AND (is_blocked OR outcome IS NOT NULL)
GROUP BY ALL
UNION ALL
SELECT 'false', outcome, decided_by, count(*) FROM known_pair WHERE NOT is_true AND is_joined AND outcome IS NOT NULL GROUP BY ALL
UNION ALL
SELECT 'decided true', NULL, decided_by, count(*) FROM known_pair WHERE is_true AND outcome = 'match' GROUP BY ALL
UNION ALL
SELECT 'decided false', NULL, decided_by, count(*) FROM known_pair WHERE NOT is_true AND outcome = 'match' GROUP BY ALL
