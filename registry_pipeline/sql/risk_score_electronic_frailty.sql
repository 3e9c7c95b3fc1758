-- Electronic frailty index: the newest usable value of the practice's system, and the deficits that are known.
-- Parameters: $night, $value_days, $medicine_days, $medicines.
CREATE OR REPLACE TEMP TABLE risk_score_electronic_frailty AS
WITH
supplied AS (
    SELECT
        patient_id,
        arg_max(frailty_index_of(value, unit), {'day': day, 'key': event_key}) FILTER (
            frailty_index_of(value, unit) IS NOT NULL
        ) AS index,
        count(*) FILTER (frailty_index_of(value, unit) IS NULL) AS values_not_used
    FROM coded_event
    JOIN code_meaning USING (coding_system, code)
    WHERE
        coded_event.kind = 'observation'
        AND coded_event.setting = 'gp'
        AND code_meaning.list = 'electronic_frailty_index'
        AND coded_event.day <= $night::DATE
        AND coded_event.day > $night::DATE - $value_days
    GROUP BY patient_id
),
repeated AS (
    SELECT patient_id
    FROM patient_activity
    WHERE
        activity_kind = 'medication'
        AND is_repeat
        AND start_time::DATE <= $night::DATE
        AND (start_time::DATE > $night::DATE - $medicine_days OR end_time::DATE >= $night::DATE)
    GROUP BY patient_id
    HAVING count(DISTINCT coalesce(code, description)) >= $medicines
),
deficit AS (
    SELECT DISTINCT patient_id, item FROM risk_score_coded WHERE list = 'efi_deficits'
    UNION ALL
    SELECT patient_id, 'polypharmacy' FROM repeated
),
counted AS (
    SELECT patient_id, count(*) AS deficits FROM deficit GROUP BY patient_id
)
SELECT patient_id, supplied.index, coalesce(supplied.values_not_used, 0) AS values_not_used, counted.deficits
FROM supplied
FULL JOIN counted USING (patient_id)
