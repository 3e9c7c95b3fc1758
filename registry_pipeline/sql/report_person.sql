-- One row per person: the settings that know them, and what their records say that cannot be true of one person. From
-- `report_member`; the least and the greatest differ where two values do, in a quarter of the time of counting them.
SELECT
    patient_id,
    count(*) AS records,
    bit_or(CASE setting
        WHEN 'gp' THEN 1 WHEN 'acute' THEN 2 WHEN 'community' THEN 4 WHEN 'mental_health' THEN 8 ELSE 16 END) AS settings,
    coalesce(min(death_date) <> max(death_date), false) AS has_two_deaths,
    coalesce(min(sex) <> max(sex), false) AS has_two_sexes,
    coalesce(min(birth_date) <> max(birth_date), false) AS has_two_birth_dates,
    coalesce(min(registered_practice) <> max(registered_practice), false) AS has_two_practices,
    coalesce(min(nhs_number) <> max(nhs_number), false) AS has_two_nhs_numbers
FROM report_member
GROUP BY patient_id
