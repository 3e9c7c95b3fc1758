-- Discharges alive and not to another hospital, with the first contact after them. A contact at midnight has no time of
-- day: it counts from the day of discharge on. Reads audit_stay, audit_contact.
WITH discharge AS (
    SELECT
        person, event_key, provider, setting, end_month, end_day, end_time,
        is_emergency AND setting = 'acute' AND audit_age(birth_date, end_day) >= 75 AS is_old_emergency
    FROM audit_stay
    WHERE end_month IS NOT NULL AND NOT is_death AND NOT is_to_hospital
      AND (death_date IS NULL OR death_date > end_day)
),
after_discharge AS (
    SELECT
        discharge.person, discharge.event_key,
        date_diff('day', end_day, contact.start_time::DATE) AS days,
        contact.setting,
        contact.start_time <= end_time + INTERVAL 72 HOUR
            OR (contact.start_time::TIME = TIME '00:00:00' AND contact.start_time::DATE <= end_day + 3) AS is_in_72_hours
    FROM discharge
    JOIN audit_contact AS contact
        ON contact.person = discharge.person
        AND contact.start_time >= discharge.end_day
        AND contact.start_time < discharge.end_day + 31
    WHERE contact.start_time >= end_time OR contact.start_time::TIME = TIME '00:00:00'
),
first_contact AS (
    SELECT
        person, event_key, min(days) AS days,
        bool_or(setting = 'mental_health' AND is_in_72_hours) AS is_in_72_hours,
        bool_or(setting = 'community' AND days <= 2) AS is_in_2_days
    FROM after_discharge
    GROUP BY ALL
),
told AS (
    SELECT discharge.*, days, coalesce(is_in_72_hours, false)::INTEGER AS in_72, coalesce(is_in_2_days, false)::INTEGER AS in_2
    FROM discharge LEFT JOIN first_contact USING (person, event_key)
)
SELECT
    'first_contact_days' AS measure, person, provider, end_month AS month, NULL::INTEGER AS band,
    days AS n, 1 AS d, 1 AS cases, days * days AS n2, 1 AS d2, days AS nd
FROM told WHERE days IS NOT NULL
UNION ALL
SELECT 'mental_health_72_hours', person, provider, end_month, NULL, in_72, 1, in_72, 0, 1, 0
FROM told WHERE setting = 'mental_health'
UNION ALL
SELECT 'community_2_days_75', person, provider, end_month, NULL, in_2, 1, in_2, 0, 1, 0
FROM told WHERE is_old_emergency
