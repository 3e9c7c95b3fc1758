-- Stays that ended in a month: how long, and how long after being ready to leave. Reads audit_stay, audit_ready_provider.
SELECT
    'length_of_stay' AS measure, person, provider, end_month AS month, NULL::INTEGER AS band,
    nights AS n, 1 AS d, 1 AS cases, nights * nights AS n2, 1 AS d2, nights AS nd
FROM audit_stay WHERE is_emergency AND setting = 'acute' AND end_month IS NOT NULL
UNION ALL
SELECT
    'long_stays', person, provider, end_month, NULL, (nights >= 21)::INTEGER, 1, (nights >= 21)::INTEGER, 0, 1, 0
FROM audit_stay WHERE is_emergency AND setting = 'acute' AND end_month IS NOT NULL
UNION ALL
SELECT
    'delayed_days', person, provider, end_month, NULL, late, nights, (late > 0)::INTEGER, late * late, nights * nights,
    late * nights
FROM (
    SELECT
        *,
        CASE
            WHEN clinically_ready_date IS NULL THEN 0
            ELSE greatest(date_diff('day', greatest(clinically_ready_date, start_day), end_day), 0)
        END AS late
    FROM audit_stay
    WHERE end_month IS NOT NULL AND provider IN (SELECT provider FROM audit_ready_provider)
)
