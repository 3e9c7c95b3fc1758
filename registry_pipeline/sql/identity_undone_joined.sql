-- Every id that was joined into one that `identity_undone_pair` names, directly or through others: into which, on which
-- night, and since which night it has been joined at all (to another one first, where that join was undone).
WITH RECURSIVE told AS MATERIALIZED (
    SELECT
        patient_id,
        event_type,
        night,
        other_patient_id,
        max(night) FILTER (WHERE event_type = 'resurrected') OVER (PARTITION BY patient_id) AS last_alive
    FROM prior_event
    WHERE event_type IN ('joined', 'retired', 'resurrected')
),
state AS MATERIALIZED (
    SELECT
        patient_id,
        event_type,
        night,
        other_patient_id,
        min(night) FILTER (WHERE event_type = 'joined' AND (last_alive IS NULL OR night > last_alive))
            OVER (PARTITION BY patient_id) AS since
    FROM told
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY night DESC, event_type = 'joined' DESC) = 1
),
below AS (
    SELECT DISTINCT patient_id FROM identity_undone_pair
    UNION
    SELECT state.patient_id
    FROM state
    JOIN below ON below.patient_id = state.other_patient_id
    WHERE state.event_type = 'joined'
)
SELECT state.patient_id::VARCHAR AS patient_id, state.other_patient_id::VARCHAR AS into, state.night, state.since
FROM state
SEMI JOIN below USING (patient_id)
WHERE state.event_type = 'joined'
ORDER BY ALL
