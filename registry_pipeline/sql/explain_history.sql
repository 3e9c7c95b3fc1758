-- What happened to one patient_id, in order.
SELECT night, event_type, other_patient_id, cause
FROM identity_event
WHERE patient_id = $patient_id::UUID OR other_patient_id = $patient_id::UUID
ORDER BY night, event_type, other_patient_id
