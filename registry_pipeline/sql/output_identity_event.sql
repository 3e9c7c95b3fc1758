-- What happened to the ids of people in the output, and to former ids that records of theirs had: of those, a purpose may
-- see the ids that a record which it may see has had. Reads: identity_event, moved_record, kept_record, person.
WITH own AS (
    SELECT patient_id FROM person
    UNION
    SELECT moved_record.from_patient_id FROM moved_record SEMI JOIN kept_record USING (record_id)
    UNION
    SELECT moved_record.to_patient_id FROM moved_record SEMI JOIN kept_record USING (record_id)
),
shown AS MATERIALIZED (
    SELECT patient_id, pseudonym('patient', patient_id) AS patient_pseudonym FROM own
)
SELECT
    shown.patient_pseudonym,
    identity_event.event_type,
    month_of(identity_event.night) AS month,
    if(identity_event.event_type = 'created', NULL, identity_event.night) AS night,
    other.patient_pseudonym AS other_patient_pseudonym,
    identity_event.cause
FROM identity_event
JOIN shown USING (patient_id)
LEFT JOIN shown AS other ON other.patient_id = identity_event.other_patient_id
ORDER BY shown.patient_pseudonym, identity_event.event_type, identity_event.night, other.patient_pseudonym
