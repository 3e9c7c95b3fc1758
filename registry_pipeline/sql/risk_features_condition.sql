-- What was coded of somebody by the end of the index day. Parameters: $index, $days.
-- A recorded condition counts from its onset, unless it was resolved by then; when it was written down nothing tells, so
-- one that was recorded later with an earlier onset counts as known. Diagnoses of stays are written at discharge, so those
-- of a stay that was not over are not known. Diagnoses, medicines and procedures count within the longest window only, so
-- that an index day with a longer history behind it sees no more of them.
WITH
known AS (
    SELECT patient_id, kind, day, value, list, item, weight
    FROM risk_source_coded
    WHERE
        day <= $index::DATE
        AND CASE kind
            WHEN 'condition' THEN coalesce(end_day > $index::DATE, true)
            WHEN 'observation' THEN true
            WHEN 'medication' THEN day > $index::DATE - $days::INTEGER
            WHEN 'spell' THEN coalesce(end_day <= $index::DATE, false) AND day > $index::DATE - $days::INTEGER
            WHEN 'attendance'
                THEN coalesce(end_day, day) <= $index::DATE AND day > $index::DATE - $days::INTEGER
        END
),
frailty_code AS (
    SELECT patient_id, item, max(weight) AS weight
    FROM known
    WHERE list = 'hospital_frailty' AND kind IN ('spell', 'attendance')
    GROUP BY ALL
),
frailty_points AS (
    SELECT patient_id, round(sum(weight), 1) AS points FROM frailty_code GROUP BY patient_id
)
SELECT
    known.patient_id,
    list(DISTINCT known.item) FILTER (known.list = 'cambridge_multimorbidity') AS conditions,
    bool_or(known.list = 'palliative_care') AS palliative_care,
    bool_or(known.list IN ('frailty', 'severe_frailty')) AS frailty,
    arg_max(known.value, known.day)
        FILTER (known.list = 'electronic_frailty_index' AND known.value IS NOT NULL) AS electronic_frailty_index,
    any_value(frailty_points.points) AS hospital_frailty_points
FROM known
LEFT JOIN frailty_points USING (patient_id)
GROUP BY known.patient_id
