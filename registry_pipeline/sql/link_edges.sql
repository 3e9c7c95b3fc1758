-- What clusters are made from: links between records, and pairs that a rule keeps apart.
-- Reads: judged_pair. A certain link was made by a rule and not by a score.
CREATE OR REPLACE TEMP TABLE match_edge AS
SELECT id_l, id_r, match_weight AS weight, match_probability AS probability, decided_by,
    decided_by IN ('same_nhs_number', 'local_merge') AS is_certain
FROM judged_pair
WHERE outcome = 'match';

CREATE OR REPLACE TEMP TABLE apart_edge AS
SELECT id_l, id_r FROM judged_pair WHERE list_contains($keeping_apart, decided_by);

CREATE OR REPLACE TEMP TABLE match_node AS
SELECT id_l AS id FROM match_edge UNION SELECT id_r FROM match_edge;
