-- What was done by a medicine that was prescribed or issued. Parameter: $night.
INSERT INTO care_done
WITH
meaning AS (
    SELECT DISTINCT code_meaning.list, code_meaning.coding_system, code_meaning.code
    FROM care_count
    JOIN code_meaning USING (list)
    WHERE care_count.kind = 'medication'
),
last AS (
    SELECT meaning.list, done.patient_id, done.setting, done.provider, max(done.day) AS day
    FROM coded_event AS done
    JOIN meaning ON meaning.coding_system = done.coding_system AND meaning.code = done.code
    WHERE done.kind = 'medication' AND done.day <= $night::DATE
    GROUP BY ALL
)
SELECT
    care_step.step, last.patient_id, last.day,
    CASE care_step.timing WHEN 'always' THEN care_never() ELSE (last.day + care_step.span)::DATE END,
    last.setting, last.provider
FROM last
JOIN care_count ON care_count.kind = 'medication' AND care_count.list = last.list
JOIN care_step USING (step)
JOIN care_fact ON care_fact.fact = care_step.fact AND care_fact.patient_id = last.patient_id
WHERE care_is_named(care_count.settings, last.setting);
