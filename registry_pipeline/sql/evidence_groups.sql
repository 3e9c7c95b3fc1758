-- Records of the night, and those that share their person with another one, by what they are grouped by.
-- Reads: person_cluster, night_record, everybody, area_record. Parameter: $night.
WITH grouped AS (
    SELECT
        cluster_size > 1 AS is_linked, night_record.setting, night_record.provider,
        evaluate_age_band(night_record.birth_date, $night::DATE) AS age_band,
        CASE night_record.sex WHEN 'M' THEN 'male' WHEN 'F' THEN 'female' WHEN 'O' THEN 'other' ELSE 'not known' END AS sex,
        evaluate_ethnicity(night_record.ethnicity) AS ethnicity,
        CASE
            WHEN nhs_number IS NULL THEN 'none' WHEN is_nhs_number_verified THEN 'verified' ELSE 'not verified'
        END AS nhs_number_status,
        coalesce(deprivation_decile, 'not known') AS deprivation_decile
    FROM person_cluster
    INNER JOIN night_record USING (record_id)
    INNER JOIN everybody USING (record_id)
    LEFT JOIN area_record USING (record_id)
)
SELECT
    CASE
        WHEN GROUPING(setting) = 0 THEN 'setting' WHEN GROUPING(provider) = 0 THEN 'provider'
        WHEN GROUPING(age_band) = 0 THEN 'age_band' WHEN GROUPING(sex) = 0 THEN 'sex'
        WHEN GROUPING(ethnicity) = 0 THEN 'ethnicity' WHEN GROUPING(nhs_number_status) = 0 THEN 'nhs_number_status'
        ELSE 'deprivation_decile'
    END AS told_by,
    coalesce(setting, provider, age_band, sex, ethnicity, nhs_number_status, deprivation_decile) AS name,
    count(*) AS records, count(*) FILTER (is_linked) AS linked
FROM grouped
GROUP BY GROUPING SETS (
    (setting), (provider), (age_band), (sex), (ethnicity), (nhs_number_status), (deprivation_decile)
)
ORDER BY ALL
