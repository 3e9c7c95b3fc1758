-- link_record: one row per person record, with what comparisons and blocking look at, worked out once per record.
-- Reads: person_record (every provider's share), nickname (name, canonical), replaced_number (nhs_number, current_number).
-- Numbers: $most_records_of_a_number, $most_records_of_a_phone, $common_address_word (see link/model.py).

CREATE OR REPLACE MACRO names_are_close(a, b) AS jaro_winkler_similarity(a, b) >= 0.88;
CREATE OR REPLACE MACRO names_sound_alike(sound_a, sound_b, a, b) AS
    sound_a = sound_b AND jaro_winkler_similarity(a, b) >= 0.75;

-- Shared words over the words of the shorter address: order does not matter, nor what only one side writes down. An
-- address cut down to a number and a place counts as three words, or it would agree with half the town.
CREATE OR REPLACE MACRO address_overlap(a, b) AS
    CASE WHEN len(a) >= 2 AND len(b) >= 2
        THEN len(list_intersect(a, b)) / greatest(least(len(a), len(b)), least(3, greatest(len(a), len(b)))) END;

-- Edits between two addresses written without blanks, as a share of the longer one: also catches blanks put wrongly.
CREATE OR REPLACE MACRO address_edits(a, b) AS
    CASE WHEN least(length(a), length(b)) >= 8 AND abs(length(a) - length(b)) <= 0.45 * greatest(length(a), length(b))
        THEN levenshtein(a, b) / greatest(length(a), length(b)) ELSE 1 END;

-- How a name sounds in many languages at once: letters that are written for one another are one letter, vowels but a
-- leading one and doubled letters go. Not English only: V/W/F, C/K/Q, S/Z/X, J/Y, PH, TH, CK, SH and the like.
CREATE OR REPLACE MACRO name_sound(name) AS nullif(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
    regexp_replace(regexp_replace(regexp_replace(
        translate(
            replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(name,
                ' ', ''), 'PH', 'F'), 'TH', 'T'), 'SCH', 'S'), 'SH', 'S'), 'CH', 'K'), 'CK', 'K'), 'KH', 'K'), 'GH', 'G'), 'DH', 'D'),
            'CQZXVWBEIOUY', 'KKSSFFPAAAAA'),
        '(.)H', '\1', 'g'),
        'K+', 'K', 'g'), 'S+', 'S', 'g'), '[MN]+', 'N', 'g'), 'L+', 'L', 'g'), '[TD]+', 'T', 'g'), '(.)A+', '\1', 'g'), '');

-- Sorted and then numbered by place: a window over the whole table would sort on one core.
CREATE OR REPLACE TEMP TABLE sorted_record AS
SELECT
    record_id, provider, given_name, middle_names, family_name, previous_family_name, alias_names,
    strftime(birth_date, '%Y%m%d') AS birth_digits,
    CASE WHEN sex IN ('M', 'F') THEN sex END AS sex,
    address, postcode, phone, email, nhs_number,
    coalesce(current_number, nhs_number) AS current_nhs_number,
    coalesce(is_nhs_number_verified, false) AS is_verified,
    merged_into, setting, night
FROM person_record
LEFT JOIN replaced_number USING (nhs_number)
ORDER BY record_id;

CREATE OR REPLACE TEMP VIEW numbered AS SELECT (rowid + 1)::INTEGER AS id, * FROM sorted_record;

-- A number in very many records is a placeholder: it decides nothing.
CREATE OR REPLACE TEMP TABLE known_number AS
SELECT current_nhs_number, min(id) AS number_id, count(*)::INTEGER AS n_current_nhs_number
FROM numbered
WHERE current_nhs_number IS NOT NULL
GROUP BY current_nhs_number
HAVING count(*) <= $most_records_of_a_number;

-- How many records hold each value: what term frequencies are made from.
CREATE OR REPLACE TEMP TABLE birth_count AS
SELECT birth_digits, count(*)::INTEGER AS n_birth_digits FROM numbered WHERE birth_digits IS NOT NULL GROUP BY birth_digits;

CREATE OR REPLACE TEMP TABLE postcode_count AS
SELECT postcode, count(*)::INTEGER AS n_postcode FROM numbered WHERE postcode IS NOT NULL GROUP BY postcode;

CREATE OR REPLACE TEMP TABLE phone_count AS
SELECT phone, count(*)::INTEGER AS n_phone FROM numbered WHERE phone IS NOT NULL GROUP BY phone;

