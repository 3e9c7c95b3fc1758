-- linked_pair: every judged pair that is kept. Reads: judged_pair (the parts that scoring wrote).
SELECT
    record_id_l, record_id_r, decided_by, outcome, match_weight, match_probability,
    $rule_names[rule + 1] AS blocking_rule,
    comparison_levels, comparison_weights,
    $model_version AS model_version
FROM judged_pair
