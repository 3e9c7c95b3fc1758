-- Every record of the people who are not on the list that the national check gave back: a valid number of theirs is not,
-- or, where $without_number, they have none. A number in more than $most records is a placeholder, and nobody's.
-- Reads: covered_record, kept_number.
WITH placeholder AS (
    SELECT nhs_number FROM covered_record WHERE nhs_number IS NOT NULL GROUP BY nhs_number HAVING count(*) > $most
),
numbered AS (
    SELECT covered_record.patient_id, covered_record.nhs_number
    FROM covered_record
    ANTI JOIN placeholder USING (nhs_number)
    WHERE covered_record.nhs_number IS NOT NULL
),
judged AS (
    SELECT numbered.patient_id, bool_and(kept_number.nhs_number IS NOT NULL) AS is_kept
    FROM numbered
    LEFT JOIN kept_number USING (nhs_number)
    GROUP BY numbered.patient_id
)
SELECT
    covered_record.record_id,
    CASE WHEN judged.patient_id IS NULL THEN 'without_nhs_number' ELSE 'national' END AS reason
FROM covered_record
LEFT JOIN judged USING (patient_id)
WHERE CASE WHEN judged.patient_id IS NULL THEN $without_number ELSE NOT judged.is_kept END
