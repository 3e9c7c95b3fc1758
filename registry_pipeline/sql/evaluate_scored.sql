-- known_pair: kept pairs of which the truth says what they are, with what the model said. The unit is a pair's person with
-- the smaller key: all pairs of two people lie in one unit. Reads: judged_record, linked_pair.
CREATE OR REPLACE TEMP TABLE known_pair AS
SELECT
    match_weight, match_probability, outcome = 'match' AS is_match,
    l.person_key = r.person_key AS is_true, least(l.person_key, r.person_key) AS unit
FROM linked_pair
INNER JOIN judged_record AS l ON l.record_id = record_id_l
INNER JOIN judged_record AS r ON r.record_id = record_id_r
