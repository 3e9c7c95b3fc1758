-- Ordinary hospital stays (no day case, no regular attender) that lasted into the time looked at, by person and world;
-- one that ends after the night lasts. Reads patient_activity. Parameters: $first (day), $night.
CREATE OR REPLACE TEMP TABLE audit_stay AS
WITH stay AS (
    SELECT
        patient_id, record_id, event_key, provider, setting, start_time, start_time::DATE AS start_day,
        CASE WHEN end_time::DATE <= $night::DATE THEN end_time END AS end_time,
        CASE WHEN end_time::DATE <= $night::DATE THEN end_time::DATE END AS end_day,
        coalesce(is_emergency, false) AS is_emergency,
        audit_is_from_hospital(admission_method, admission_source) AS is_from_hospital,
        coalesce(discharge_method IN ('4', '5'), false) AS is_death,
        audit_is_to_hospital(discharge_destination) AS is_to_hospital,
        audit_is_maternity(admission_method) AS is_maternity,
        len(list_filter(diagnoses, lambda code: code LIKE 'C%' OR code LIKE 'Z511%')) > 0 AS has_cancer,
        CASE WHEN regexp_matches(diagnoses[1], '^[A-Z][0-9]') THEN diagnoses[1] END AS main_diagnosis,
        clinically_ready_date
    FROM patient_activity
    WHERE activity_kind = 'spell'
      AND coalesce(patient_classification, '1') = '1'
      AND start_time::DATE <= $night::DATE
      AND coalesce(end_time::DATE, $night::DATE) >= $first::DATE
),
of_person AS (
    SELECT person, stay.* FROM stay JOIN audit_published_person USING (patient_id)
    UNION ALL
    SELECT person, stay.* FROM stay JOIN audit_touched_person USING (record_id)
)
SELECT
    of_person.* EXCLUDE (patient_id, record_id, has_cancer),
    coalesce(has_cancer, false) AS has_cancer,
    date_diff('day', start_day, end_day) AS nights,
    audit_month_of(end_day) AS end_month,
    birth_date, death_date
FROM of_person JOIN audit_person USING (person);
