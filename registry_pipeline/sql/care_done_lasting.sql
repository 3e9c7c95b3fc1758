-- What lasts: care plans, and the coordinators whom they name; and the assessment of unpaid carers. Parameter: $night.
INSERT INTO care_done
WITH
plan AS (
    SELECT
        patient_id, setting, provider, coordinator_id,
        -- The last day on which it was in force.
        coalesce(end_date - 1, care_never()) AS last_day,
        start_date,
        CASE WHEN updated_date <= $night::DATE THEN updated_date END AS updated_date
    FROM patient_care_plan
    WHERE coalesce(start_date <= $night::DATE, true)
),
held AS (
    SELECT
        'care_plan' AS kind, 'in_force' AS manner, patient_id, setting, provider,
        least(last_day, $night::DATE) AS day, last_day
    FROM plan
    UNION ALL
    SELECT 'care_plan', 'updated', patient_id, setting, provider, greatest(start_date, updated_date), last_day
    FROM plan
    WHERE coalesce(start_date, updated_date) IS NOT NULL
    UNION ALL
    SELECT 'coordinator', 'named', patient_id, setting, provider, least(last_day, $night::DATE), last_day
    FROM plan
    WHERE coordinator_id IS NOT NULL
    UNION ALL
    SELECT 'carer', 'assessed', patient_id, setting, provider, assessment_date, care_never()
    FROM patient_carer
    WHERE assessment_date <= $night::DATE AND care_is_in_force(start_date, end_date, $night::DATE)
)
SELECT
    care_step.step, held.patient_id, held.day,
    CASE
        WHEN care_step.timing = 'every' AND held.manner IN ('updated', 'assessed')
            THEN least((held.day + care_step.span)::DATE, held.last_day)
        ELSE held.last_day
    END,
    held.setting, held.provider
FROM held
JOIN care_count ON care_count.kind = held.kind AND care_count.manner = held.manner
JOIN care_step USING (step)
JOIN care_fact ON care_fact.fact = care_step.fact AND care_fact.patient_id = held.patient_id
WHERE care_is_named(care_count.settings, held.setting);
