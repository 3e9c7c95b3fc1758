-- What is worked out once for each distinct name and address of the records that linkage looks at, and the macros that
-- comparisons use. Reads: chosen_record (all of everybody, or those that are compared tonight), nickname (name, canonical),
-- common_address_word (word; frozen). Makes: given_form, family_form, address_form.

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

CREATE OR REPLACE TEMP TABLE given_form AS
WITH names AS (SELECT DISTINCT given_name FROM chosen_record WHERE given_name IS NOT NULL),
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
    list(word ORDER BY word) AS given_forms,
    list_distinct(string_split(given_name, ' ')) AS given_words,
    CASE WHEN length(name_sound(given_name)) >= 2 THEN name_sound(given_name) END AS given_sound
FROM canonicals
GROUP BY given_name;

CREATE OR REPLACE TEMP TABLE family_form AS
WITH names AS (SELECT DISTINCT family_name FROM chosen_record WHERE family_name IS NOT NULL)
SELECT
    family_name,
    list_distinct(list_filter(list_append(string_split(family_name, ' '), replace(family_name, ' ', '')), lambda w: length(w) > 1))
        AS family_forms,
    CASE WHEN length(name_sound(family_name)) >= 2 THEN name_sound(family_name) END AS family_sound
FROM names;

CREATE OR REPLACE TEMP TABLE address_form AS
WITH addresses AS (SELECT DISTINCT address FROM chosen_record WHERE address IS NOT NULL),
common AS (SELECT list(word) AS common_words FROM common_address_word),
telling AS (
    SELECT address, list_sort(list_filter(list_distinct(string_split(address, ' ')),
        lambda w: w <> '' AND NOT coalesce(list_contains(common_words, w), false))) AS address_words
    FROM addresses CROSS JOIN common
)
SELECT
    address,
    CASE WHEN len(address_words) > 0 THEN address_words END AS address_words,
    CASE WHEN len(address_words) >= 2 THEN array_to_string(address_words, ' ') END AS address_key
FROM telling;
