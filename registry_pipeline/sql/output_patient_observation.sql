-- Measurements and care processes without identity. Reads: event_of_person (sorted). Parameter: $relative.
SELECT
    pseudonym('event', event_key) AS event_pseudonym,
    patient_pseudonym,
    if(is_sensitive AND setting = 'gp', NULL, provider) AS provider,
    setting,
    month_of(start_date) AS start_month,
    days_since(start_date, first_day, $relative) AS start_day,
    day_told(start_date, birth_date, death_date, $relative) AS start_date,
    code, coding_system,
    -- No measurement has seven digits before its point; NHS and telephone numbers, and days, have.
    CASE WHEN abs(value) < 1000000 THEN value END AS value,
    unit
FROM event_of_person
