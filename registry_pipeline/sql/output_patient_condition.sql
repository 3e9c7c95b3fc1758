-- Diagnoses and problems without identity. Reads: event_of_person (sorted). Parameter: $relative.
SELECT
    pseudonym('event', event_key) AS event_pseudonym,
    patient_pseudonym,
    if(is_sensitive AND setting = 'gp', NULL, provider) AS provider,
    setting,
    month_of(start_date) AS start_month,
    days_since(start_date, first_day, $relative) AS start_day,
    day_told(start_date, birth_date, death_date, $relative) AS start_date,
    month_of(end_date) AS end_month,
    days_since(end_date, first_day, $relative) AS end_day,
    day_told(end_date, birth_date, death_date, $relative) AS end_date,
    code, coding_system
FROM event_of_person
