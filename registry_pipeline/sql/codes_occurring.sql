-- The distinct codes of the registry's tables, with what of them is compared with lists. Looked for once a connection.
CREATE TEMP TABLE IF NOT EXISTS code_occurring AS
WITH
in_activity AS (
    -- Distinct lists and codes before anything is taken apart: activity has millions of rows and few codes.
    SELECT DISTINCT activity_kind, diagnoses, procedures, code
    FROM patient_activity
    WHERE activity_kind IN ('spell', 'attendance', 'medication')
),
occurring AS (
    SELECT coding_system, code FROM patient_condition
    UNION
    SELECT coding_system, code FROM patient_observation
    UNION
    SELECT code_system_of_form(code), code FROM (SELECT unnest(diagnoses) AS code FROM in_activity)
    UNION
    SELECT 'opcs4', code FROM (SELECT unnest(procedures) AS code FROM in_activity)
    UNION
    SELECT medicine_system_of_form(code), code FROM in_activity WHERE activity_kind = 'medication'
)
SELECT
    coding_system,
    code,
    CASE coding_system
        WHEN 'icd10' THEN icd10_code(code)
        WHEN 'opcs4' THEN upper(regexp_replace(code, '[^A-Za-z0-9]', '', 'g'))
        WHEN 'snomed' THEN trim(code)
        -- Read codes may carry the two characters of their term.
        ELSE left(trim(code), 5)
    END AS compared
FROM occurring
WHERE coding_system IS NOT NULL AND code IS NOT NULL;

CREATE TEMP TABLE IF NOT EXISTS code_meaning (
    list VARCHAR, item VARCHAR, weight DOUBLE, coding_system VARCHAR, code VARCHAR
);
