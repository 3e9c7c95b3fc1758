-- candidate_pair: only pairs of which the hidden numbers say what they are. Reads: candidate_pair, hidden_record.
CREATE OR REPLACE TEMP TABLE candidate_pair AS
SELECT id_l, id_r, rule
FROM candidate_pair
INNER JOIN hidden_record AS l ON l.id = id_l
INNER JOIN hidden_record AS r ON r.id = id_r
WHERE l.is_drawn OR r.is_drawn;
