-- The id that an id goes by today: joins are followed to their end.
WITH RECURSIVE joined AS MATERIALIZED (
    SELECT DISTINCT patient_id, other_patient_id FROM identity_event WHERE event_type = 'joined'
),
chain AS (
    SELECT DISTINCT patient_id, 0 AS steps FROM identity_event WHERE patient_id = $patient_id::UUID
    UNION
    SELECT joined.other_patient_id, chain.steps + 1 FROM chain JOIN joined USING (patient_id)
)
SELECT patient_id::VARCHAR FROM chain ORDER BY steps DESC LIMIT 1
