-- What happened to ids, by night and cause. From `identity_event`. Parameters: $night and $first_night, both inclusive.
SELECT night, event_type, coalesce(cause, 'not said') AS cause, count(DISTINCT patient_id) AS ids
FROM identity_event
WHERE night BETWEEN $first_night::DATE AND $night::DATE
GROUP BY ALL
ORDER BY ALL
