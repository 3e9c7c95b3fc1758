-- Activity that may not be of one living person, in one pass over all activity: stays in hospital, and what needs the
-- person alive and took place after their death. From `activity` and `patient`. Parameters: $night, $days_after_death,
-- $open_stay_days: a stay without an end counts until the night only while it is not older than that.
WITH dead AS (
    SELECT patient_id, death_date FROM patient WHERE death_date IS NOT NULL
)
SELECT
    activity.patient_id,
    activity.provider,
    activity.activity_kind,
    activity.start_time,
    coalesce(
        activity.end_time,
        CASE WHEN activity.start_time >= $night::DATE - to_days($open_stay_days) THEN $night::TIMESTAMP END
    ) AS end_time,
    activity.activity_kind = 'spell' AND coalesce(activity.patient_classification, '1') = '1' AS is_stay,
    coalesce(
        activity.start_time > dead.death_date + to_days($days_after_death)
        AND (
            activity.activity_kind IN ('spell', 'attendance')
            OR (activity.activity_kind = 'contact' AND activity.attendance_status IN ('5', '6'))
        ),
        false
    ) AS is_after_death
FROM activity
LEFT JOIN dead USING (patient_id)
WHERE is_stay OR is_after_death
