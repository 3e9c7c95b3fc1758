-- The one id that lives on in each cluster that holds any: an id in use before one that was retired, then the older
-- (earliest created event; among equals one that was never joined), then the one with more records, then the one with
-- the oldest record key. `beats` in identity.py says the same of two.
WITH joining AS (
    SELECT cluster_id FROM identity_holder GROUP BY cluster_id HAVING count(*) > 1
)
SELECT cluster_id, claimed_id AS patient_id FROM identity_holder ANTI JOIN joining USING (cluster_id)
UNION ALL
SELECT cluster_id, claimed_id
FROM (SELECT * FROM identity_holder SEMI JOIN joining USING (cluster_id))
LEFT JOIN identity_age USING (claimed_id)
QUALIFY row_number() OVER (
    PARTITION BY cluster_id
    ORDER BY
        live_count > 0 DESC, created NULLS LAST, coalesce(was_joined, false), live_count DESC, record_count DESC,
        first_record
) = 1
