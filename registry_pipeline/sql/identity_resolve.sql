-- What an id went by on a night, from the history alone: each joined id is followed to the id that it was joined into,
-- unless it came back before the night. One row a step; the last step is the answer.
WITH RECURSIVE state AS MATERIALIZED (
    SELECT patient_id, event_type, night, other_patient_id
    FROM identity_event
    WHERE event_type IN ('joined', 'retired', 'resurrected') AND night <= $as_of::DATE
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY night DESC, event_type = 'joined' DESC) = 1
),
chain AS (
    SELECT $patient_id::UUID AS patient_id, 0 AS steps
    UNION ALL
    SELECT state.other_patient_id, chain.steps + 1
    FROM chain
    JOIN state USING (patient_id)
    WHERE state.event_type = 'joined' AND chain.steps < $most_steps
)
SELECT
    chain.patient_id::VARCHAR AS patient_id,
    coalesce(state.event_type, 'created') AS last_event,
    max(state.night) OVER () AS since,
    chain.steps
FROM chain
LEFT JOIN state USING (patient_id)
ORDER BY chain.steps DESC
LIMIT 1
