-- Emergency admissions by age of the person on the month's first day: of people aged 65 and over, and (of any age) for
-- conditions that good community care prevents. Who has no birth date, or was dead by then, is not in the denominator
-- and not counted here. Reads audit_stay, code_meaning, audit_month.
WITH admission AS (
    SELECT person, provider, audit_month_of(start_day) AS month, birth_date, death_date, main_diagnosis
    FROM audit_stay
    WHERE is_emergency AND NOT is_from_hospital
),
of_age AS (
    SELECT
        admission.*,
        audit_band(month - audit_month_of(birth_date) - (day(birth_date) > 1)::INTEGER) AS band
    FROM admission JOIN audit_month USING (month)
    WHERE birth_date <= last_day AND (death_date IS NULL OR death_date >= first_day)
)
SELECT 'emergency_admissions_65' AS measure, person, provider, month, band, 1 AS n, 0 AS d, 1 AS cases, 1 AS n2
FROM of_age WHERE band >= 13
UNION ALL
SELECT 'preventable_admissions', person, provider, month, band, 1, 0, 1, 1
FROM of_age
WHERE main_diagnosis IN (
    SELECT code FROM code_meaning WHERE list = 'ambulatory_care_sensitive' AND coding_system = 'icd10'
)
