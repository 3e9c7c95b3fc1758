-- Which provider delivers which kind of records that the scores read, and the bit that stands for the setting and kind.
CREATE OR REPLACE TEMP TABLE risk_score_input AS
WITH
delivered AS (
    SELECT DISTINCT provider, setting, activity_kind AS kind, false AS has_icd10
    FROM patient_activity
    WHERE activity_kind IN ('spell', 'medication')
    UNION ALL
    SELECT provider, setting, 'condition', bool_or(coalesce(coding_system = 'icd10', false))
    FROM patient_condition
    GROUP BY provider, setting
    UNION ALL
    SELECT DISTINCT provider, setting, 'observation', false
    FROM patient_observation
)
SELECT
    provider, setting, kind, has_icd10,
    1::BIGINT << (dense_rank() OVER (ORDER BY setting, kind) - 1)::INTEGER AS bit
FROM delivered
