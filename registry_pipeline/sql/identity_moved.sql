-- Records whose id changed tonight, of those that are there and of those that left. Where ids were joined, also the
-- records of the id that lives on, under one and the same id: who was whose before is what undoing the join rests on.
WITH surviving AS (
    SELECT DISTINCT other_patient_id AS patient_id FROM identity_tonight WHERE event_type = 'joined'
),
had AS (
    SELECT
        identity_claim.record_id,
        coalesce(identity_undone.from_id, identity_claim.claimed_id) AS old_id,
        identity_cluster.patient_id
    FROM identity_claim
    JOIN identity_cluster USING (cluster_id)
    LEFT JOIN identity_undone USING (record_id)
    WHERE identity_claim.claimed_id IS NOT NULL
    UNION ALL
    SELECT record_id, old_id, patient_id FROM identity_former
),
concerned AS (
    SELECT record_id, old_id, patient_id FROM had WHERE old_id <> patient_id
    UNION ALL
    SELECT record_id, old_id, patient_id FROM had SEMI JOIN surviving USING (patient_id) WHERE old_id = patient_id
),
-- Not those that only a later snapshot knows, in a back-fill: in this history they are new.
known AS (
    SELECT record_id FROM prior_record SEMI JOIN concerned USING (record_id)
    UNION
    SELECT record_id FROM prior_former SEMI JOIN concerned USING (record_id)
),
-- A night that runs again moves a record from where it was before the night.
earlier_run AS (
    SELECT record_id, from_patient_id FROM prior_moved WHERE night = $night::DATE
),
tonight AS (
    SELECT
        concerned.record_id,
        coalesce(earlier_run.from_patient_id, concerned.old_id) AS from_patient_id,
        concerned.patient_id AS to_patient_id
    FROM concerned
    SEMI JOIN known USING (record_id)
    LEFT JOIN earlier_run USING (record_id)
)
SELECT record_id, night, from_patient_id, to_patient_id
FROM prior_moved
WHERE NOT (night = $night::DATE AND record_id IN (SELECT record_id FROM tonight))
UNION ALL
SELECT record_id, $night::DATE, from_patient_id, to_patient_id
FROM tonight
WHERE from_patient_id <> to_patient_id OR to_patient_id IN (SELECT patient_id FROM surviving)
