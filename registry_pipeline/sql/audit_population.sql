-- Months in which people were alive on the first day (or were born), by five years of age on that day, for each group of
-- each dimension. People are first told apart only by what matters: when they change their age band, and when they die.
-- Parameter: $months.
CREATE OR REPLACE TEMP TABLE audit_population AS
WITH born AS (
    SELECT
        world, practice, neighbourhood, lsoa, ethnicity, deprivation,
        audit_month_of(birth_date) AS birth_month,
        -audit_month_of(birth_date) - (day(birth_date) > 1)::INTEGER AS age_at_start,
        -- Who dies on a month's first day was alive on it.
        least(audit_month_of(death_date), $months) AS last_month
    FROM audit_person
    WHERE death_date IS NULL OR audit_month_of(death_date) >= 0
),
alike AS (
    SELECT
        * EXCLUDE (birth_month, age_at_start),
        greatest(birth_month, 0) AS first_month,
        CASE
            WHEN age_at_start >= 1080 THEN 1080
            WHEN age_at_start >= 0 AND age_at_start % 60 + $months <= 60 THEN age_at_start // 60 * 60
            ELSE age_at_start
        END AS age_at_start
    FROM born
),
counted AS (
    SELECT
        world, first_month, last_month, age_at_start,
        /* dimension */ AS dimension,
        /* value */ AS value,
        count(*) AS people
    FROM alike
    GROUP BY world, first_month, last_month, age_at_start, GROUPING SETS (/* sets */)
)
SELECT
    world, dimension, value, i AS month,
    CASE WHEN age_at_start IS NOT NULL THEN audit_band(age_at_start + i) END AS band,
    sum(people)::DOUBLE AS months
FROM counted, (SELECT unnest(range($months))::INTEGER AS i)
WHERE i >= coalesce(first_month, 0) AND i <= coalesce(last_month, i)
GROUP BY ALL;
