-- People with a care plan in force. Parameters: $fact, $night; $types, empty for any.
INSERT INTO care_fact
SELECT $fact::INTEGER, plan.patient_id, min(plan.start_date)
FROM patient_care_plan AS plan
SEMI JOIN care_person ON care_person.patient_id = plan.patient_id
WHERE care_is_in_force(plan.start_date, plan.end_date, $night::DATE)
    AND care_is_named($types::VARCHAR[], plan.plan_type)
GROUP BY plan.patient_id;
