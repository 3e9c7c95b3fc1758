-- Valid NHS numbers of everybody in the last registry, each once. One that so many records hold that it is a
-- placeholder is nobody's, and not asked about. Reads: person_record (of the shares), patient_record (the crosswalk).
-- Number: $most.
SELECT person_record.nhs_number
FROM person_record
SEMI JOIN patient_record USING (record_id)
WHERE person_record.nhs_number IS NOT NULL
GROUP BY person_record.nhs_number
HAVING count(*) <= $most
