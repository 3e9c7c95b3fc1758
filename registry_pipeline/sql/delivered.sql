-- How a delivered text is read before it is judged. Loaded into the connection on which Great Expectations runs.
-- What belongs here: reading one delivered value under the format or code list agreed with the provider. What does not:
-- rules (expectations/), and cleaning (macros.sql, standardise.py). Every macro answers null for what it cannot read.

-- ISO 8601 date, or date and time; the plain pattern comes first because a cast also takes 'epoch' and 'infinity'.
CREATE OR REPLACE MACRO delivered_iso_timestamp(text) AS
    CASE WHEN trim(text) LIKE '____-__-__%' THEN try_cast(trim(text) AS TIMESTAMP) END;

-- The provider's own strptime formats (the agreed one, and its date part alone where it also has a time).
CREATE OR REPLACE MACRO delivered_formatted_timestamp(text, formats) AS try_strptime(trim(text), formats);

-- A code, after the provider's own code list: compared in upper case, and an empty one is no code.
CREATE OR REPLACE MACRO delivered_code(text) AS nullif(upper(trim(text)), '');

-- Dates that systems write when they know none: spreadsheet and database zeros, and ends of calendars.
CREATE OR REPLACE MACRO is_placeholder_date(day) AS
    day IN (DATE '1900-01-01', DATE '1901-01-01', DATE '1899-12-30', DATE '1899-12-31', DATE '1582-10-15',
            DATE '1753-01-01', DATE '1111-11-11', DATE '9999-12-31', DATE '9999-12-30', DATE '2999-12-31');

-- DuckDB would turn each IN (...) of the view and of the expectations into a join, which runs whether asked for or not
-- and costs more than comparing with a handful of codes.
SET disabled_optimizers = 'in_clause';