CREATE OR REPLACE TEMP TABLE email_count AS
SELECT email, count(*)::INTEGER AS n_email FROM numbered WHERE email IS NOT NULL GROUP BY email;

CREATE OR REPLACE TEMP TABLE given_form AS
WITH names AS (SELECT given_name, count(*)::INTEGER AS n_given_name FROM numbered WHERE given_name IS NOT NULL GROUP BY given_name),
words AS (
    SELECT given_name, unnest(string_split(given_name, ' ')) AS word FROM names
    UNION
    SELECT given_name, replace(given_name, ' ', '') FROM names
),
canonicals AS (
    SELECT given_name, word FROM words WHERE length(word) > 1
    UNION
    SELECT given_name, canonical FROM words INNER JOIN nickname ON nickname.name = word
)
SELECT
    given_name,
    any_value(n_given_name) AS n_given_name,
    list(word ORDER BY word) AS given_forms,
    string_split(given_name, ' ') AS given_words,
    CASE WHEN length(name_sound(given_name)) >= 2 THEN name_sound(given_name) END AS given_sound
FROM canonicals
INNER JOIN names USING (given_name)
GROUP BY given_name;

CREATE OR REPLACE TEMP TABLE family_form AS
WITH names AS (SELECT family_name, count(*)::INTEGER AS n_family_name FROM numbered WHERE family_name IS NOT NULL GROUP BY family_name)
SELECT
    family_name, n_family_name,
    list_distinct(list_filter(list_append(string_split(family_name, ' '), replace(family_name, ' ', '')), lambda w: length(w) > 1))
        AS family_forms,
    CASE WHEN length(name_sound(family_name)) >= 2 THEN name_sound(family_name) END AS family_sound
FROM names;

CREATE OR REPLACE TEMP TABLE address_form AS
WITH addresses AS (SELECT address, count(*) AS records FROM numbered WHERE address IS NOT NULL GROUP BY address),
words AS (
    SELECT address, records, unnest(list_distinct(string_split(address, ' '))) AS word FROM addresses
),
common AS (
    SELECT list(word) AS common_words FROM (
        SELECT word FROM words
        WHERE NOT regexp_matches(word, '[0-9]')
        GROUP BY word
        HAVING sum(records) > $common_address_word * (SELECT sum(records) FROM addresses)
    )
),
telling AS (
    SELECT address, records, list_sort(list_filter(list_distinct(string_split(address, ' ')),
        lambda w: w <> '' AND NOT coalesce(list_contains(common_words, w), false))) AS address_words
    FROM addresses CROSS JOIN common
)
SELECT
    address,
    CASE WHEN len(address_words) > 0 THEN address_words END AS address_words,
    CASE WHEN len(address_words) >= 2 THEN array_to_string(address_words, ' ') END AS address_key,
    CASE WHEN address_key IS NOT NULL THEN (sum(records) OVER (PARTITION BY address_key))::INTEGER END AS n_address_key
FROM telling;

CREATE OR REPLACE TEMP TABLE counted_record AS
SELECT
    id, record_id, provider, setting, night, given_name, family_name, birth_digits, sex, postcode, phone, email, merged_into,
    CASE WHEN n_phone <= $most_records_of_a_phone THEN phone END AS phone_of_few,
    nhs_number, known_number.current_nhs_number, known_number.number_id, is_verified,
    given_forms,
    CASE
        WHEN middle_names IS NULL AND coalesce(len(alias_names), 0) = 0 THEN given_forms
        ELSE list_distinct(list_concat(given_forms, list_filter(string_split(
            concat_ws(' ', middle_names, array_to_string(alias_names, ' ')), ' '), lambda w: length(w) > 1)))
    END AS given_names,
    given_words,
    given_sound,
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
    -- Two records with a verified number each need no comparison: the numbers say whether they are one person.
    is_verified AND number_id IS NOT NULL AS is_settled,
    n_given_name, n_family_name, n_birth_digits, n_address_key, n_postcode, n_phone, n_email, n_current_nhs_number
FROM numbered
LEFT JOIN known_number USING (current_nhs_number)
LEFT JOIN birth_count USING (birth_digits)
LEFT JOIN postcode_count USING (postcode)
LEFT JOIN phone_count USING (phone)
LEFT JOIN email_count USING (email)
LEFT JOIN given_form USING (given_name)
LEFT JOIN family_form USING (family_name)
LEFT JOIN address_form USING (address);
