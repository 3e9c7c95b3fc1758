-- What was done by its code, in observations and conditions: the last day by each provider. Parameter: $night.
INSERT INTO care_done
WITH
meaning AS (
    SELECT DISTINCT care_count.kind, code_meaning.list, code_meaning.coding_system, code_meaning.code
    FROM care_count
    JOIN code_meaning USING (list)
),
member AS (
    SELECT DISTINCT care_fact.patient_id
    FROM care_fact
    WHERE care_fact.fact IN (SELECT fact FROM care_step WHERE timing <> 'within')
),
last AS (
    SELECT
        'observation' AS kind, meaning.list, done.patient_id, done.setting, done.provider, max(done.start_date) AS day
    FROM patient_observation AS done
    JOIN meaning ON meaning.coding_system = done.coding_system AND meaning.code = done.code
    SEMI JOIN member ON member.patient_id = done.patient_id
    WHERE meaning.kind = 'observation' AND done.start_date <= $night::DATE
    GROUP BY ALL
    UNION ALL
    SELECT 'condition', meaning.list, done.patient_id, done.setting, done.provider, max(done.start_date)
    FROM patient_condition AS done
    JOIN meaning ON meaning.coding_system = done.coding_system AND meaning.code = done.code
    SEMI JOIN member ON member.patient_id = done.patient_id
    WHERE meaning.kind = 'condition' AND done.start_date <= $night::DATE
    GROUP BY ALL
)
SELECT
    care_step.step, last.patient_id, last.day,
    CASE care_step.timing WHEN 'always' THEN care_never() ELSE (last.day + care_step.span)::DATE END,
    last.setting, last.provider
FROM last
JOIN care_count ON care_count.kind = last.kind AND care_count.list = last.list
JOIN care_step USING (step)
JOIN care_fact ON care_fact.fact = care_step.fact AND care_fact.patient_id = last.patient_id
WHERE care_is_named(care_count.settings, last.setting);
