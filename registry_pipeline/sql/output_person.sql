-- Every person of an output with what the output's tables need. The values are the registry's own where the purpose may
-- see every record of the person; else those that the records it may see give by the same rules (`patient_again`).
-- A flag protects whoever flagged it: a person is sensitive if any provider says so, covered or not.
-- Reads: published_patient, patient_again, seen_in_part (patient_id), kept_record, first_event (patient_id, first_day).
WITH chosen AS (
    SELECT
        patient_id, birth_date, death_date, sex, ethnicity, postcode, gp_practice, record_count, setting_count, is_stale,
        is_sensitive
    FROM published_patient
    ANTI JOIN seen_in_part USING (patient_id)
    UNION ALL BY NAME
    SELECT
        patient_id, again.birth_date, again.death_date, again.sex, again.ethnicity, again.postcode, again.gp_practice,
        again.record_count, again.setting_count, again.is_stale,
        again.is_sensitive OR published_patient.is_sensitive AS is_sensitive
    FROM patient_again AS again
    JOIN published_patient USING (patient_id)
)
SELECT
    chosen.patient_id,
    pseudonym('patient', chosen.patient_id) AS patient_pseudonym,
    chosen.birth_date,
    chosen.death_date,
    chosen.sex,
    chosen.ethnicity,
    if(chosen.is_sensitive, NULL, chosen.postcode) AS postcode,
    if(chosen.is_sensitive, NULL, chosen.gp_practice) AS gp_practice,
    chosen.record_count,
    chosen.setting_count,
    chosen.is_stale,
    chosen.is_sensitive,
    first_event.first_day
FROM chosen
SEMI JOIN kept_record USING (patient_id)
LEFT JOIN first_event USING (patient_id)
