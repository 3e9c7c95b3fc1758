-- People without identity. Parameters: $night, $birth (month or year), $band (years of an age band), $top (the age from
-- which on neither age nor year of birth is told).
WITH aged AS (
    SELECT
        *,
        -- Age in completed years on the night, or at death.
        date_sub('year', birth_date, least(coalesce(death_date, $night::DATE), $night::DATE))::INTEGER AS age
    FROM person
)
SELECT
    patient_pseudonym,
    CASE
        WHEN age < 0 THEN NULL
        WHEN age >= $top THEN concat($top, '+')
        ELSE concat(age // $band * $band, '-', least(age // $band * $band + $band, $top) - 1)
    END AS age_band,
    CASE
        WHEN age >= $top THEN NULL
        WHEN $birth = 'month' THEN month_of(birth_date)
        ELSE year(birth_date)::VARCHAR
    END AS birth_period,
    month_of(death_date) AS death_month,
    sex,
    ethnicity,
    postcode_area.lsoa,
    postcode_area.deprivation_decile,
    gp_practice,
    record_count,
    setting_count,
    is_stale
FROM aged
LEFT JOIN postcode_area USING (postcode)
ORDER BY patient_pseudonym
