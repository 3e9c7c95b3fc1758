-- known_pair: labelled pairs that are kept, with what the model said. Reads: judged_label, linked_pair, mixed_unit.
CREATE OR REPLACE TEMP TABLE known_pair AS
SELECT match_weight, match_probability, outcome = 'match' AS is_match, is_true, coalesce(unit, key_l) AS unit
FROM judged_label
INNER JOIN linked_pair USING (record_id_l, record_id_r)
LEFT JOIN mixed_unit ON mixed_unit.person_key = key_l
