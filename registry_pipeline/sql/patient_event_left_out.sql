-- Events that stand but belong to no record in the registry.
SELECT count(*)
FROM event
ANTI JOIN patient_record USING (record_id)
LEFT JOIN event_again USING (event_key)
WHERE NOT coalesce(event.is_deleted, false)
  AND (event_again.night IS NULL OR event_again.night = event.night)
