-- Pairs of records that went by one id until tonight and are no longer one person's, because a must-link that held on
-- the prior's night is no longer in force, or because a cannot-link that is in force keeps them apart. A part is a
-- cluster of tonight, or a record that is not there tonight (and then by itself).
WITH ended AS (
    SELECT record_id_l, record_id_r, 'override_undone' AS cause
    FROM override_then
    ANTI JOIN (SELECT * FROM override_now WHERE kind = 'must_link') AS still USING (record_id_l, record_id_r)
    WHERE kind = 'must_link'
    UNION
    SELECT record_id_l, record_id_r, 'join_undone'
    FROM override_now
    WHERE kind = 'cannot_link'
),
speaking AS (
    SELECT record_id_l AS record_id FROM ended
    UNION
    SELECT record_id_r FROM ended
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
)
SELECT l.patient_id, l.part AS part_l, r.part AS part_r, ended.cause
FROM ended
JOIN stood AS l ON l.record_id = ended.record_id_l
JOIN stood AS r ON r.record_id = ended.record_id_r AND r.patient_id = l.patient_id
WHERE l.part <> r.part
  -- A record that a cannot-link speaks of and that is not there is looked at when it returns.
  AND (ended.cause = 'override_undone' OR NOT (l.is_gone OR r.is_gone))
