-- Every person's surviving values and the record that each came from. The rules are those that registry.SURVIVORSHIP
-- names and explains, in its order; NULL is no candidate, so no rule lets an empty value win.
WITH agreeing AS (
    SELECT
        *,
        least(count(*) OVER (PARTITION BY patient_id, nhs_number), 4095) AS nhs_number_records,
        least(count(*) OVER (PARTITION BY patient_id, birth_date), 4095) AS birth_date_records,
        least(count(*) OVER (PARTITION BY patient_id, death_date), 4095) AS death_date_records,
        least(count(*) OVER (PARTITION BY patient_id, sex), 4095) AS sex_records,
        greatest(date_diff('day', death_date, $night::DATE), 0) AS days_dead
    FROM patient_known_as
),
ranked AS (
    SELECT
        *,
        if(nhs_number IS NULL, NULL, survivorship_rank(
            is_verified::INTEGER, nhs_number_records, (NOT is_superseded)::INTEGER, newness, tie
        )) AS nhs_number_rank,
        if(title IS NULL, NULL, survivorship_rank(0, 0, authority, newness, tie)) AS title_rank,
        -- Given and family name come from one record: a name in halves from two records is nobody's.
        if(given_name_display IS NULL AND family_name_display IS NULL, NULL, survivorship_rank(
            (given_name_display IS NOT NULL AND family_name_display IS NOT NULL)::INTEGER
            + coalesce(length(given_name_display) > 1, false)::INTEGER,
            authority,
            newness,
            text_length(given_name_display) + text_length(family_name_display),
            tie
        )) AS name_rank,
        if(middle_names_display IS NULL, NULL, survivorship_rank(
            0, authority, newness, text_length(middle_names_display), tie
        )) AS middle_names_rank,
        if(previous_family_name_display IS NULL, NULL, survivorship_rank(
            0, authority, newness, text_length(previous_family_name_display), tie
        )) AS previous_family_name_rank,
        if(birth_date IS NULL, NULL, survivorship_rank(
            is_verified::INTEGER, birth_date_records, is_gp::INTEGER, newness, tie
        )) AS birth_date_rank,
        -- Days since death take two places, because one holds 4095.
        if(death_date IS NULL, NULL, survivorship_rank(
            0, death_date_records, least(days_dead // 4096, 4095), days_dead % 4096, tie
        )) AS death_date_rank,
        if(sex IS NULL, NULL, survivorship_rank(0, sex_records, is_gp::INTEGER, newness, tie)) AS sex_rank,
        if(ethnicity IS NULL, NULL, survivorship_rank(
            0, CASE ethnicity WHEN '99' THEN 0 WHEN 'Z' THEN 1 ELSE 2 END, newness, is_gp::INTEGER, tie
        )) AS ethnicity_rank,
        -- Address and postcode come from one record, or they would point to two homes.
        if(address_display IS NULL AND postcode IS NULL, NULL, survivorship_rank(
            (address_display IS NOT NULL AND postcode IS NOT NULL)::INTEGER,
            authority,
            newness,
            text_length(address_display),
            tie
        )) AS address_rank,
        if(phone IS NULL, NULL, survivorship_rank(0, 0, authority, newness, tie)) AS phone_rank,
        if(email IS NULL, NULL, survivorship_rank(0, 0, authority, newness, tie)) AS email_rank,
        if(gp_practice IS NULL, NULL, survivorship_rank(0, 0, authority, newness, tie)) AS gp_practice_rank
    FROM agreeing
),
joined AS (
    SELECT
        patient_id,
        false AS is_only_record,
        arg_max(nhs_number, nhs_number_rank) AS nhs_number,
        arg_max(record_id, nhs_number_rank) AS nhs_number_from,
        arg_max(is_superseded, nhs_number_rank) AS is_replaced,
        coalesce(arg_max(is_verified, nhs_number_rank), false) AS is_nhs_number_verified,
        arg_max(title, title_rank) AS title,
        arg_max(record_id, title_rank) AS title_from,
        arg_max_null(given_name_display, name_rank) AS given_name,
        arg_max_null(family_name_display, name_rank) AS family_name,
        arg_max(record_id, name_rank) AS name_from,
        arg_max(middle_names_display, middle_names_rank) AS middle_names,
        arg_max(record_id, middle_names_rank) AS middle_names_from,
        arg_max(previous_family_name_display, previous_family_name_rank) AS previous_family_name,
        arg_max(record_id, previous_family_name_rank) AS previous_family_name_from,
        arg_max(birth_date, birth_date_rank) AS birth_date,
        arg_max(record_id, birth_date_rank) AS birth_date_from,
        arg_max(death_date, death_date_rank) AS death_date,
        arg_max(record_id, death_date_rank) AS death_date_from,
        arg_max(sex, sex_rank) AS sex,
        arg_max(record_id, sex_rank) AS sex_from,
        arg_max(ethnicity, ethnicity_rank) AS ethnicity,
        arg_max(record_id, ethnicity_rank) AS ethnicity_from,
        arg_max_null(address_display, address_rank) AS address,
        arg_max_null(postcode, address_rank) AS postcode,
        arg_max(record_id, address_rank) AS address_from,
        arg_max(phone, phone_rank) AS phone,
        arg_max(record_id, phone_rank) AS phone_from,
        arg_max(email, email_rank) AS email,
        arg_max(record_id, email_rank) AS email_from,
        arg_max(gp_practice, gp_practice_rank) AS gp_practice,
        arg_max(record_id, gp_practice_rank) AS gp_practice_from
    FROM ranked
    GROUP BY patient_id
),
-- The fast path: where there is one record there is nothing to choose.
alone AS (
    SELECT
        patient_record.patient_id,
        true AS is_only_record,
        coalesce(replaced.current_nhs_number, person_record.nhs_number) AS nhs_number,
        record_id AS nhs_number_from,
        replaced.nhs_number IS NOT NULL AS is_replaced,
        coalesce(person_record.is_nhs_number_verified, false) AND replaced.nhs_number IS NULL AS is_nhs_number_verified,
        title,
        record_id AS title_from,
        given_name_display AS given_name,
        family_name_display AS family_name,
        record_id AS name_from,
        middle_names_display AS middle_names,
        record_id AS middle_names_from,
        previous_family_name_display AS previous_family_name,
        record_id AS previous_family_name_from,
        birth_date,
        record_id AS birth_date_from,
        death_date,
        record_id AS death_date_from,
        sex,
        record_id AS sex_from,
        ethnicity,
        record_id AS ethnicity_from,
        address_display AS address,
        postcode,
        record_id AS address_from,
        phone,
        record_id AS phone_from,
        email,
        record_id AS email_from,
        gp_practice,
        record_id AS gp_practice_from
    FROM patient_record
    ANTI JOIN (SELECT DISTINCT patient_id FROM patient_known_as) AS several USING (patient_id)
    JOIN person_record USING (record_id)
    LEFT JOIN patient_nhs_number AS replaced ON replaced.nhs_number = person_record.nhs_number
)
FROM joined
UNION ALL BY NAME
FROM alone
