-- The registry as it would have been at the end of the index day, of the people in risk_compared: nothing of a later day,
-- and nothing that was filled in later into an earlier row. Parameters: $index. Statements are run one by one.
-- Of people, what does not change, and where the home is. How many records and settings know somebody, and all else, is as
-- of the night (a hospital has a record since the admission that is to be foretold).
CREATE OR REPLACE TEMP TABLE risk_known_patient AS
SELECT
    patient_id, birth_date, sex, ethnicity, postcode,
    CASE WHEN death_date <= $index::DATE THEN death_date END AS death_date,
    if(
        false,
        COLUMNS(lambda name: name NOT IN ('patient_id', 'birth_date', 'sex', 'ethnicity', 'postcode', 'death_date')),
        NULL
    )
FROM patient
JOIN risk_compared USING (patient_id)
WHERE coalesce(birth_date <= $index::DATE, true);

CREATE OR REPLACE TEMP TABLE risk_known_activity AS
SELECT
    * REPLACE (
        CASE WHEN end_time < $index::DATE + 1 THEN end_time END AS end_time,
        CASE WHEN end_time < $index::DATE + 1 OR activity_kind NOT IN ('spell', 'attendance') THEN diagnoses END
            AS diagnoses,
        CASE WHEN end_time < $index::DATE + 1 OR activity_kind NOT IN ('spell', 'attendance') THEN procedures END
            AS procedures,
        CASE WHEN end_time < $index::DATE + 1 THEN discharge_method END AS discharge_method,
        CASE WHEN end_time < $index::DATE + 1 THEN discharge_destination END AS discharge_destination,
        CASE WHEN clinically_ready_date <= $index::DATE THEN clinically_ready_date END AS clinically_ready_date,
        NULL::DATE AS night
    )
FROM patient_activity
JOIN risk_compared USING (patient_id)
WHERE start_time < $index::DATE + 1;

CREATE OR REPLACE TEMP TABLE risk_known_coded AS
SELECT * REPLACE (CASE WHEN end_day <= $index::DATE THEN end_day END AS end_day)
FROM risk_coded
JOIN risk_compared USING (patient_id)
WHERE
    day <= $index::DATE
    -- What a stay or attendance was for is written when it ends.
    AND (kind NOT IN ('spell', 'attendance') OR coalesce(end_day <= $index::DATE, kind = 'attendance'));

CREATE OR REPLACE TEMP TABLE risk_known_service AS
SELECT * REPLACE (CASE WHEN end_date <= $index::DATE THEN end_date END AS end_date, NULL::DATE AS night)
FROM patient_care_service
JOIN risk_compared USING (patient_id)
WHERE start_date <= $index::DATE;

CREATE OR REPLACE TEMP TABLE risk_known_plan AS
SELECT
    * REPLACE (
        CASE WHEN end_date <= $index::DATE THEN end_date END AS end_date,
        CASE WHEN updated_date <= $index::DATE THEN updated_date END AS updated_date,
        CASE WHEN updated_date <= $index::DATE THEN review_date END AS review_date,
        CASE WHEN updated_date <= $index::DATE THEN coordinator_id END AS coordinator_id,
        CASE WHEN updated_date <= $index::DATE THEN is_agreed END AS is_agreed,
        NULL::DATE AS night
    )
FROM patient_care_plan
JOIN risk_compared USING (patient_id)
WHERE start_date <= $index::DATE;

-- Carers whole: who is a carer stands in the rows of the people cared for.
CREATE OR REPLACE TEMP TABLE risk_known_carer AS
SELECT
    * REPLACE (
        CASE WHEN end_date <= $index::DATE THEN end_date END AS end_date,
        CASE WHEN assessment_date <= $index::DATE THEN assessment_date END AS assessment_date,
        NULL::DATE AS night
    )
FROM patient_carer
WHERE start_date <= $index::DATE;

-- Since when there is a record nothing tells, but that somebody had an event or was a carer.
CREATE OR REPLACE TEMP TABLE risk_known_record AS
SELECT * REPLACE (NULL::DATE AS night)
FROM patient_record
WHERE
    record_id IN (
        SELECT record_id FROM risk_known_activity
        UNION ALL
        SELECT concat(provider, ':', carer_local_id) FROM risk_known_carer WHERE carer_local_id IS NOT NULL
    )
