-- The history of ids, which holds ids and nights only, with the end of the ids of a person who was forgotten.
-- Input: view kept_event. Parameters: $ids, $night, $cause, $run_id.
WITH state AS (
    SELECT patient_id, event_type
    FROM kept_event
    WHERE event_type IN ('created', 'joined', 'retired', 'resurrected') AND list_contains($ids::UUID[], patient_id)
    QUALIFY row_number() OVER (
        PARTITION BY patient_id ORDER BY night DESC, event_type = 'created', event_type = 'joined' DESC
    ) = 1
),
ending AS (
    SELECT patient_id FROM state WHERE event_type IN ('created', 'resurrected')
)
SELECT patient_id, event_type, night, other_patient_id, cause, record_count, run_id
FROM kept_event
WHERE NOT (event_type = 'resurrected' AND night = $night::DATE AND patient_id IN (SELECT patient_id FROM ending))
UNION ALL
SELECT patient_id, 'retired', $night::DATE, NULL::UUID, $cause, 0, $run_id
FROM ending
