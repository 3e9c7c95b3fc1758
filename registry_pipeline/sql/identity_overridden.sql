-- What overrides decided of what happened to ids tonight: a must-link that joined two ids or moved a record from one to
-- another, a cannot-link that parted the records of one.
WITH record AS (
    SELECT
        identity_claim.record_id,
        identity_claim.cluster_id,
        identity_claim.claimed_id,
        coalesce(identity_undone.from_id, identity_claim.claimed_id) AS old_id
    FROM identity_claim
    SEMI JOIN (
        SELECT record_id_l AS record_id FROM override_now
        UNION
        SELECT record_id_r FROM override_now
    ) AS spoken_of USING (record_id)
    LEFT JOIN identity_undone USING (record_id)
    WHERE identity_claim.claimed_id IS NOT NULL
),
-- Each override from both of its ends.
pair AS (
    SELECT override_id, kind, record_id_l AS record_id, record_id_r AS other_record_id FROM override_now
    UNION ALL
    SELECT override_id, kind, record_id_r, record_id_l FROM override_now
),
spoken AS (
    SELECT
        pair.override_id, pair.kind, one.cluster_id, one.claimed_id, one.old_id,
        other.cluster_id AS other_cluster_id, other.claimed_id AS other_claimed_id, other.old_id AS other_old_id
    FROM pair
    JOIN record AS one ON one.record_id = pair.record_id
    JOIN record AS other ON other.record_id = pair.other_record_id
),
decided AS (
    SELECT happened.patient_id, happened.other_patient_id, happened.record_count, spoken.kind, spoken.override_id
    FROM identity_happened AS happened
    JOIN spoken
        ON happened.event_type = 'joined' AND spoken.kind = 'must_link'
        AND spoken.claimed_id = happened.patient_id
    WHERE spoken.cluster_id = spoken.other_cluster_id AND spoken.other_claimed_id <> spoken.claimed_id
    UNION
    SELECT happened.patient_id, happened.other_patient_id, happened.record_count, spoken.kind, spoken.override_id
    FROM identity_happened AS happened
    JOIN identity_cluster USING (patient_id)
    JOIN spoken
        ON spoken.cluster_id = identity_cluster.cluster_id AND spoken.old_id = happened.other_patient_id
    WHERE happened.event_type IN ('split', 'resurrected')
      AND (
          (spoken.kind = 'cannot_link' AND spoken.other_cluster_id <> spoken.cluster_id AND spoken.other_old_id = spoken.old_id)
          OR (spoken.kind = 'must_link' AND spoken.other_cluster_id = spoken.cluster_id AND spoken.other_old_id <> spoken.old_id)
      )
)
SELECT
    patient_id,
    'overridden' AS event_type,
    other_patient_id,
    string_agg(DISTINCT kind || ':' || override_id, ', ' ORDER BY kind || ':' || override_id) AS cause,
    any_value(record_count) AS record_count
FROM decided
GROUP BY patient_id, other_patient_id
