-- One row of totals: records, people, true pairs, joined pairs, pairs that are both, true pairs that were compared.
SELECT
    (SELECT count(*) FROM judged_record),
    (SELECT count(DISTINCT person) FROM judged_record),
    count(*) FILTER (is_true),
    count(*) FILTER (is_joined),
    count(*) FILTER (is_true AND is_joined),
    (SELECT count(*) FROM pair_of_settings SEMI JOIN candidate_pair USING (id_l, id_r) WHERE is_true)
FROM pair_of_settings
