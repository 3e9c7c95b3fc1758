-- GP records of everybody whose latest coded word on their data leaving the practice is dissent. What is dissent and
-- withdrawal on the same day is dissent; so is a dissent without a date, and a withdrawal without one withdraws nothing.
-- Reads: covered_record, covered_condition, known_record. Lists of codes: $dissent, $withdrawn.
WITH coded AS (
    SELECT
        record_id,
        start_date,
        -- Read codes come with five characters, padded by dots, and sometimes with the two of their term.
        CASE WHEN regexp_full_match(code, '[0-9]{6,18}') THEN code ELSE rtrim(left(code, 5), '.') END AS code
    FROM covered_condition
    WHERE setting = 'gp' AND code IS NOT NULL
),
said AS (
    SELECT
        known_record.patient_id,
        max(coalesce(coded.start_date, DATE 'infinity')) FILTER (WHERE list_contains($dissent, coded.code))
            AS dissented_on,
        max(coded.start_date) FILTER (WHERE list_contains($withdrawn, coded.code)) AS withdrew_on
    FROM coded
    INNER JOIN known_record USING (record_id)
    WHERE list_contains(list_concat($dissent, $withdrawn), coded.code)
    GROUP BY known_record.patient_id
)
SELECT covered_record.record_id, 'type_1' AS reason
FROM covered_record
SEMI JOIN (
    SELECT patient_id FROM said WHERE dissented_on IS NOT NULL AND dissented_on >= coalesce(withdrew_on, dissented_on)
) AS dissenter USING (patient_id)
WHERE covered_record.setting = 'gp'
