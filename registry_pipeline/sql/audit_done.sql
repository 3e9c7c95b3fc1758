-- Care processes, reviews, assessments and conferences that were recorded, as observation or as coded entry, by person
-- and world. Reads patient_observation, patient_condition, code_meaning. Parameters: $lists, $night.
CREATE OR REPLACE TEMP TABLE audit_done AS
WITH meant AS (
    SELECT DISTINCT list, coding_system, code FROM code_meaning WHERE list IN (SELECT unnest($lists))
),
recorded AS (
    SELECT patient_id, record_id, provider, list, start_date AS day
    FROM patient_observation JOIN meant USING (coding_system, code)
    WHERE start_date <= $night::DATE
    UNION ALL
    SELECT patient_id, record_id, provider, list, start_date
    FROM patient_condition JOIN meant USING (coding_system, code)
    WHERE start_date <= $night::DATE
)
SELECT person, provider, list, day, audit_month_of(day) AS month
FROM recorded JOIN audit_published_person USING (patient_id)
WHERE audit_month_of(day) >= -11
UNION ALL
SELECT person, provider, list, day, audit_month_of(day)
FROM recorded JOIN audit_touched_person USING (record_id)
WHERE audit_month_of(day) >= -11;
