-- The practice's own record of each person. Of several records of providers of setting gp: one of the provider that goes
-- by the code of the practice of registration, else the one that this code came from, else one of an extract that is not
-- stale, else the newest. None of sensitive people: that would tell at which of several practices they are registered,
-- which `patient` withholds.
WITH
known AS (
    SELECT patient_id, gp_practice, field_sources['gp_practice'].record_id AS practice_from
    FROM patient
    WHERE NOT coalesce(is_sensitive, false)
)
SELECT patient_record.patient_id, patient_record.record_id, patient_record.provider, patient_record.setting
FROM patient_record
JOIN known USING (patient_id)
WHERE patient_record.setting = 'gp'
QUALIFY row_number() OVER (
    PARTITION BY patient_record.patient_id
    ORDER BY
        patient_record.provider IS NOT DISTINCT FROM known.gp_practice DESC,
        patient_record.record_id IS NOT DISTINCT FROM known.practice_from DESC,
        coalesce(patient_record.is_stale, false),
        patient_record.night DESC NULLS LAST,
        patient_record.record_id
) = 1
