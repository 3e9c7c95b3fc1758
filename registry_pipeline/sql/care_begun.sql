-- From which day each provider's data would show that a step was done, by the kind of records in which it is expected:
-- the day before which less than $stray of them lie, so that some old entries do not make them look complete from then on.
-- Parameters: $night, $stray.
CREATE OR REPLACE TEMP TABLE care_begun AS
WITH
expected AS (
    SELECT care_count.step, care_count.kind, care_count.settings
    FROM care_count
    JOIN care_step USING (step)
    WHERE care_count.is_expected AND care_step.timing <> 'within'
),
dated AS (
    SELECT 'observation' AS kind, provider, setting, start_date AS day FROM patient_observation
    UNION ALL
    SELECT 'condition', provider, setting, start_date FROM patient_condition
    UNION ALL
    SELECT activity_kind, provider, setting, start_time::DATE FROM patient_activity
    UNION ALL
    SELECT 'care_plan', provider, setting, coalesce(start_date, updated_date) FROM patient_care_plan
    UNION ALL
    SELECT 'coordinator', provider, setting, coalesce(start_date, updated_date)
    FROM patient_care_plan
    WHERE coordinator_id IS NOT NULL
    UNION ALL
    SELECT 'carer', provider, setting, assessment_date FROM patient_carer
),
begun AS (
    SELECT kind, provider, setting, quantile_disc(day, $stray::DOUBLE) AS day
    FROM dated
    WHERE day <= $night::DATE AND kind IN (SELECT kind FROM expected)
    GROUP BY kind, provider, setting
)
SELECT expected.step, begun.provider, min(begun.day) AS day
FROM expected
JOIN begun ON begun.kind = expected.kind AND care_is_named(expected.settings, begun.setting)
GROUP BY expected.step, begun.provider;
