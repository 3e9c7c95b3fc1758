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
