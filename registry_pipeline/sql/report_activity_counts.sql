-- People with activity after death, by kind, and people whose stays at two providers overlap by more than a day (a transfer
-- ends and begins on one day). From `report_activity`.
WITH stay AS (
    SELECT patient_id, provider, start_time, end_time
    FROM report_activity
    WHERE is_stay AND end_time > start_time
),
overlapping AS (
    SELECT DISTINCT one.patient_id
    FROM stay AS one
    JOIN stay AS other
        ON other.patient_id = one.patient_id
        AND other.provider > one.provider
        AND other.start_time + INTERVAL 1 DAY < one.end_time
        AND one.start_time + INTERVAL 1 DAY < other.end_time
    WHERE least(one.end_time, other.end_time) - greatest(one.start_time, other.start_time) > INTERVAL 1 DAY
)
SELECT 'overlapping_stays' AS what, count(*) AS people FROM overlapping
UNION ALL
SELECT 'after_death', count(DISTINCT patient_id) FROM report_activity WHERE is_after_death
UNION ALL
SELECT 'after_death_' || activity_kind, count(DISTINCT patient_id) FROM report_activity WHERE is_after_death GROUP BY activity_kind
ORDER BY what
