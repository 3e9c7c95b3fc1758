-- The prior's events and tonight's. A night that runs again on other input may do again what was undone in between: one
-- row per key, the last run's.
SELECT patient_id, event_type, night, other_patient_id, cause, record_count, run_id
FROM prior_event
ANTI JOIN identity_tonight
    ON identity_tonight.patient_id = prior_event.patient_id
    AND identity_tonight.event_type = prior_event.event_type
    AND identity_tonight.night = prior_event.night
    AND identity_tonight.other_patient_id IS NOT DISTINCT FROM prior_event.other_patient_id
UNION ALL
SELECT patient_id, event_type, night, other_patient_id, cause, record_count, run_id
FROM identity_tonight
