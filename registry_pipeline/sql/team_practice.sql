-- The practice's own record of each person. Of several records of providers of setting gp: one of the provider that goes
-- by the code of the practice of registration, else the one that this code came from, else one of an extract that is not
-- stale, else the newest. None of sensitive people: that would tell at which of several practices they are registered,
-- which `patient` withholds.
WITH
held AS (
    SELECT
        patient_id, record_id, provider, setting, coalesce(is_stale, false) AS is_stale, night,
        count(*) OVER (PARTITION BY patient_id) AS records
    FROM patient_record
    WHERE setting = 'gp'
),
-- The few with several: only they need an order, and a look at where the code of their practice came from.
several AS (
    SELECT held.*, gp_practice, field_sources['gp_practice'].record_id AS practice_from
    FROM held
    JOIN patient ON patient.patient_id = held.patient_id
    WHERE records > 1
),
chosen AS (
    SELECT patient_id, record_id, provider, setting FROM held WHERE records = 1
    UNION ALL
    SELECT patient_id, record_id, provider, setting
    FROM several
    QUALIFY row_number() OVER (
        PARTITION BY patient_id
        ORDER BY
            provider IS NOT DISTINCT FROM gp_practice DESC,
            record_id IS NOT DISTINCT FROM practice_from DESC,
            is_stale,
            night DESC NULLS LAST,
            record_id
    ) = 1
)
SELECT *
FROM chosen
WHERE patient_id IN (SELECT patient_id FROM patient WHERE NOT coalesce(is_sensitive, false))
