-- NHS numbers, as delivered, that so many records come to that they are placeholders: they are nobody's number.
-- Reads: delivered_record, patient_nhs_number. Number: $most.
WITH resolved AS (
    SELECT delivered_record.nhs_number, coalesce(current_nhs_number, delivered_record.nhs_number) AS current_number
    FROM delivered_record
    LEFT JOIN patient_nhs_number USING (nhs_number)
    WHERE delivered_record.nhs_number IS NOT NULL
),
crowded AS (
    SELECT current_number FROM resolved GROUP BY current_number HAVING count(*) > $most
)
SELECT DISTINCT nhs_number FROM resolved SEMI JOIN crowded USING (current_number)
