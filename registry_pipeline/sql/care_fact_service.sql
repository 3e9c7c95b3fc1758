-- People with a social care service. Parameters: $fact, $night; $types, empty for any.
INSERT INTO care_fact
SELECT $fact::INTEGER, service.patient_id, min(service.start_date)
FROM patient_care_service AS service
SEMI JOIN care_person ON care_person.patient_id = service.patient_id
WHERE care_is_in_force(service.start_date, service.end_date, $night::DATE)
    AND care_is_named($types::VARCHAR[], service.service_type)
GROUP BY service.patient_id;
