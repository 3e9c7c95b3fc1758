-- Records that are not there tonight, with the last id that they had: ids that were joined tonight are followed, and an
-- id that came back tonight takes back those that were its own (`identity_former_again`).
WITH gone AS (
    SELECT record_id, patient_id, night FROM prior_record
    UNION ALL
    SELECT record_id, patient_id, night FROM prior_former
),
kept AS (
    SELECT
        gone.record_id,
        gone.patient_id AS old_id,
        coalesce(identity_former_again.patient_id, gone.patient_id) AS patient_id,
        gone.night
    FROM gone
    ANTI JOIN identity_claim USING (record_id)
    LEFT JOIN identity_former_again USING (record_id)
)
SELECT kept.record_id, kept.old_id, coalesce(joined.other_patient_id, kept.patient_id) AS patient_id, kept.night
FROM kept
LEFT JOIN (SELECT * FROM identity_tonight WHERE event_type = 'joined') AS joined ON joined.patient_id = kept.patient_id
