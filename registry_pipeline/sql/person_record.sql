-- One row per provider's record of a person, from `delivered` (accepted_patient). Each step is one CTE, in the order of
-- standardise.PERSON_STEPS, which says what each does and why. Parameters: $provider, $setting, $night,
-- $synthetic_allowed, and the provider's own $values and $formats by column.
WITH
-- step: provider_codes
provider_codes AS (
    SELECT
        source_row, source_file, source_line, delivery,
        local_id,
        merged_into,
        nhs_number,
        provider_value($values['nhs_number_status'], nhs_number_status) AS nhs_number_status,
        title,
        given_name,
        middle_names,
        family_name,
        previous_family_name,
        birth_date,
        death_date,
        provider_value($values['sex'], sex) AS sex,
        provider_value($values['ethnicity'], ethnicity) AS ethnicity,
        address,
        provider_value($values['postcode'], postcode) AS postcode,
        phone,
        email,
        provider_value($values['gp_practice'], gp_practice) AS gp_practice,
        provider_value($values['sensitive'], sensitive) AS sensitive,
        provider_value($values['test_patient'], test_patient) AS test_patient,
        provider_value($values['deleted'], deleted) AS deleted
    FROM delivered
),
-- step: left_out
left_out AS (
    SELECT
        * EXCLUDE (test_patient, deleted),
        CASE
            WHEN local_id IS NULL THEN 'no_local_id'
            WHEN flag_of(deleted) THEN 'deleted'
            WHEN flag_of(test_patient) OR is_test_patient_name(given_name, family_name) THEN 'test_patient'
        END AS left_out
    FROM provider_codes
),
-- step: nhs_numbers
nhs_numbers AS (
    SELECT
        * EXCLUDE (digits, fault) REPLACE (
            CASE WHEN fault IS NULL THEN nullif(digits, '') END AS nhs_number,
            nhs_number_status_of(nhs_number_status) AS nhs_number_status
        ),
        CASE WHEN nhs_number IS NOT NULL THEN coalesce(fault, CASE WHEN digits = '' THEN 'not_ten_digits' END) END
            AS nhs_number_fault,
        CASE WHEN nhs_number_status IS NOT NULL AND nhs_number_status_of(nhs_number_status) IS NULL
            THEN 'not_in_code_list' END AS nhs_number_status_fault
    FROM (
        SELECT *, nhs_number_digits_fault(digits, $synthetic_allowed) AS fault
        FROM (SELECT *, nhs_number_digits(nhs_number) AS digits FROM left_out)
    )
),
-- step: names_in_one_field
names_in_one_field AS (
    SELECT * EXCLUDE (only_name, only_name_is_two) REPLACE (
        CASE WHEN only_name_is_two THEN name_after_comma(only_name) ELSE given_name END AS given_name,
        CASE WHEN only_name_is_two THEN name_before_comma(only_name) ELSE family_name END AS family_name
    )
    FROM (
        SELECT *, has_two_names(only_name) AS only_name_is_two
        FROM (
            SELECT
                *,
                CASE WHEN given_name IS NULL THEN family_name WHEN family_name IS NULL THEN given_name END AS only_name
            FROM nhs_numbers
        )
    )
),
-- step: names_folded
names_folded AS (
    SELECT
        * REPLACE (
            fold_text(given_name) AS given_name,
            fold_text(middle_names) AS middle_names,
            fold_text(family_name) AS family_name,
            fold_text(previous_family_name) AS previous_family_name
        ),
        given_name AS given_name_display,
        middle_names AS middle_names_display,
        family_name AS family_name_display,
        previous_family_name AS previous_family_name_display
    FROM names_in_one_field
),
-- step: other_names_set_aside
other_names_set_aside AS (
    SELECT
        * EXCLUDE (given_outside, middle_outside, family_outside) REPLACE (
            CASE WHEN given_outside IS NULL THEN given_name ELSE name_before_aside(given_outside) END AS given_name,
            CASE WHEN middle_outside IS NULL THEN middle_names ELSE name_before_aside(middle_outside) END
                AS middle_names,
            CASE WHEN family_outside IS NULL THEN family_name ELSE name_before_aside(family_outside) END AS family_name
        ),
        CASE WHEN given_outside IS NOT NULL THEN name_aside(given_name, given_outside) END AS given_aside,
        CASE WHEN middle_outside IS NOT NULL THEN name_aside(middle_names, middle_outside) END AS middle_aside,
        CASE WHEN family_outside IS NOT NULL THEN name_aside(family_name, family_outside) END AS family_aside
    FROM (
        -- Null where no name of the record holds another one, as nearly always.
        SELECT
            * EXCLUDE (has_aside),
            CASE WHEN has_aside THEN name_outside_brackets(given_name) END AS given_outside,
            CASE WHEN has_aside THEN name_outside_brackets(middle_names) END AS middle_outside,
            CASE WHEN has_aside THEN name_outside_brackets(family_name) END AS family_outside
        FROM (
            SELECT *, name_has_aside(concat_ws('|', given_name, middle_names, family_name)) AS has_aside
            FROM names_folded
        )
    )
),
-- step: other_names_named
other_names_named AS (
    SELECT
        * EXCLUDE (given_other, middle_other, family_other, given_was, middle_was, family_was) REPLACE (
            coalesce(previous_family_name, family_was, middle_was, given_was) AS previous_family_name,
            coalesce(previous_family_name_display, family_was, middle_was, given_was) AS previous_family_name_display
        ),
        CASE WHEN coalesce(given_other, middle_other, family_other, given_was, middle_was, family_was) IS NOT NULL
            THEN names_listed([
                given_other, middle_other, family_other,
                -- A former name that is not needed as the previous family name is one more alias.
                CASE WHEN previous_family_name IS NOT NULL THEN family_was END,
                CASE WHEN previous_family_name IS NOT NULL OR family_was IS NOT NULL THEN middle_was END,
                CASE WHEN coalesce(previous_family_name, family_was, middle_was) IS NOT NULL THEN given_was END
            ])
        END AS alias_names
    FROM (
        SELECT
            * EXCLUDE (
                given_aside, middle_aside, family_aside, given_named, middle_named, family_named,
                given_is_previous, middle_is_previous, family_is_previous
            ),
            CASE WHEN NOT given_is_previous THEN given_named END AS given_other,
            CASE WHEN NOT middle_is_previous THEN middle_named END AS middle_other,
            CASE WHEN NOT family_is_previous THEN family_named END AS family_other,
            CASE WHEN given_is_previous THEN given_named END AS given_was,
            CASE WHEN middle_is_previous THEN middle_named END AS middle_was,
            CASE WHEN family_is_previous THEN family_named END AS family_was
        FROM (
            SELECT
                * REPLACE (
                    CASE WHEN given_name_fault(given_named) IS NULL THEN given_named END AS given_named,
                    CASE WHEN given_name_fault(middle_named) IS NULL THEN middle_named END AS middle_named,
                    CASE WHEN given_name_fault(family_named) IS NULL THEN family_named END AS family_named
                )
            FROM (
                SELECT * REPLACE (
                    words_once(given_named) AS given_named,
                    words_once(middle_named) AS middle_named,
                    words_once(family_named) AS family_named
                )
                FROM (
                    SELECT * REPLACE (
                        name_without_title(given_named) AS given_named,
                        name_without_title(middle_named) AS middle_named,
                        name_without_title(family_named) AS family_named
                    )
                    FROM (
                        SELECT * REPLACE (
                            name_words(given_named) AS given_named,
                            name_words(middle_named) AS middle_named,
                            name_words(family_named) AS family_named
                        )
                        FROM (
                            SELECT
                                *,
                                name_of_aside(given_aside) AS given_named,
                                name_of_aside(middle_aside) AS middle_named,
                                name_of_aside(family_aside) AS family_named,
                                is_previous_name(given_aside) AS given_is_previous,
                                is_previous_name(middle_aside) AS middle_is_previous,
                                is_previous_name(family_aside) AS family_is_previous
                            FROM other_names_set_aside
                        )
                    )
                )
            )
        )
    )
),
-- step: names_as_words
names_as_words AS (
    SELECT * REPLACE (
        words_once(given_name) AS given_name,
        words_once(middle_names) AS middle_names,
        words_once(family_name) AS family_name,
        words_once(previous_family_name) AS previous_family_name
    )
    FROM (
        SELECT * REPLACE (
            name_words(given_name) AS given_name,
            name_words(middle_names) AS middle_names,
            name_words(family_name) AS family_name,
            name_words(previous_family_name) AS previous_family_name
        )
        FROM other_names_named
    )
),
-- step: titles
titles AS (
    SELECT * REPLACE (
        coalesce(title, name_title(given_name), name_title(family_name)) AS title,
        name_without_title(given_name) AS given_name,
        name_without_title(family_name) AS family_name,
        name_without_title(previous_family_name) AS previous_family_name
    )
    FROM names_as_words
),
-- step: family_name_prefixes
family_name_prefixes AS (
    SELECT * REPLACE (words_once(family_name) AS family_name, words_once(previous_family_name) AS previous_family_name)
    FROM (
        SELECT * REPLACE (
            family_name_joined(family_name) AS family_name,
            family_name_joined(previous_family_name) AS previous_family_name
        )
        FROM titles
    )
),
-- step: placeholder_names
placeholder_names AS (
    SELECT
        * EXCLUDE (given_fault, middle_fault, family_fault, previous_fault) REPLACE (
            CASE WHEN given_fault IS NULL THEN given_name END AS given_name,
            CASE WHEN middle_fault IS NULL THEN middle_names END AS middle_names,
            CASE WHEN family_fault IS NULL THEN family_name END AS family_name,
            CASE WHEN previous_fault IS NULL THEN previous_family_name END AS previous_family_name,
            CASE WHEN given_fault IS NULL THEN given_name_display END AS given_name_display,
            CASE WHEN middle_fault IS NULL THEN middle_names_display END AS middle_names_display,
            CASE WHEN family_fault IS NULL THEN family_name_display END AS family_name_display,
            CASE WHEN previous_fault IS NULL THEN previous_family_name_display END AS previous_family_name_display
        ),
        given_fault AS given_name_fault,
        middle_fault AS middle_names_fault,
        family_fault AS family_name_fault,
        previous_fault AS previous_family_name_fault
    FROM (
        SELECT
            *,
            CASE WHEN given_name_display IS NULL THEN NULL WHEN given_name IS NULL THEN 'no_letters'
                ELSE given_name_fault(given_name) END AS given_fault,
            CASE WHEN middle_names_display IS NULL THEN NULL WHEN middle_names IS NULL THEN 'no_letters'
                ELSE given_name_fault(middle_names) END AS middle_fault,
            CASE WHEN family_name_display IS NULL THEN NULL WHEN family_name IS NULL THEN 'no_letters'
                ELSE family_name_fault(family_name) END AS family_fault,
            CASE WHEN previous_family_name_display IS NULL THEN NULL WHEN previous_family_name IS NULL THEN 'no_letters'
                ELSE family_name_fault(previous_family_name) END AS previous_fault
        FROM family_name_prefixes
    )
),
-- step: dates_read
dates_read AS (
    SELECT
        *,
        not_after(
            timestamp_of(birth_date, ($formats::MAP(VARCHAR, VARCHAR))['birth_date']),
            ($formats::MAP(VARCHAR, VARCHAR))['birth_date'], $night::DATE
        )::DATE AS birth_day,
        not_after(
            timestamp_of(death_date, ($formats::MAP(VARCHAR, VARCHAR))['death_date']),
            ($formats::MAP(VARCHAR, VARCHAR))['death_date'], $night::DATE
        )::DATE AS death_day
    FROM placeholder_names
),
-- step: dates_judged
dates_judged AS (
    SELECT
        * EXCLUDE (birth_day, death_day, birth_fault, death_fault) REPLACE (
            CASE WHEN birth_fault IS NULL THEN birth_day END AS birth_date,
            CASE WHEN death_fault IS NULL AND NOT coalesce(death_day < birth_day AND birth_fault IS NULL, false)
                THEN death_day END AS death_date
        ),
        birth_fault AS birth_date_fault,
        coalesce(death_fault, CASE WHEN birth_fault IS NULL AND death_day < birth_day THEN 'before_birth' END)
            AS death_date_fault
    FROM (
        SELECT
            *,
            -- 1970-01-01 is where computers begin to count, and far commoner than any other day of its year.
            CASE WHEN birth_day = DATE '1970-01-01' THEN 'placeholder_date' ELSE date_fault(
                birth_date, ($formats::MAP(VARCHAR, VARCHAR))['birth_date'], birth_day, DATE '1895-01-01', $night::DATE
            ) END AS birth_fault,
            CASE WHEN death_day = DATE '1970-01-01' THEN 'placeholder_date' ELSE date_fault(
                death_date, ($formats::MAP(VARCHAR, VARCHAR))['death_date'], death_day, DATE '1895-01-01', $night::DATE
            ) END AS death_fault
        FROM dates_read
    )
),
-- step: sex_and_ethnicity
sex_and_ethnicity AS (
    SELECT
        * REPLACE (sex_of(sex) AS sex, ethnicity_of(ethnicity) AS ethnicity),
        sex_fault(sex, sex_of(sex)) AS sex_fault,
        CASE WHEN ethnicity IS NOT NULL AND ethnicity_of(ethnicity) IS NULL THEN 'not_in_code_list' END
            AS ethnicity_fault
    FROM dates_judged
),
-- step: postcodes_normal
postcodes_normal AS (
    SELECT *, postcode_fault(postcode) AS postcode_fault
    FROM (
        SELECT * EXCLUDE (compact) REPLACE (
            CASE WHEN compact IS NULL THEN postcode ELSE postcode_of(compact) END AS postcode
        )
        FROM (
            SELECT *, CASE WHEN NOT postcode_is_normal(postcode) THEN postcode_compact(postcode) END AS compact
            FROM sex_and_ethnicity
        )
    )
),
-- step: addresses
addresses AS (
    SELECT
        * EXCLUDE (address_words, fault, foreign_postcode) REPLACE (
            CASE WHEN fault IS NULL THEN nullif(concat_ws(' ', address_words, foreign_postcode), '') END AS address
        ),
        CASE WHEN fault IS NULL THEN address END AS address_display,
        fault AS address_fault
    FROM (
        -- A postcode of another country is no UK postcode, but it is part of where a person lives.
        SELECT
            *,
            CASE
                WHEN postcode_fault = 'not_a_uk_postcode' AND regexp_full_match(postcode, '[A-Z]*[0-9]{3}[A-Z0-9]*')
                    THEN postcode
            END AS foreign_postcode,
            CASE WHEN address IS NOT NULL THEN address_fault(address_words) END AS fault
        FROM (
            SELECT * EXCLUDE (address_folded), words_of(address_folded) AS address_words
            FROM (SELECT *, fold_text(address) AS address_folded FROM postcodes_normal)
        )
    )
),
-- step: contacts
contacts AS (
    SELECT
        * EXCLUDE (phone_digits, email_lower) REPLACE (
            CASE WHEN phone_fault IS NULL THEN phone_digits END AS phone,
            CASE WHEN email_fault IS NULL THEN email_lower END AS email
        )
    FROM (
        SELECT *, phone_fault(phone_digits) AS phone_fault, email_fault(email_lower) AS email_fault
        FROM (SELECT *, phone_of(phone) AS phone_digits, email_of(email) AS email_lower FROM addresses)
    )
),
-- step: gp_practices
gp_practices AS (
    SELECT
        * EXCLUDE (code) REPLACE (CASE WHEN practice_code_fault(code) IS NULL THEN code END AS gp_practice),
        practice_code_fault(code) AS gp_practice_fault
    FROM (SELECT *, practice_code(gp_practice) AS code FROM contacts)
),
-- step: null_reasons
null_reasons AS (
    SELECT
        *,
        CASE
            WHEN coalesce(
                nhs_number_fault, nhs_number_status_fault, given_name_fault, middle_names_fault, family_name_fault,
                previous_family_name_fault, birth_date_fault, death_date_fault, sex_fault, ethnicity_fault,
                address_fault, postcode_fault, phone_fault, email_fault, gp_practice_fault
            ) IS NULL THEN MAP {}
            ELSE reasons([
                {'column_name': 'nhs_number', 'reason': nhs_number_fault},
                {'column_name': 'nhs_number_status', 'reason': nhs_number_status_fault},
                {'column_name': 'given_name', 'reason': given_name_fault},
                {'column_name': 'middle_names', 'reason': middle_names_fault},
                {'column_name': 'family_name', 'reason': family_name_fault},
                {'column_name': 'previous_family_name', 'reason': previous_family_name_fault},
                {'column_name': 'birth_date', 'reason': birth_date_fault},
                {'column_name': 'death_date', 'reason': death_date_fault},
                {'column_name': 'sex', 'reason': sex_fault},
                {'column_name': 'ethnicity', 'reason': ethnicity_fault},
                {'column_name': 'address', 'reason': address_fault},
                {'column_name': 'postcode', 'reason': postcode_fault},
                {'column_name': 'phone', 'reason': phone_fault},
                {'column_name': 'email', 'reason': email_fault},
                {'column_name': 'gp_practice', 'reason': gp_practice_fault}
            ])
        END AS null_reasons
    FROM gp_practices
),
-- step: named_records
named_records AS (
    SELECT
        * REPLACE (
            -- A record that says it was merged into itself was not merged.
            CASE WHEN merged_into <> local_id THEN $provider || ':' || merged_into END AS merged_into,
            CASE WHEN postcode_fault IS NULL THEN postcode END AS postcode
        ),
        $provider || ':' || local_id AS record_id,
        $provider AS provider,
        $setting AS setting,
        nhs_number IS NOT NULL AND coalesce(nhs_number_status = '01', false) AS is_nhs_number_verified,
        -- Anything in this column but a plain "no" is treated as sensitive: wrong by caution harms nobody.
        sensitive IS NOT NULL AND coalesce(flag_of(sensitive), true) AS is_sensitive,
        $night::DATE AS night
    FROM null_reasons
)
SELECT * FROM named_records WHERE left_out IS NULL
