-- What would change, in all (first row, setting null) and for the records of each setting. A pair counts in the setting
-- of either record. Reads: record_before, record_after, pair_after, model_pair.
WITH moved AS (
    SELECT before.setting, before.patient_id, before.patient_id <> after.patient_id AS is_moved
    FROM record_before AS before
    LEFT JOIN record_after AS after USING (record_id)
),
by_setting AS (
    SELECT
        setting,
        count(*) AS records,
        count(DISTINCT patient_id) AS people,
        count(DISTINCT patient_id) FILTER (WHERE is_moved) AS people_changed,
        count(*) FILTER (WHERE is_moved) AS records_moved
    FROM moved
    GROUP BY GROUPING SETS ((), (setting))
),
paired AS (
    SELECT is_gained, setting_l AS setting FROM model_pair
    UNION ALL
    SELECT is_gained, setting_r FROM model_pair WHERE setting_r <> setting_l
),
pairs AS (
    SELECT setting, count(*) FILTER (WHERE is_gained) AS gained, count(*) FILTER (WHERE NOT is_gained) AS lost
    FROM paired
    GROUP BY setting
    UNION ALL
    SELECT NULL, count(*) FILTER (WHERE is_gained), count(*) FILTER (WHERE NOT is_gained) FROM model_pair
)
SELECT
    by_setting.setting,
    by_setting.records,
    by_setting.people,
    by_setting.people_changed,
    by_setting.records_moved,
    (SELECT count(*) FROM pair_after WHERE outcome = 'match') AS pairs,
    coalesce(pairs.gained, 0) AS pairs_gained,
    coalesce(pairs.lost, 0) AS pairs_lost
FROM by_setting
LEFT JOIN pairs ON pairs.setting IS NOT DISTINCT FROM by_setting.setting
ORDER BY by_setting.setting NULLS FIRST
