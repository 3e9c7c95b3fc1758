-- Hospital Frailty Risk Score of everybody with an emergency admission within two years of the night: points of the codes
-- of the last such admission and of the emergency admissions in the two years before it, each code once.
-- Parameters: $night, $years.
CREATE OR REPLACE TEMP TABLE risk_score_hospital_frailty AS
WITH
emergency AS (
    SELECT patient_id, event_key, start_time::DATE AS day
    FROM patient_activity
    WHERE activity_kind = 'spell' AND is_emergency AND start_time::DATE <= $night::DATE
),
index_admission AS (
    SELECT patient_id, max(day) AS day
    FROM emergency
    GROUP BY patient_id
    HAVING max(day) > $night::DATE - to_years($years)
),
looked_at AS (
    SELECT patient_id, event_key
    FROM emergency
    JOIN index_admission USING (patient_id)
    WHERE emergency.day >= index_admission.day - to_years($years)
),
point AS (
    SELECT looked_at.patient_id, code_meaning.item, any_value(code_meaning.weight) AS weight
    FROM looked_at
    JOIN coded_event USING (patient_id, event_key)
    JOIN code_meaning USING (coding_system, code)
    WHERE coded_event.kind = 'spell' AND code_meaning.list = 'hospital_frailty'
    GROUP BY looked_at.patient_id, code_meaning.item
)
SELECT patient_id, coalesce(round(sum(point.weight), 1), 0) AS score
FROM index_admission
LEFT JOIN point USING (patient_id)
GROUP BY patient_id
