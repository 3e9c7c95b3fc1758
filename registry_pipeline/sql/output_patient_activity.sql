-- Spells, attendances, contacts, referrals and medications without identity. Reads: event_of_person (sorted). Parameter: $relative.
SELECT
    pseudonym('event', event_key) AS event_pseudonym,
    patient_pseudonym,
    if(is_sensitive AND setting = 'gp', NULL, provider) AS provider,
    setting,
    activity_kind,
    month_of(start_time) AS start_month,
    days_since(start_time, first_day, $relative) AS start_day,
    day_told(start_time, birth_date, death_date, $relative) AS start_date,
    month_of(end_time) AS end_month,
    days_since(end_time, first_day, $relative) AS end_day,
    day_told(end_time, birth_date, death_date, $relative) AS end_date,
    admission_method, is_emergency, admission_source, discharge_method, discharge_destination, patient_classification,
    specialty, diagnoses, procedures,
    month_of(clinically_ready_date) AS clinically_ready_month,
    days_since(clinically_ready_date, first_day, $relative) AS clinically_ready_day,
    day_told(clinically_ready_date, birth_date, death_date, $relative) AS clinically_ready_date,
    if(is_sensitive, NULL, site) AS site,
    attendance_status, consultation_mechanism, staff_group, duration_minutes, priority, source, reason, code, is_repeat
FROM event_of_person
