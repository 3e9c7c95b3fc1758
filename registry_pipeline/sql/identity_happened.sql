-- What happened to ids tonight, but for what overrides decided of it. Ids without a created event in the prior's history (they come from a later snapshot, in
-- a back-fill) are created here; nothing else is said of them, since it did not happen to anybody's id.
WITH known AS (
    SELECT DISTINCT patient_id FROM prior_event WHERE event_type = 'created'
),
-- Ids that some record of tonight's claims but whose cluster goes by another id.
joined AS (
    SELECT
        identity_holder.claimed_id AS patient_id,
        'joined' AS event_type,
        identity_cluster.patient_id AS other_patient_id,
        if(identity_holder.live_count > 0, 'records_linked', 'records_returned_to_other') AS cause,
        0 AS record_count
    FROM identity_holder
    JOIN identity_cluster USING (cluster_id)
    SEMI JOIN known ON known.patient_id = identity_holder.claimed_id
    WHERE identity_holder.claimed_id <> identity_cluster.patient_id
    UNION ALL
    -- Ids that stay joined while what they were joined into goes elsewhere: they resolve to where their records are.
    SELECT identity_astray.patient_id, 'joined', identity_cluster.patient_id, 'records_stayed', 0
    FROM identity_astray
    JOIN identity_cluster USING (cluster_id)
),
-- Parts that went where their id did not.
split AS (
    SELECT
        identity_cluster.patient_id,
        'split' AS event_type,
        identity_part.claimed_id AS other_patient_id,
        CASE
            WHEN identity_part.live_count = 0 THEN 'records_returned_apart'
            WHEN identity_cluster.is_new THEN 'records_parted'
            ELSE 'records_moved'
        END AS cause,
        identity_cluster.record_count
    FROM identity_part
    JOIN identity_holder USING (claimed_id)
    JOIN identity_cluster ON identity_cluster.cluster_id = identity_part.cluster_id
    SEMI JOIN known ON known.patient_id = identity_part.claimed_id
    WHERE identity_holder.cluster_id <> identity_part.cluster_id
      AND (identity_part.live_count > 0 OR identity_cluster.is_new)
),
claiming_cluster AS (
    SELECT DISTINCT cluster_id FROM identity_part
),
created AS (
    SELECT
        patient_id,
        'created' AS event_type,
        NULL::UUID AS other_patient_id,
        CASE
            WHEN NOT is_new THEN 'back_fill'
            WHEN claiming_cluster.cluster_id IS NULL THEN 'new_person'
            ELSE 'parted_from_other'
        END AS cause,
        record_count
    FROM identity_cluster
    LEFT JOIN claiming_cluster USING (cluster_id)
    ANTI JOIN known USING (patient_id)
),
-- Ids that were joined and live again, since an override no longer holds their records, or now keeps them apart.
given_back AS (
    SELECT DISTINCT claimed_id AS patient_id, from_id, cause FROM identity_undone
),
resurrected AS (
    SELECT
        identity_cluster.patient_id,
        'resurrected' AS event_type,
        given_back.from_id AS other_patient_id,
        coalesce(given_back.cause, 'records_returned') AS cause,
        identity_cluster.record_count
    FROM identity_cluster
    SEMI JOIN known USING (patient_id)
    ANTI JOIN prior_record USING (patient_id)
    LEFT JOIN given_back USING (patient_id)
),
retired AS (
    SELECT DISTINCT patient_id, 'retired' AS event_type, NULL::UUID AS other_patient_id, 'no_records_left' AS cause, 0
    FROM prior_record
    ANTI JOIN identity_holder ON identity_holder.claimed_id = prior_record.patient_id
)
FROM created
UNION ALL FROM joined
UNION ALL FROM split
UNION ALL FROM retired
UNION ALL FROM resurrected
