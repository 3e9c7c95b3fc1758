-- The ids whose place is already clear in the clusters that `identity_tied` names.
WITH placed AS (
    SELECT claimed_id, cluster_id, live_count, record_count, first_record
    FROM identity_part
    ANTI JOIN identity_evidence USING (claimed_id)
    SEMI JOIN identity_tied USING (cluster_id)
    UNION ALL
    SELECT claimed_id, cluster_id, live_count, record_count, first_record
    FROM identity_evidence
    ANTI JOIN identity_tied USING (claimed_id)
    WHERE place = 1
    QUALIFY row_number() OVER (PARTITION BY claimed_id ORDER BY probability DESC, first_record) = 1
)
SELECT
    claimed_id::VARCHAR AS claimed_id, cluster_id, live_count, record_count, first_record, 0.0 AS probability,
    created, coalesce(was_joined, false) AS was_joined
FROM placed
SEMI JOIN identity_tied USING (cluster_id)
LEFT JOIN identity_age USING (claimed_id)
ORDER BY ALL
