-- Every id that resolves to one that lives (or was retired), itself among them.
WITH RECURSIVE state AS MATERIALIZED (
    SELECT patient_id, event_type, other_patient_id
    FROM identity_event
    WHERE event_type IN ('joined', 'retired', 'resurrected')
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY night DESC, event_type = 'joined' DESC) = 1
),
theirs AS (
    SELECT $patient_id::UUID AS patient_id
    UNION
    SELECT state.patient_id
    FROM state
    JOIN theirs ON theirs.patient_id = state.other_patient_id
    WHERE state.event_type = 'joined'
)
SELECT patient_id::VARCHAR FROM theirs ORDER BY ALL
