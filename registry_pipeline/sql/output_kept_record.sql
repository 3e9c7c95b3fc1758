-- Person records that a purpose may see: of a provider whose agreement covers it, and of nobody who objects to it.
-- Reads: crosswalk (the snapshot's patient_record), covered (provider, night), left_out_record.
SELECT
    crosswalk.patient_id,
    crosswalk.record_id,
    crosswalk.provider,
    crosswalk.setting,
    crosswalk.link_method,
    crosswalk.link_probability,
    covered.night,
    crosswalk.is_stale
FROM crosswalk
JOIN covered USING (provider)
ANTI JOIN left_out_record USING (record_id)
