-- What clusters are made from: links between records. A certain link was made by a rule and not by a score.
-- Reads: judged_pair (what became of each pair in the end).
CREATE OR REPLACE TEMP TABLE match_edge AS
SELECT id_l, id_r, match_weight AS weight, match_probability AS probability,
    list_contains($certain, decided_by) AS is_certain,
    CASE WHEN list_contains($certain, decided_by) THEN decided_by ELSE 'match_weight' END AS decided_by
FROM judged_pair
WHERE outcome = 'match';

CREATE OR REPLACE TEMP TABLE match_node AS
SELECT id_l AS id FROM match_edge UNION SELECT id_r FROM match_edge;
