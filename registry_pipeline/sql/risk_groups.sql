-- Whom an evaluation of the fitted model tells apart, in the order of `row`. {table}: what
-- risk.features.compute made of a day.
-- Ethnic category 2001 (NHS Data Dictionary); deprivation fifth 1 is the most deprived.
SELECT
    CASE
        WHEN ethnicity IN ('A', 'B', 'C') THEN 'White'
        WHEN ethnicity IN ('D', 'E', 'F', 'G') THEN 'Mixed'
        WHEN ethnicity IN ('H', 'J', 'K', 'L') THEN 'Asian'
        WHEN ethnicity IN ('M', 'N', 'P') THEN 'Black'
        WHEN ethnicity IN ('R', 'S') THEN 'Other'
        ELSE 'not known'
    END AS ethnicity,
    CASE ethnicity
        WHEN 'A' THEN 'A British'
        WHEN 'B' THEN 'B Irish'
        WHEN 'C' THEN 'C other White'
        WHEN 'D' THEN 'D White and Black Caribbean'
        WHEN 'E' THEN 'E White and Black African'
        WHEN 'F' THEN 'F White and Asian'
        WHEN 'G' THEN 'G other Mixed'
        WHEN 'H' THEN 'H Indian'
        WHEN 'J' THEN 'J Pakistani'
        WHEN 'K' THEN 'K Bangladeshi'
        WHEN 'L' THEN 'L other Asian'
        WHEN 'M' THEN 'M Caribbean'
        WHEN 'N' THEN 'N African'
        WHEN 'P' THEN 'P other Black'
        WHEN 'R' THEN 'R Chinese'
        WHEN 'S' THEN 'S other'
        ELSE 'not known'
    END AS ethnic_category,
    coalesce(((11 - features.deprivation)::INTEGER // 2)::VARCHAR, 'not known') AS deprivation_fifth,
    CASE
        WHEN age IS NULL THEN 'not known'
        WHEN age < 18 THEN '0 to 17'
        WHEN age < 40 THEN '18 to 39'
        WHEN age < 65 THEN '40 to 64'
        WHEN age < 75 THEN '65 to 74'
        WHEN age < 85 THEN '75 to 84'
        ELSE '85 and over'
    END AS age_band,
    CASE patient.sex WHEN 'F' THEN 'female' WHEN 'M' THEN 'male' WHEN 'O' THEN 'other' ELSE 'not known' END AS sex
FROM {table} AS features
JOIN patient USING (patient_id)
ORDER BY features.row
