-- The people of today whom these records belong to: every record of theirs, with what a person has one of. Numbers are
-- compared as they are today (a superseded one is the one that replaced it); one that many records carry says nothing.
-- Reads: patient_record (the current snapshot's), person_record (what it was made from), replaced_number.
WITH people AS (
    SELECT DISTINCT patient_id FROM patient_record WHERE record_id IN (SELECT unnest($record_ids))
),
held AS (
    SELECT
        patient_record.patient_id,
        patient_record.record_id,
        coalesce(replaced_number.current_number, person_record.nhs_number) AS nhs_number,
        coalesce(person_record.is_nhs_number_verified, false) AS is_verified,
        person_record.death_date
    FROM patient_record
    SEMI JOIN people USING (patient_id)
    LEFT JOIN person_record USING (record_id)
    LEFT JOIN replaced_number ON replaced_number.nhs_number = person_record.nhs_number
),
placeholder AS (
    SELECT nhs_number
    FROM person_record
    SEMI JOIN held USING (nhs_number)
    GROUP BY nhs_number
    HAVING count(*) > $most_records_of_a_number
)
SELECT patient_id::VARCHAR, record_id, placeholder.nhs_number IS NULL AND is_verified, death_date,
    if(placeholder.nhs_number IS NULL, held.nhs_number, NULL) AS nhs_number
FROM held
LEFT JOIN placeholder USING (nhs_number)
ORDER BY record_id
