-- Risk scores without identity. Reads: consumed (risk_stratification). Parameters: $band (years of an age band), $top (the
-- age from which on age is not told).
SELECT
    pseudonym('patient', patient_id) AS patient_pseudonym,
    CASE
        WHEN age < 0 THEN NULL
        WHEN age >= $top THEN concat($top, '+')
        ELSE concat(age // $band * $band, '-', least(age // $band * $band + $band, $top) - 1)
    END AS age_band,
    * EXCLUDE (patient_id, age)
FROM consumed
ORDER BY patient_pseudonym
