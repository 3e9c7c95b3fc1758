-- The crosswalk: every person record with its id, and the link that holds it in.
SELECT
    identity_cluster.patient_id,
    person_record.record_id,
    person_record.provider,
    person_record.setting,
    person_record.local_id,
    person_cluster.link_method,
    person_cluster.link_probability,
    person_record.night,
    share.is_stale
FROM person_record
JOIN person_cluster USING (record_id)
JOIN identity_cluster USING (cluster_id)
JOIN share ON share.provider = person_record.provider
