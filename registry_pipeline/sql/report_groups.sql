-- People, their records, and how many of them have more than one, by what is known of the person. From `patient` and
-- `postcode_area` (postcode, deprivation_decile). The macros are those of evaluate_groups.sql. Parameter: $night.
WITH person AS (
    SELECT
        evaluate_age_band(patient.birth_date, $night::DATE) AS age_band,
        CASE patient.sex WHEN 'F' THEN 'female' WHEN 'M' THEN 'male' WHEN 'O' THEN 'other' ELSE 'not known' END AS sex,
        evaluate_ethnicity(patient.ethnicity) AS ethnicity,
        coalesce(postcode_area.deprivation_decile::VARCHAR, 'not known') AS deprivation_decile,
        record_count
    FROM patient
    LEFT JOIN postcode_area ON postcode_area.postcode = patient.postcode
)
SELECT
    CASE
        WHEN grouping(age_band) = 0 THEN 'age_band'
        WHEN grouping(sex) = 0 THEN 'sex'
        WHEN grouping(ethnicity) = 0 THEN 'ethnicity'
        ELSE 'deprivation_decile'
    END AS told_by,
    coalesce(age_band, sex, ethnicity, deprivation_decile) AS name,
    count(*) AS people,
    count(*) FILTER (record_count > 1) AS people_linked,
    sum(record_count)::BIGINT AS records,
    coalesce(sum(record_count) FILTER (record_count > 1), 0)::BIGINT AS records_linked
FROM person
GROUP BY GROUPING SETS ((age_band), (sex), (ethnicity), (deprivation_decile))
