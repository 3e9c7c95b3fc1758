-- Everybody with age in completed years, and whether they live. Parameter: $night.
CREATE OR REPLACE TEMP TABLE risk_score_person AS
SELECT
    patient_id,
    coalesce(death_date <= $night::DATE, false) AS has_died,
    CASE WHEN birth_date <= $night::DATE THEN date_sub('year', birth_date, $night::DATE) END AS age
FROM patient
