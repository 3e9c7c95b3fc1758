-- What the groups that were made anew are, beside what they are tonight. Reads: moved_record, clustered.
WITH placed AS (
    SELECT id, cluster_then, cluster AS cluster_now FROM moved_record INNER JOIN clustered USING (id)
),
was AS (SELECT cluster_then, count(*) AS n_then FROM placed GROUP BY ALL),
now_is AS (SELECT cluster_now, count(*) AS n_now FROM placed GROUP BY ALL),
both_are AS (SELECT cluster_then, cluster_now, count(*) AS n_both FROM placed GROUP BY ALL)
SELECT
    (SELECT count(*) FROM now_is) - (SELECT count(*) FROM was) AS people,
    (SELECT count(*) FROM now_is WHERE n_now > 1) - (SELECT count(*) FROM was WHERE n_then > 1) AS multi_record_people,
    (SELECT coalesce(sum(n_now * (n_now - 1) // 2), 0)::BIGINT FROM now_is)
        - (SELECT coalesce(sum(n_both * (n_both - 1) // 2), 0)::BIGINT FROM both_are) AS pairs_gained,
    (SELECT coalesce(sum(n_then * (n_then - 1) // 2), 0)::BIGINT FROM was)
        - (SELECT coalesce(sum(n_both * (n_both - 1) // 2), 0)::BIGINT FROM both_are) AS pairs_lost,
    (
        SELECT coalesce(sum(n_both), 0)::BIGINT
        FROM both_are INNER JOIN was USING (cluster_then) INNER JOIN now_is USING (cluster_now)
        WHERE n_both < n_then OR n_both < n_now
    ) AS records_changed
