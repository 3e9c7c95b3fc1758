-- What kinds of records are known of whom: a provider that delivers a kind at all, and has a record of the person, would
-- have delivered it of this person too.
CREATE OR REPLACE TEMP TABLE risk_score_known AS
WITH
delivered AS (
    SELECT DISTINCT provider, setting, activity_kind AS kind, false AS has_icd10
    FROM patient_activity
    WHERE activity_kind IN ('spell', 'medication')
    UNION
    SELECT provider, setting, 'condition', bool_or(coalesce(coding_system = 'icd10', false))
    FROM patient_condition
    GROUP BY provider, setting
    UNION
    SELECT DISTINCT provider, setting, 'observation', false
    FROM patient_observation
)
SELECT
    patient_id,
    bool_or(kind = 'condition' AND delivered.setting = 'gp') AS has_practice_conditions,
    bool_or(kind = 'medication' AND delivered.setting = 'gp') AS has_practice_medicines,
    bool_or(kind = 'spell') AS has_spells,
    bool_or(has_icd10) AS has_icd10_conditions,
    list_sort(list(DISTINCT delivered.setting || ':' || kind)) AS inputs
FROM patient_record
JOIN delivered USING (provider)
GROUP BY patient_id
