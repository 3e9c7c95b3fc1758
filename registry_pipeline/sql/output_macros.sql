-- How an output tells what it may not tell exactly.

-- A date as its year and month.
CREATE OR REPLACE TEMP MACRO month_of(day) AS left(day::DATE::VARCHAR, 7);

-- A date as whole days since the person's first event, where dates are relative.
CREATE OR REPLACE TEMP MACRO days_since(day, first_day, relative) AS
    CASE WHEN relative THEN date_diff('day', first_day, day::DATE) END;

-- A date itself, where the agreement covers days; a birth or a death keeps its month only.
CREATE OR REPLACE TEMP MACRO day_told(day, birth_date, death_date, relative) AS
    CASE WHEN NOT relative AND day::DATE IS DISTINCT FROM birth_date AND day::DATE IS DISTINCT FROM death_date
        THEN day::DATE END;

-- Whether a value has the form of a code, so that it is no name, no number that identifies, no date and no postcode: at
-- most three characters; up to seven letters and digits together; or a SNOMED CT concept id (its partition is 00 or 10),
-- but for ten and eleven digits, as NHS and telephone numbers have. Any other value is shown only where enough people
-- share it.
CREATE OR REPLACE TEMP MACRO is_code(value) AS
    regexp_full_match(value, '[A-Za-z0-9]{1,3}|[0-9]{3,6}[01]0[0-9]|[0-9]{9,15}[01]0[0-9]')
    AND NOT regexp_full_match(value, '(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])')
    OR (
        regexp_full_match(value, '[A-Za-z0-9.]{4,7}')
        AND regexp_matches(value, '[0-9]')
        AND regexp_matches(value, '[A-Za-z]')
        AND NOT regexp_full_match(upper(value), '[A-Z]{1,2}[0-9][A-Z0-9]?[0-9][A-Z]{2}')
    );
