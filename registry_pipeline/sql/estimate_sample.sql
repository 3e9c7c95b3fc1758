-- The sample, in no order that tells anything. Reads: stratum_pair, allotted (stratum, name, pairs, drawn).
SELECT
    record_id_l, record_id_r, name AS stratum, pairs AS stratum_pairs, pairs / drawn AS sampling_weight
FROM stratum_pair
INNER JOIN allotted USING (stratum)
QUALIFY row_number() OVER (PARTITION BY stratum ORDER BY lot, record_id_l, record_id_r) <= drawn
ORDER BY lot, record_id_l, record_id_r
