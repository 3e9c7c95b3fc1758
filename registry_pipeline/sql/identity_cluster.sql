-- Every cluster with its id. New ids are random (UUID version 4): nothing about a person can be read from one.
WITH cluster AS (
    SELECT cluster_id, count(*) AS record_count FROM identity_claim GROUP BY cluster_id
)
SELECT
    cluster.cluster_id,
    coalesce(identity_survivor.patient_id, uuidv4()) AS patient_id,
    identity_survivor.patient_id IS NULL AS is_new,
    cluster.record_count
FROM cluster
LEFT JOIN identity_survivor USING (cluster_id)
