-- Steps that are due on the night, by person. Parameter: $night.
SELECT
    care_standing.patient_id,
    $night::DATE AS night,
    care_step.protocol,
    care_step.protocol_version,
    care_step.name AS step,
    care_step.title,
    care_standing.due_since,
    $night::DATE - care_standing.due_since AS days_overdue,
    care_standing.last_done,
    care_standing.last_done_setting,
    care_standing.last_done_provider,
    care_step.done_by AS may_be_done_by,
    care_standing.trigger_event_key,
    care_step.is_seamless AS is_seamlessness_gap
FROM care_standing
JOIN care_step USING (step)
WHERE care_standing.due_since <= $night::DATE
ORDER BY care_standing.patient_id, care_step.protocol, care_step.step
