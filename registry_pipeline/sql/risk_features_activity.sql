-- What somebody used within $days days up to the end of the index day, over all settings. Parameters: $index, $days (the
-- longest window). Windows hold the index day: 30 is the index day and 29 days before it.
-- Stays count from the day on which they began; what is known of their end only where it was over by the index day.
WITH
used AS (
    SELECT
        patient_id, activity_kind, setting, is_emergency, code, is_repeat,
        $index::DATE - start_time::DATE AS days_ago,
        coalesce(end_time::DATE > $index::DATE, true) AS is_open,
        greatest(least(coalesce(end_time::DATE, $index::DATE), $index::DATE) - start_time::DATE, 0) AS days_in,
        attendance_status IN ('3', '7') AS is_missed,
        coalesce(attendance_status IN ('5', '6'), true) AS is_attended
    FROM risk_source_activity
    WHERE start_time < $index::DATE + 1 AND start_time >= $index::DATE - $days::INTEGER + 1
)
SELECT
    patient_id,
    count(*) FILTER (activity_kind = 'spell' AND is_emergency AND days_ago < 30) AS emergency_admissions_30,
    count(*) FILTER (activity_kind = 'spell' AND is_emergency AND days_ago < 90) AS emergency_admissions_90,
    count(*) FILTER (activity_kind = 'spell' AND is_emergency) AS emergency_admissions_long,
    sum(days_in) FILTER (activity_kind = 'spell' AND is_emergency AND days_ago < 90) AS emergency_bed_days_90,
    sum(days_in) FILTER (activity_kind = 'spell' AND is_emergency) AS emergency_bed_days_long,
    count(*) FILTER (activity_kind = 'spell' AND NOT coalesce(is_emergency, false)) AS planned_admissions_long,
    count(*) FILTER (activity_kind = 'spell' AND is_open AND days_ago < 90) > 0 AS in_hospital,
    count(*) FILTER (activity_kind = 'spell' AND setting = 'mental_health') AS mental_health_stays_long,
    count(*) FILTER (activity_kind = 'attendance' AND days_ago < 30) AS emergency_attendances_30,
    count(*) FILTER (activity_kind = 'attendance' AND days_ago < 90) AS emergency_attendances_90,
    count(*) FILTER (activity_kind = 'attendance') AS emergency_attendances_long,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'gp' AND days_ago < 30) AS gp_contacts_30,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'gp' AND days_ago < 90) AS gp_contacts_90,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'gp') AS gp_contacts_long,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'acute' AND days_ago < 90)
        AS outpatient_contacts_90,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'acute') AS outpatient_contacts_long,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'community' AND days_ago < 90)
        AS community_contacts_90,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'community') AS community_contacts_long,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'mental_health' AND days_ago < 90)
        AS mental_health_contacts_90,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'mental_health')
        AS mental_health_contacts_long,
    count(*) FILTER (activity_kind = 'contact' AND is_attended AND setting = 'social_care')
        AS social_care_contacts_long,
    count(*) FILTER (activity_kind = 'contact' AND is_missed AND days_ago < 90) AS missed_appointments_90,
    count(*) FILTER (activity_kind = 'contact' AND is_missed) AS missed_appointments_long,
    count(*) FILTER (activity_kind = 'referral') AS referrals_long,
    count(*) FILTER (activity_kind = 'medication' AND days_ago < 90) AS medicine_issues_90,
    count(*) FILTER (activity_kind = 'medication') AS medicine_issues_long,
    count(DISTINCT CASE WHEN activity_kind = 'medication' AND is_repeat THEN code END) AS repeat_medicines_long
FROM used
GROUP BY patient_id
