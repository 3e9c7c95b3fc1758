-- Records that are no longer there, with the last id that they had; ids that were joined tonight are followed.
WITH gone AS (
    SELECT record_id, patient_id, night FROM prior_record
    UNION ALL
    SELECT record_id, patient_id, night FROM prior_former
)
SELECT gone.record_id, coalesce(joined.other_patient_id, gone.patient_id) AS patient_id, gone.night
FROM gone
ANTI JOIN identity_claim USING (record_id)
LEFT JOIN (SELECT * FROM identity_tonight WHERE event_type = 'joined') AS joined
    ON joined.patient_id = gone.patient_id
