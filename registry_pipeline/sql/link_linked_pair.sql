-- linked_pair: every judged pair that is kept. Reads: judged_pair (the parts that scoring wrote), link_record.
-- The caller puts the night's comparisons where names, levels and weights stand. Maps are dear to make, and few patterns
-- of levels are very many pairs: their map is made once each.
WITH pattern AS (
    SELECT pattern, map([/* names */], pattern::TINYINT[]) AS comparison_levels
    FROM (SELECT DISTINCT [/* levels */] AS pattern FROM judged_pair)
)
SELECT
    least(l.record_id, r.record_id) AS record_id_l,
    greatest(l.record_id, r.record_id) AS record_id_r,
    decided_by, outcome, judged_by, judged_outcome, override_id, match_weight, match_probability,
    $rule_names[rule + 1] AS blocking_rule,
    comparison_levels,
    map([/* names */], [/* weights */]) AS comparison_weights,
    $model_version AS model_version
FROM judged_pair
INNER JOIN pattern ON pattern.pattern = [/* levels */]
INNER JOIN link_record AS l ON l.id = id_l
INNER JOIN link_record AS r ON r.id = id_r
