-- Parts of equal evidence, of ids that could go to several clusters of which another id has a part too.
WITH tied AS (
    SELECT claimed_id, cluster_id, live_count, record_count, first_record, probability
    FROM identity_evidence
    WHERE place = 1
    QUALIFY count(*) OVER (PARTITION BY claimed_id) > 1
),
shared AS (
    SELECT cluster_id FROM identity_part GROUP BY cluster_id HAVING count(*) > 1
),
entangled AS (
    SELECT DISTINCT claimed_id FROM tied SEMI JOIN shared USING (cluster_id)
)
SELECT
    claimed_id::VARCHAR AS claimed_id, cluster_id, live_count, record_count, first_record, probability,
    created, coalesce(was_joined, false) AS was_joined
FROM tied
SEMI JOIN entangled USING (claimed_id)
LEFT JOIN identity_age USING (claimed_id)
ORDER BY ALL
