-- Pairs of records that went by one id until tonight and are no longer one person's, because a must-link that held on
-- the prior's night is no longer in force, or because a cannot-link that is in force keeps them apart; and must-links
-- that are in force, but of which a record is not there to hold the others together. A part is a cluster of tonight, or
-- a record that is not there tonight (and then by itself).
WITH spoken AS (
    SELECT
        record_id_l,
        record_id_r,
        if(still.override_id IS NULL, 'override_undone', 'override_rests') AS cause
    FROM override_then
    LEFT JOIN (
        SELECT record_id_l, record_id_r, min(override_id) AS override_id
        FROM override_now
        WHERE kind = 'must_link'
        GROUP BY record_id_l, record_id_r
    ) AS still USING (record_id_l, record_id_r)
    WHERE override_then.kind = 'must_link'
    UNION
    SELECT record_id_l, record_id_r, 'join_undone'
    FROM override_now
    WHERE kind = 'cannot_link'
),
speaking AS (
    SELECT record_id_l AS record_id FROM spoken
    UNION
    SELECT record_id_r FROM spoken
),
before AS (
    SELECT record_id, patient_id FROM prior_record SEMI JOIN speaking USING (record_id)
    UNION ALL
    SELECT record_id, patient_id FROM prior_former SEMI JOIN speaking USING (record_id)
),
stood AS (
    SELECT
        before.record_id,
        before.patient_id,
        coalesce(identity_claim.cluster_id, before.record_id) AS part,
        identity_claim.cluster_id IS NULL AS is_gone
    FROM before
    LEFT JOIN identity_claim USING (record_id)
),
parted AS (
    SELECT l.patient_id, l.part AS part_l, r.part AS part_r, l.is_gone AS is_gone_l, r.is_gone AS is_gone_r, spoken.cause
    FROM spoken
    JOIN stood AS l ON l.record_id = spoken.record_id_l
    JOIN stood AS r ON r.record_id = spoken.record_id_r AND r.patient_id = l.patient_id
    WHERE l.part <> r.part
),
-- Only where those that are there did part: a record that leaves changes nobody's id.
scattered AS (
    SELECT identity_claim.claimed_id AS patient_id
    FROM identity_claim
    SEMI JOIN (SELECT patient_id FROM parted WHERE cause = 'override_rests') AS resting
        ON resting.patient_id = identity_claim.claimed_id
    GROUP BY identity_claim.claimed_id
    HAVING count(DISTINCT identity_claim.cluster_id) > 1
)
SELECT patient_id, part_l, part_r, cause
FROM parted
WHERE cause <> 'override_rests'
UNION ALL
-- A record that is not there, and that an override in force still speaks for, keeps no id from the others.
SELECT patient_id, if(is_gone_l, NULL, part_l), if(is_gone_r, NULL, part_r), cause
FROM parted
SEMI JOIN scattered USING (patient_id)
WHERE cause = 'override_rests'
