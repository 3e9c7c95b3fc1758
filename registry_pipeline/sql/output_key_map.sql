-- Pseudonyms under a key that is given up, and under the one that takes its place, of ids that stand in an output.
-- Reads: known_patient, known_record, known_event (the registry's ids); shown_patient, shown_record, shown_event
-- (pseudonyms in the outputs that are kept).
WITH id AS (
    SELECT DISTINCT 'patient' AS kind, patient_id::VARCHAR AS id FROM known_patient
    UNION ALL
    SELECT DISTINCT 'record', record_id FROM known_record
    UNION ALL
    SELECT DISTINCT 'event', event_key FROM known_event
),
named AS (
    SELECT kind, id, pseudonym(kind, id) AS old_pseudonym FROM id
),
shown AS (
    SELECT 'patient' AS kind, patient_pseudonym AS old_pseudonym FROM shown_patient
    UNION ALL
    SELECT 'record', record_pseudonym FROM shown_record
    UNION ALL
    SELECT 'event', event_pseudonym FROM shown_event
)
SELECT kind, old_pseudonym, new_pseudonym(kind, id) AS new_pseudonym
FROM named
SEMI JOIN shown USING (kind, old_pseudonym)
ORDER BY kind, old_pseudonym
