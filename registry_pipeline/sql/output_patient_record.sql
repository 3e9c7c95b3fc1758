-- The crosswalk without identity. The night is that of the provider's last extract: the record's own would tell when it
-- was registered. For a sensitive person the practice is not named.
SELECT
    person.patient_pseudonym,
    pseudonym('record', kept_record.record_id) AS record_pseudonym,
    if(person.is_sensitive AND kept_record.setting = 'gp', NULL, kept_record.provider) AS provider,
    kept_record.setting,
    kept_record.link_method,
    round(kept_record.link_probability, 2) AS link_probability,
    if(person.is_sensitive AND kept_record.setting = 'gp', NULL, kept_record.night) AS night,
    kept_record.is_stale
FROM kept_record
JOIN person USING (patient_id)
ORDER BY record_pseudonym
