-- Cambridge Multimorbidity Score of everybody with any of its conditions. Parameters: $night; $condition and $weight, of
-- each condition; for conditions that do not count for ever, or count by medicines: $item, $within_days (days before the
-- night within which it must have been recorded; null for ever), $is_first (whether its first record must lie there, or
-- any), $prescriptions and $prescription_days (how many prescriptions within how many days count as well; null for ever);
-- $filtration, the rate (mL/min/1.73 m2) below which the better of the newest two is chronic kidney disease.
CREATE OR REPLACE TEMP TABLE risk_score_cambridge AS
WITH
rule AS (
    SELECT
        unnest($item::VARCHAR[]) AS item,
        unnest($within_days::INTEGER[]) AS within_days,
        unnest($is_first::BOOLEAN[]) AS is_first,
        unnest($prescriptions::INTEGER[]) AS prescriptions,
        unnest($prescription_days::INTEGER[]) AS prescription_days
),
condition AS (
    SELECT unnest($condition::VARCHAR[]) AS item, unnest($weight::DOUBLE[]) AS weight
),
recorded AS (
    SELECT patient_id, item, min(first_day) AS first_day, max(last_day) AS last_day
    FROM risk_score_coded
    WHERE list = 'cambridge_multimorbidity' AND kind IN ('condition', 'spell')
    GROUP BY patient_id, item
),
prescribed AS (
    SELECT patient_activity.patient_id, item
    FROM patient_activity
    JOIN code_meaning ON code_meaning.coding_system = 'snomed' AND code_meaning.code = patient_activity.code
    JOIN rule USING (item)
    WHERE
        patient_activity.activity_kind = 'medication'
        AND code_meaning.list = 'cambridge_multimorbidity'
        AND patient_activity.start_time::DATE <= $night::DATE
        AND (prescription_days IS NULL OR patient_activity.start_time::DATE > $night::DATE - prescription_days)
    GROUP BY patient_activity.patient_id, item
    HAVING count(*) >= any_value(prescriptions)
),
-- The newest two filtration rates, as far as they are plausible.
filtration AS (
    SELECT coded_event.patient_id, coded_event.value
    FROM coded_event
    JOIN code_meaning USING (coding_system, code)
    WHERE
        coded_event.kind = 'observation'
        AND code_meaning.list = 'egfr'
        AND coded_event.day <= $night::DATE
        AND coded_event.value > 0 AND coded_event.value <= 250
    QUALIFY row_number() OVER (
        PARTITION BY coded_event.patient_id ORDER BY coded_event.day DESC, coded_event.event_key DESC
    ) <= 2
),
present AS (
    SELECT patient_id, item
    FROM recorded
    LEFT JOIN rule USING (item)
    WHERE within_days IS NULL OR CASE WHEN is_first THEN first_day ELSE last_day END > $night::DATE - within_days
    UNION
    SELECT patient_id, item FROM prescribed
    UNION
    SELECT patient_id, 'chronic_kidney_disease' FROM filtration GROUP BY patient_id HAVING max(value) < $filtration
)
SELECT patient_id, round(sum(weight), 2) AS score, count(*)::INTEGER AS conditions
FROM present
JOIN condition USING (item)
GROUP BY patient_id
