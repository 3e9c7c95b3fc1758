-- What became of pairs of one person that are not together, and what joined pairs of two people: by decision.
-- Reads: judged_record, linked_pair, true_candidate.
WITH known_pair AS (
    SELECT
        record_id_l, record_id_r, outcome, decided_by,
        l.person_key = r.person_key AS is_true, l.cluster_key = r.cluster_key AS is_joined
    FROM linked_pair
    INNER JOIN judged_record AS l ON l.record_id = record_id_l
    INNER JOIN judged_record AS r ON r.record_id = record_id_r
)
SELECT 'missed' AS kind, outcome, decided_by, count(*) FROM known_pair WHERE is_true AND NOT is_joined GROUP BY ALL
UNION ALL
SELECT 'false', outcome, decided_by, count(*) FROM known_pair WHERE NOT is_true AND is_joined GROUP BY ALL
UNION ALL
SELECT 'decided true', NULL, decided_by, count(*) FROM known_pair WHERE is_true AND outcome = 'match' GROUP BY ALL
UNION ALL
SELECT 'decided false', NULL, decided_by, count(*) FROM known_pair WHERE NOT is_true AND outcome = 'match' GROUP BY ALL
UNION ALL
SELECT 'missed', 'not kept', NULL, count(*)
FROM true_candidate
ANTI JOIN linked_pair USING (record_id_l, record_id_r)
WHERE is_missed
HAVING count(*) > 0
