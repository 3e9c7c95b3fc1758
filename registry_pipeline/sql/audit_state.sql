-- How things stand at each month's end, for people in any of the cohorts. What holds in which months is kept as bits
-- (audit_months) until it is summed. Reads audit_person, audit_done, patient_condition, patient_care_plan, patient_carer,
-- code_meaning. Parameters: $months, $night.
CREATE OR REPLACE TEMP TABLE audit_state AS
WITH cohort_code AS (
    SELECT DISTINCT list, coding_system, code FROM code_meaning WHERE list IN ('diabetes', 'copd')
),
condition AS (
    SELECT patient_id, record_id, list, start_date, end_date
    FROM patient_condition JOIN cohort_code USING (coding_system, code)
    WHERE start_date IS NULL OR start_date <= $night::DATE
),
condition_of_person AS (
    SELECT person, condition.* FROM condition JOIN audit_published_person USING (patient_id)
    UNION ALL
    SELECT person, condition.* FROM condition JOIN audit_touched_person USING (record_id)
),
has_condition AS (
    SELECT
        person,
        coalesce(bit_or(held) FILTER (list = 'diabetes'), 0) AS diabetes,
        coalesce(bit_or(held) FILTER (list = 'copd'), 0) AS copd
    FROM (
        SELECT
            person, list,
            audit_months(
                coalesce(audit_month_of(start_date), 0), coalesce(audit_month_of(end_date) - 1, $months)
            ) AS held
        FROM condition_of_person
    )
    GROUP BY person
),
plan_of_person AS (
    SELECT person, start_date, end_date, coordinator_id
    FROM patient_care_plan JOIN audit_published_person USING (patient_id) WHERE start_date <= $night::DATE
    UNION ALL
    SELECT person, start_date, end_date, coordinator_id
    FROM patient_care_plan JOIN audit_touched_person USING (record_id) WHERE start_date <= $night::DATE
),
has_plan AS (
    SELECT
        person,
        bit_or(in_force) AS plan,
        coalesce(bit_or(in_force) FILTER (coordinator_id IS NOT NULL), 0) AS coordinator,
        bit_or(audit_months(audit_month_of(start_date), $months)) AS enrolled
    FROM (
        SELECT
            *,
            audit_months(audit_month_of(start_date), coalesce(audit_month_of(end_date) - 1, $months)) AS in_force
        FROM plan_of_person
    )
    GROUP BY person
),
carer_of_person AS (
    SELECT person, start_date, end_date, assessment_date
    FROM patient_carer JOIN audit_published_person USING (patient_id)
    UNION ALL
    SELECT person, start_date, end_date, assessment_date
    FROM patient_carer JOIN audit_touched_person USING (record_id)
),
has_carer AS (
    SELECT
        person,
        bit_or(audit_months(
            coalesce(audit_month_of(start_date), 0), coalesce(audit_month_of(end_date) - 1, $months)
        )) AS carer,
        coalesce(bit_or(
            audit_months(audit_month_of(assessment_date), audit_month_of(assessment_date) + 11)
        ) FILTER (assessment_date <= $night::DATE), 0) AS carer_assessed
    FROM carer_of_person
    WHERE start_date IS NULL OR start_date <= $night::DATE
    GROUP BY person
),
-- Done on a day of a month, it has been done within 12 months at the end of that month and of the 11 after it.
was_done AS (
    SELECT
        person,
        /* processes */
        coalesce(bit_or(audit_months(month, month + 11)) FILTER (list = 'copd_review'), 0) AS copd_review,
        coalesce(bit_or(audit_months(month, month + 11)) FILTER (list = 'carers_assessment'), 0) AS assessed
    FROM audit_done
    GROUP BY person
),
lived AS (
    SELECT
        person, world, practice, neighbourhood, lsoa, ethnicity, deprivation, birth_date,
        audit_months(
            coalesce(audit_month_of(birth_date), 0), coalesce(audit_month_of(death_date) - 1, $months)
        ) AS alive,
        audit_months(audit_month_of((birth_date + INTERVAL 75 YEAR)::DATE), $months) AS old,
        coalesce(audit_months(audit_month_of((birth_date + INTERVAL 12 YEAR)::DATE), $months),
            audit_months(0, $months)) AS of_age
    FROM audit_person
),
put_together AS (
    SELECT
        lived.* EXCLUDE (alive, old, of_age, birth_date),
        alive & of_age & coalesce(diabetes, 0) AS diabetes,
        alive & coalesce(copd, 0) AS copd,
        alive & coalesce(old, 0) AS old,
        alive & coalesce(carer, 0) AS carer,
        alive & (coalesce(old, 0) | (of_age & coalesce(diabetes, 0))) AS target,
        coalesce(plan, 0) AS plan, coalesce(coordinator, 0) AS coordinator, coalesce(enrolled, 0) AS enrolled,
        coalesce(carer_assessed, 0) | coalesce(assessed, 0) AS carer_assessed,
        /* processes_done */
        coalesce(copd_review, 0) AS copd_review
    FROM lived
    LEFT JOIN has_condition USING (person)
    LEFT JOIN has_plan USING (person)
    LEFT JOIN has_carer USING (person)
    LEFT JOIN was_done USING (person)
)
SELECT * FROM put_together WHERE (target | copd | carer) <> 0;
