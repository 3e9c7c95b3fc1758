-- Pairs that match with one of two models only, with the settings of their records. Reads: pair_before, pair_after,
-- record_before, record_after.
WITH gained AS (
    SELECT record_id_l, record_id_r FROM pair_after WHERE outcome = 'match'
    EXCEPT
    SELECT record_id_l, record_id_r FROM pair_before WHERE outcome = 'match'
),
lost AS (
    SELECT record_id_l, record_id_r FROM pair_before WHERE outcome = 'match'
    EXCEPT
    SELECT record_id_l, record_id_r FROM pair_after WHERE outcome = 'match'
),
changed AS (
    SELECT record_id_l, record_id_r, true AS is_gained FROM gained
    UNION ALL
    SELECT record_id_l, record_id_r, false FROM lost
),
known AS (
    SELECT record_id, setting FROM record_after
    UNION
    SELECT record_id, setting FROM record_before
)
SELECT changed.is_gained, l.setting AS setting_l, r.setting AS setting_r
FROM changed
JOIN known AS l ON l.record_id = changed.record_id_l
JOIN known AS r ON r.record_id = changed.record_id_r
