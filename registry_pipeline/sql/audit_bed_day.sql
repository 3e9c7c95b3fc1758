-- Nights of emergency stays by month. A stay has the night between two days when it holds both. Reads audit_stay,
-- audit_month. Parameters: $months, $night.
WITH over_months AS (
    SELECT
        person, provider, start_day, coalesce(end_day, $night::DATE) AS until_day, birth_date, death_date,
        unnest(range(
            greatest(audit_month_of(start_day), 0),
            least(audit_month_of(coalesce(end_day, $night::DATE)), $months - 1) + 1
        ))::INTEGER AS month
    FROM audit_stay
    WHERE is_emergency
),
in_month AS (
    SELECT
        person, provider, month,
        audit_band(month - audit_month_of(birth_date) - (day(birth_date) > 1)::INTEGER) AS band,
        date_diff('day', greatest(start_day, first_day), least(until_day, last_day + 1)) AS nights
    FROM over_months JOIN audit_month USING (month)
    WHERE birth_date <= last_day AND (death_date IS NULL OR death_date >= first_day)
)
SELECT
    'emergency_bed_days_65' AS measure, person, provider, month, band, nights AS n, 0 AS d, 1 AS cases,
    nights * nights AS n2
FROM in_month WHERE band >= 13 AND nights > 0
