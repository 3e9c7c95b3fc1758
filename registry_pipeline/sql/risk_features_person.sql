-- Everybody who was born and alive at the end of the index day, with what is known of the person. Parameters: $index.
-- Sex and home are those of the registry's night: which others it held on the index day nothing tells.
SELECT
    patient.patient_id,
    date_diff('month', patient.birth_date, $index::DATE)
        - (day(patient.birth_date) > day($index::DATE))::INTEGER AS months_old,
    patient.sex,
    postcode_area.deprivation_decile
FROM risk_source_patient AS patient
LEFT JOIN postcode_area ON postcode_area.postcode = patient.postcode
WHERE
    coalesce(patient.birth_date <= $index::DATE, true)
    AND coalesce(patient.death_date > $index::DATE, true)
