-- How a delivered text is read before it is judged. Loaded into the connection on which Great Expectations runs.
-- What belongs here: reading one delivered value under the format or code list agreed with the provider. What does not:
-- rules (expectations/), and cleaning (macros.sql, standardise.py). Every macro answers null for what it cannot read.

-- ISO 8601 date, or date and time; the plain pattern comes first because a cast also takes 'epoch' and 'infinity'.
CREATE OR REPLACE MACRO delivered_iso_timestamp(text) AS
    CASE WHEN trim(text) LIKE '____-__-__%' THEN try_cast(trim(text) AS TIMESTAMP) END;

-- The provider's own strptime formats (the agreed one, and its date part alone where it also has a time).
CREATE OR REPLACE MACRO delivered_formatted_timestamp(text, formats) AS try_strptime(trim(text), formats);

-- A code that the provider's own code list has been applied to: compared in upper case, and an empty one is no code.
CREATE OR REPLACE MACRO delivered_code(text) AS nullif(upper(trim(text)), '');
