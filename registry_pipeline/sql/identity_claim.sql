-- Tonight's person records, each with its cluster and the id that it had: alive in the prior snapshot, or left earlier.
SELECT
    person_cluster.record_id,
    person_cluster.cluster_id,
    coalesce(prior_record.patient_id, former.patient_id) AS claimed_id,
    prior_record.patient_id IS NOT NULL AS is_live
FROM person_cluster
LEFT JOIN prior_record USING (record_id)
LEFT JOIN former USING (record_id)
