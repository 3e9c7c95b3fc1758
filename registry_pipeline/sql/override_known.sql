-- The people of today whom these records belong to: every record of theirs, with what a person has one of. Numbers are
-- compared as they are today: a superseded one is the one that replaced it.
-- Reads: patient_record (the current snapshot's), person_record (what it was made from), replaced_number.
WITH people AS (
    SELECT DISTINCT patient_id FROM patient_record WHERE record_id IN (SELECT unnest($record_ids))
)
SELECT
    patient_record.patient_id::VARCHAR,
    patient_record.record_id,
    CASE WHEN person_record.is_nhs_number_verified
        THEN coalesce(replaced_number.current_number, person_record.nhs_number) END AS nhs_number,
    person_record.death_date::VARCHAR AS death_date
FROM patient_record
SEMI JOIN people USING (patient_id)
LEFT JOIN person_record USING (record_id)
LEFT JOIN replaced_number ON replaced_number.nhs_number = person_record.nhs_number
ORDER BY patient_record.record_id
