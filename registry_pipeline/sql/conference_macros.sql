-- How the summary of a person reads.

-- A number of things in words; null where there is none.
CREATE OR REPLACE TEMP MACRO conference_count(n, one, many) AS
    CASE WHEN n = 1 THEN '1 ' || one WHEN n > 1 THEN n || ' ' || many END;

-- A day in words: 3 March 2026.
CREATE OR REPLACE TEMP MACRO conference_day(day) AS strftime(day, '%-d %B %Y');

-- A number of days as people say it: days for two months, months for two years, then years.
CREATE OR REPLACE TEMP MACRO conference_while(days) AS
    CASE
        WHEN days <= 60 THEN conference_count(days, 'day', 'days')
        WHEN days <= 730 THEN conference_count(round(days / 30.4375)::INTEGER, 'month', 'months')
        ELSE conference_count(days // 365, 'year', 'years')
    END;

-- A probability as a percentage, never rounded to all or nothing when it is neither (as `pages.words` tells shares).
CREATE OR REPLACE TEMP MACRO conference_share(p) AS
    CASE WHEN p BETWEEN 0.005 AND 0.995 OR p IN (0, 1) THEN format('{:.0f}%', 100 * p) ELSE format('{:.1f}%', 100 * p) END;

-- What there is of a list of phrases, parted by a sign; null where there is nothing.
CREATE OR REPLACE TEMP MACRO conference_phrase(parts, sign) AS
    nullif(array_to_string(list_filter(parts, lambda part: part IS NOT NULL), sign), '');

-- A phrase as a sentence.
CREATE OR REPLACE TEMP MACRO conference_sentence(phrase) AS upper(phrase[1]) || phrase[2:] || '.';

-- Whether an id is an NHS number: the person's own, alone or within more, or any that would be valid.
CREATE OR REPLACE TEMP MACRO conference_is_number(id, nhs_number) AS
    coalesce(
        contains(regexp_replace(id, '[^0-9]', '', 'g'), nhs_number) OR nhs_number_check_digit_ok(nhs_number_digits(id)),
        false
    );

-- Whether an id of a person's record tells who they are: by an NHS number, their family name or their birth date.
CREATE OR REPLACE TEMP MACRO conference_tells_who(id, nhs_number, family_name, birth_date) AS
    conference_is_number(id, nhs_number)
    OR coalesce(length(family_name) > 2 AND contains(lower(id), lower(family_name)), false)
    OR coalesce(
        contains(regexp_replace(id, '[^0-9]', '', 'g'), strftime(birth_date, '%Y%m%d'))
        OR contains(regexp_replace(id, '[^0-9]', '', 'g'), strftime(birth_date, '%d%m%Y')),
        false
    );

-- Whether a coordinator's id is one: neither text, such as a name or an address, nor an NHS or telephone number.
CREATE OR REPLACE TEMP MACRO conference_is_id(id, nhs_number) AS
    regexp_full_match(id, '[A-Za-z0-9._/{}:-]{1,40}')
    AND NOT regexp_full_match(id, '[0-9]{10,11}')
    AND NOT conference_is_number(id, nhs_number);
