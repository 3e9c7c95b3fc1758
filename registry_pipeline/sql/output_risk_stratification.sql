-- Risk scores without identity. Reads: consumed (risk_stratification). Parameters: $band (years of an age band), $top (the
-- age from which on age is not told).
SELECT
    pseudonym('patient', patient_id) AS patient_pseudonym,
    CASE
        WHEN age < 0 THEN NULL
        WHEN age >= $top THEN concat($top, '+')
        ELSE concat(age // $band * $band, '-', least(age // $band * $band + $band, $top) - 1)
    END AS age_band,
    -- Reasons tell age in bands of five years, which would undo wider ones; the age band tells it anyway.
    * EXCLUDE (patient_id, age) REPLACE (list_filter(reasons, lambda reason: NOT starts_with(reason, 'aged ')) AS reasons)
FROM consumed
ORDER BY patient_pseudonym
