-- Who had an emergency admission within 12 months after the index day. Parameters: $index.
-- Who died within them without one had none: that is what the model is asked about.
SELECT DISTINCT patient_id
FROM patient_activity
WHERE
    activity_kind = 'spell' AND is_emergency
    AND start_time >= $index::DATE + 1 AND start_time::DATE <= ($index::DATE + INTERVAL 12 MONTH)::DATE
