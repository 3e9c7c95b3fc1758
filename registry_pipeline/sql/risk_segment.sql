-- Segments that code lists make of people. A condition that was resolved counts no longer. Parameters: $night, $segment
-- and $list, which go together.
WITH
meant AS (
    SELECT unnest($segment::VARCHAR[]) AS segment, unnest($list::VARCHAR[]) AS list
)
SELECT risk_coded.patient_id, list_distinct(list(meant.segment)) AS segments
FROM risk_coded
JOIN meant USING (list)
WHERE
    -- A condition without date is known all the same.
    coalesce(risk_coded.day <= $night::DATE, risk_coded.kind = 'condition')
    AND (risk_coded.kind <> 'condition' OR coalesce(risk_coded.end_day > $night::DATE, true))
GROUP BY risk_coded.patient_id
