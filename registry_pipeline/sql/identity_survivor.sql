-- The one id that lives on in each cluster that holds any: an id in use before one that was retired, then the older
-- (earliest created event), then the one with more records, then the one with the oldest record key.
WITH joining AS (
    SELECT cluster_id FROM identity_holder GROUP BY cluster_id HAVING count(*) > 1
),
age AS (
    SELECT patient_id AS claimed_id, min(night) AS created FROM prior_event WHERE event_type = 'created' GROUP BY patient_id
)
SELECT cluster_id, claimed_id AS patient_id FROM identity_holder ANTI JOIN joining USING (cluster_id)
UNION ALL
SELECT cluster_id, claimed_id
FROM (SELECT * FROM identity_holder SEMI JOIN joining USING (cluster_id))
LEFT JOIN age USING (claimed_id)
QUALIFY row_number() OVER (
    PARTITION BY cluster_id
    ORDER BY live_count > 0 DESC, created NULLS LAST, live_count DESC, record_count DESC, first_record
) = 1
