-- Every record, there tonight or not, of the ids that `identity_undone_pair` names, with its part of tonight.
WITH affected AS (
    SELECT DISTINCT patient_id FROM identity_undone_pair
),
before AS (
    SELECT record_id, patient_id, true AS was_there FROM prior_record SEMI JOIN affected USING (patient_id)
    UNION ALL
    SELECT record_id, patient_id, false FROM prior_former SEMI JOIN affected USING (patient_id)
)
SELECT
    before.record_id,
    before.patient_id::VARCHAR AS patient_id,
    coalesce(identity_claim.cluster_id, before.record_id) AS part,
    identity_claim.cluster_id IS NULL AS is_gone,
    before.was_there AND identity_claim.cluster_id IS NOT NULL AS is_live
FROM before
LEFT JOIN identity_claim USING (record_id)
ORDER BY before.record_id
