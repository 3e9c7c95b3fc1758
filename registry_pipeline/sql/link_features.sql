-- counted_record: one row per record that linkage looks at, with what comparisons and blocking need, worked out once per
-- record. A feature is a function of the record's own columns and of what is frozen, never of the night's other records:
-- linking only what changed rests on that. Reads: chosen_record, given_form, family_form, address_form,
-- frozen_frequency.
CREATE OR REPLACE TEMP TABLE counted_record AS
SELECT
    id, state, content, record_id, provider, setting, given_name, family_name, birth_digits, sex, postcode, gp_practice, phone, email, merged_into,
    CASE WHEN is_phone_of_few THEN phone END AS phone_of_few,
    nhs_number, current_nhs_number, number_id, is_nhs_number_verified AS is_verified, is_settled, is_infant, death_date,
    given_forms,
    CASE
        WHEN middle_names IS NULL AND coalesce(len(alias_names), 0) = 0 THEN given_forms
        ELSE list_distinct(list_concat(given_forms, list_filter(string_split(
            concat_ws(' ', middle_names, array_to_string(alias_names, ' ')), ' '), lambda w: length(w) > 1)))
    END AS given_names,
    given_words,
    given_sound,
    list_filter(string_split(middle_names, ' '), lambda w: w <> '') AS middle_words,
    CASE
        WHEN previous_family_name IS NULL AND coalesce(len(alias_names), 0) = 0 THEN family_forms
        ELSE list_distinct(list_concat(family_forms, list_filter(list_append(string_split(
            concat_ws(' ', previous_family_name, array_to_string(alias_names, ' ')), ' '),
            replace(previous_family_name, ' ', '')), lambda w: length(w) > 1)))
    END AS family_forms,
    family_sound,
    -- The two names in either order.
    CASE WHEN given_name IS NOT NULL AND family_name IS NOT NULL AND length(given_name) > 1
        THEN least(given_name, family_name) || '|' || greatest(given_name, family_name) END AS names_key,
    list_distinct(list_concat(given_words, family_forms)) AS name_words,
    address_words, address_key,
    CASE WHEN postcode IS NULL THEN replace(address, ' ', '') END AS address_letters,
    CASE WHEN postcode IS NOT NULL THEN split_part(postcode, ' ', 1) END AS postcode_district,
    given_count.records AS n_given_name, family_count.records AS n_family_name, birth_count.records AS n_birth_digits,
    address_count.records AS n_address_key, postcode_count.records AS n_postcode, phone_count.records AS n_phone,
    email_count.records AS n_email, number_count.records AS n_current_nhs_number
FROM chosen_record
LEFT JOIN given_form USING (given_name)
LEFT JOIN family_form USING (family_name)
LEFT JOIN address_form USING (address)
LEFT JOIN frozen_frequency AS given_count ON given_count.column_name = 'given_name' AND given_count.digest = hash(given_name)
LEFT JOIN frozen_frequency AS family_count ON family_count.column_name = 'family_name' AND family_count.digest = hash(family_name)
LEFT JOIN frozen_frequency AS birth_count ON birth_count.column_name = 'birth_digits' AND birth_count.digest = hash(birth_digits)
LEFT JOIN frozen_frequency AS address_count ON address_count.column_name = 'address_key' AND address_count.digest = hash(address_key)
LEFT JOIN frozen_frequency AS postcode_count ON postcode_count.column_name = 'postcode' AND postcode_count.digest = hash(postcode)
LEFT JOIN frozen_frequency AS phone_count ON phone_count.column_name = 'phone' AND phone_count.digest = hash(phone)
LEFT JOIN frozen_frequency AS email_count ON email_count.column_name = 'email' AND email_count.digest = hash(email)
LEFT JOIN frozen_frequency AS number_count
    ON number_count.column_name = 'current_nhs_number' AND number_count.digest = hash(current_nhs_number);
