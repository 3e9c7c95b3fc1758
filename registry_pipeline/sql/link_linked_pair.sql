-- linked_pair: every judged pair that is kept. Reads: judged_pair (what became of each pair), counted_record.
-- The caller puts the comparisons where levels and weights stand.
SELECT
    least(l.record_id, r.record_id) AS record_id_l,
    greatest(l.record_id, r.record_id) AS record_id_r,
    decided_by, outcome, judged_by, judged_outcome, override_id, match_weight, match_probability,
    $rule_names[rule + 1] AS blocking_rule,
    {/* levels */} AS comparison_levels,
    {/* weights */} AS comparison_weights,
    $model_version AS model_version
FROM judged_pair
INNER JOIN counted_record AS l ON l.id = id_l
INNER JOIN counted_record AS r ON r.id = id_r
