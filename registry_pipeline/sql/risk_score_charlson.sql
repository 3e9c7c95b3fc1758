-- Charlson index of everybody with any of its groups. Parameters: $night, $years, and the groups: $item, $original,
-- $updated, $superseded_by.
CREATE OR REPLACE TEMP TABLE risk_score_charlson AS
WITH
weight AS (
    SELECT
        unnest($item::VARCHAR[]) AS item,
        unnest($original::INTEGER[]) AS original,
        unnest($updated::INTEGER[]) AS updated,
        unnest($superseded_by::VARCHAR[]) AS superseded_by
),
present AS (
    SELECT DISTINCT patient_id, item
    FROM risk_score_coded
    WHERE
        list = 'charlson_quan'
        AND CASE kind
            WHEN 'spell' THEN last_day >= $night::DATE - to_years($years)
            WHEN 'condition' THEN is_icd10 AND last_end >= $night::DATE - to_years($years)
        END
)
SELECT present.patient_id, sum(weight.original)::INTEGER AS original, sum(weight.updated)::INTEGER AS updated
FROM present
JOIN weight USING (item)
LEFT JOIN present AS severe ON severe.patient_id = present.patient_id AND severe.item = weight.superseded_by
WHERE severe.item IS NULL
GROUP BY present.patient_id
