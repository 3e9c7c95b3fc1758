-- What was done in a contact that was attended, for steps that come again or must have been once. Parameter: $night.
INSERT INTO care_done
SELECT
    care_step.step, contact.patient_id, max(contact.start_time)::DATE AS day,
    CASE any_value(care_step.timing)
        WHEN 'always' THEN care_never()
        ELSE (max(contact.start_time)::DATE + any_value(care_step.span))::DATE
    END,
    contact.setting, contact.provider
FROM patient_activity AS contact
JOIN care_count ON
    care_count.kind = 'contact'
    AND care_is_named(care_count.settings, contact.setting)
    AND care_is_named(care_count.reasons, contact.reason)
    AND care_is_named(care_count.teams, contact.specialty)
    AND care_is_named(care_count.mechanisms, contact.consultation_mechanism)
    AND care_is_named(care_count.staff, contact.staff_group)
JOIN care_step ON care_step.step = care_count.step AND care_step.timing <> 'within'
JOIN care_fact ON care_fact.fact = care_step.fact AND care_fact.patient_id = contact.patient_id
WHERE contact.activity_kind = 'contact'
    AND care_is_attended(contact.attendance_status)
    AND contact.start_time::DATE <= $night::DATE
GROUP BY care_step.step, contact.patient_id, contact.setting, contact.provider;
