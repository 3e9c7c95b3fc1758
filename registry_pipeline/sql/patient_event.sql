-- The event tables, keyed by patient: an event that was delivered again counts as its latest night says, one that was
-- deleted has left, one whose record is not in the registry is left out (and counted).
-- `event` holds every delivered row, `event_again` the keys that a later night delivered, with the latest such night.
SELECT patient_record.patient_id, event.*
FROM event
JOIN patient_record USING (record_id)
LEFT JOIN event_again USING (event_key)
WHERE NOT coalesce(event.is_deleted, false)
  AND (event_again.night IS NULL OR event_again.night = event.night)
