-- People with an unpaid carer. Parameters: $fact, $night.
INSERT INTO care_fact
SELECT $fact::INTEGER, carer.patient_id, min(carer.start_date)
FROM patient_carer AS carer
SEMI JOIN care_person ON care_person.patient_id = carer.patient_id
WHERE care_is_in_force(carer.start_date, carer.end_date, $night::DATE)
GROUP BY carer.patient_id;
