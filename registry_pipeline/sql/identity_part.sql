-- What each claimed id has in each cluster: more than one row for an id is a split, more than one for a cluster a join.
SELECT
    claimed_id,
    cluster_id,
    count_if(is_live) AS live_count,
    count(*) AS record_count,
    min(record_id) AS first_record
FROM identity_claim
WHERE claimed_id IS NOT NULL
GROUP BY claimed_id, cluster_id
