-- Which provider delivers which kind of records that the scores can read, and the bit that stands for the setting and
-- kind. Stays without a single ICD-10 diagnosis, conditions in another coding system than the lists' and medicines of
-- which nobody says whether they are repeated tell nothing: what is not there must not become a zero. Nor does a provider
-- tell who has no condition if most of its conditions are in another system (Read codes from before a move to SNOMED CT).
-- Parameter: $coding_systems, of the lists of conditions.
CREATE OR REPLACE TEMP TABLE risk_score_input AS
WITH
delivered AS (
    SELECT
        provider, setting, 'spell' AS kind, false AS is_listed,
        bool_or(list_has_any(list_transform(diagnoses, lambda code: code_system_of_form(code)), ['icd10'])) AS is_icd10
    FROM patient_activity
    WHERE activity_kind = 'spell' AND len(diagnoses) > 0
    GROUP BY provider, setting
    UNION ALL
    SELECT DISTINCT provider, setting, 'medication', true, false
    FROM patient_activity
    WHERE activity_kind = 'medication' AND is_repeat IS NOT NULL
    UNION ALL
    SELECT
        provider, setting, 'condition',
        2 * count(*) FILTER (coding_system IN (SELECT unnest($coding_systems::VARCHAR[]))) >= count(*),
        bool_or(coding_system = 'icd10')
    FROM patient_condition
    GROUP BY provider, setting
    UNION ALL
    SELECT DISTINCT provider, setting, 'observation', true, false
    FROM patient_observation
)
SELECT *, 1::BIGINT << (dense_rank() OVER (ORDER BY setting, kind) - 1)::INTEGER AS bit
FROM delivered
WHERE is_listed OR is_icd10
