-- Attended contacts outside hospital of people who left one, by person and world. Reads patient_activity, audit_stay.
-- Parameters: $first (day), $night.
CREATE OR REPLACE TEMP TABLE audit_contact AS
WITH contact AS (
    SELECT patient_id, record_id, setting, start_time
    FROM patient_activity
    WHERE activity_kind = 'contact' AND setting <> 'acute' AND audit_is_attended(attendance_status)
      AND start_time::DATE BETWEEN $first::DATE AND $night::DATE
),
discharged AS (SELECT DISTINCT person FROM audit_stay WHERE end_month IS NOT NULL)
SELECT person, setting, start_time FROM contact
JOIN audit_published_person USING (patient_id) SEMI JOIN discharged USING (person)
UNION ALL
SELECT person, setting, start_time FROM contact
JOIN audit_touched_person USING (record_id) SEMI JOIN discharged USING (person);
