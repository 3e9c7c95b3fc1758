-- One row per person. A sensitive person's whereabouts are withheld, whether or not any record knows them.
WITH settled AS (
    SELECT
        patient_survivor.* EXCLUDE (previous_family_name),
        -- A previous name that has become, or still is, the present one is no previous name.
        if(upper(previous_family_name) = upper(family_name), NULL, previous_family_name) AS previous_family_name,
        record_count,
        setting_count,
        is_stale,
        sensitive_record_id,
        sensitive_record_id IS NOT NULL AS is_sensitive
    FROM patient_survivor
    JOIN patient_about USING (patient_id)
),
sourced AS (
    SELECT
        *,
        [
            survivor_source('nhs_number', nhs_number, nhs_number_from, CASE
                WHEN is_replaced THEN 'nhs_number_replacement'
                WHEN is_only_record THEN 'only_record'
                ELSE $rule.nhs_number
            END),
            survivor_source('title', title, title_from, if(is_only_record, 'only_record', $rule.title)),
            survivor_source('given_name', given_name, name_from, if(is_only_record, 'only_record', $rule.given_name)),
            survivor_source(
                'middle_names', middle_names, middle_names_from, if(is_only_record, 'only_record', $rule.middle_names)
            ),
            survivor_source('family_name', family_name, name_from, if(is_only_record, 'only_record', $rule.family_name)),
            survivor_source(
                'previous_family_name',
                previous_family_name,
                previous_family_name_from,
                if(is_only_record, 'only_record', $rule.previous_family_name)
            ),
            survivor_source('birth_date', birth_date, birth_date_from, if(is_only_record, 'only_record', $rule.birth_date)),
            survivor_source('death_date', death_date, death_date_from, if(is_only_record, 'only_record', $rule.death_date)),
            survivor_source('sex', sex, sex_from, if(is_only_record, 'only_record', $rule.sex)),
            survivor_source('ethnicity', ethnicity, ethnicity_from, if(is_only_record, 'only_record', $rule.ethnicity))
        ] AS identity_sources,
        if(is_sensitive,
            list_transform(['address', 'postcode', 'phone', 'email', 'gp_practice'], lambda field: {
                'key': field, 'value': {'record_id': sensitive_record_id, 'rule': 'withheld_sensitive'}
            }),
            [
                survivor_source('address', address, address_from, if(is_only_record, 'only_record', $rule.address)),
                survivor_source('postcode', postcode, address_from, if(is_only_record, 'only_record', $rule.postcode)),
                survivor_source('phone', phone, phone_from, if(is_only_record, 'only_record', $rule.phone)),
                survivor_source('email', email, email_from, if(is_only_record, 'only_record', $rule.email)),
                survivor_source(
                    'gp_practice', gp_practice, gp_practice_from, if(is_only_record, 'only_record', $rule.gp_practice)
                )
            ]
        ) AS contact_sources
    FROM settled
)
SELECT
    * EXCLUDE (address, postcode, phone, email, gp_practice),
    if(is_sensitive, NULL, address) AS address,
    if(is_sensitive, NULL, postcode) AS postcode,
    if(is_sensitive, NULL, phone) AS phone,
    if(is_sensitive, NULL, email) AS email,
    if(is_sensitive, NULL, gp_practice) AS gp_practice,
    map_from_entries(
        list_filter(list_concat(identity_sources, contact_sources), lambda entry: entry IS NOT NULL)
    ) AS field_sources
FROM sourced
