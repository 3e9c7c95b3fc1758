-- How old each id is that stands in a cluster with others: an id that was joined once gives way among equally old ones.
WITH shared AS (
    SELECT cluster_id FROM identity_part GROUP BY cluster_id HAVING count(*) > 1
),
wanted AS (
    SELECT DISTINCT claimed_id FROM identity_part SEMI JOIN shared USING (cluster_id)
)
SELECT
    prior_event.patient_id AS claimed_id,
    min(prior_event.night) FILTER (WHERE prior_event.event_type = 'created') AS created,
    bool_or(prior_event.event_type = 'joined') AS was_joined
FROM prior_event
SEMI JOIN wanted ON wanted.claimed_id = prior_event.patient_id
GROUP BY prior_event.patient_id
