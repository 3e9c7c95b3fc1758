-- judged_part: the pairs within the groups that are clustered again, with levels and weights as columns.
-- Reads: pair_tonight, cluster_record.
SELECT
    least(l.id, r.id) AS id_l, greatest(l.id, r.id) AS id_r, list_position([/* rule names */], blocking_rule) - 1 AS rule,
    l.provider = r.provider AS same_provider, judged_by, judged_outcome, match_probability, match_weight,
    /* levels */
FROM pair_tonight
INNER JOIN cluster_record AS l ON l.record_id = record_id_l
INNER JOIN cluster_record AS r ON r.record_id = record_id_r
