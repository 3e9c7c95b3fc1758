-- A code of a diagnosis whose system is not delivered with it: ICD-10 if it has that form (a letter and two digits, then a
-- digit, the filler X, dagger or asterisk, a mark or nothing: no Read code such as C10E), SNOMED CT if it is a number.
CREATE OR REPLACE TEMP MACRO code_system_of_form(code) AS
    CASE
        WHEN regexp_matches(code, '^[A-Za-z][0-9]{2}([0-9Xx]|[DdAa]?$|[^0-9A-Za-z])') THEN 'icd10'
        WHEN regexp_full_match(code, '[0-9]{6,18}') THEN 'snomed'
    END;

-- A medicine's: SNOMED CT (dm+d is part of it) if it is a number. One that looks like ICD-10 is of a classification of
-- medicines: C10AA05 is a statin, and C10 a cancer.
CREATE OR REPLACE TEMP MACRO medicine_system_of_form(code) AS
    CASE WHEN regexp_full_match(code, '[0-9]{6,18}') THEN 'snomed' END;

-- Every coded thing that the registry knows of people: one row per event and code.
CREATE OR REPLACE TEMP VIEW coded_event AS
WITH
diagnosis AS (
    SELECT
        patient_id, event_key, record_id, provider, setting, activity_kind, start_time, end_time,
        unnest(diagnoses) AS code,
        unnest(range(1, len(diagnoses) + 1)) AS place
    FROM patient_activity
    WHERE activity_kind IN ('spell', 'attendance') AND len(diagnoses) > 0
),
done AS (
    SELECT
        patient_id, event_key, record_id, provider, setting, start_time, end_time,
        unnest(procedures) AS code
    FROM patient_activity
    WHERE activity_kind = 'spell' AND len(procedures) > 0
)
SELECT
    patient_id, event_key, record_id, provider, setting, 'condition' AS kind,
    start_date AS day, end_date AS end_day, coding_system, code,
    NULL::DOUBLE AS value, NULL::BOOLEAN AS is_main, NULL::VARCHAR AS unit
FROM patient_condition
WHERE code IS NOT NULL
UNION ALL
SELECT
    patient_id, event_key, record_id, provider, setting, activity_kind,
    start_time::DATE, end_time::DATE, code_system_of_form(code), code, NULL, place = 1, NULL
FROM diagnosis
UNION ALL
SELECT
    patient_id, event_key, record_id, provider, setting, 'procedure',
    start_time::DATE, end_time::DATE, 'opcs4', code, NULL, NULL, NULL
FROM done
UNION ALL
SELECT
    patient_id, event_key, record_id, provider, setting, 'observation',
    start_date, NULL, coding_system, code, value, NULL, unit
FROM patient_observation
WHERE code IS NOT NULL
UNION ALL
SELECT
    patient_id, event_key, record_id, provider, setting, 'medication',
    start_time::DATE, end_time::DATE, medicine_system_of_form(code), code, NULL, NULL, NULL
FROM patient_activity
WHERE activity_kind = 'medication' AND code IS NOT NULL;
