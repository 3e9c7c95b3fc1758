-- What speaks for each part of an id whose records parted, and which parts nothing but age tells apart.
WITH parted AS (
    SELECT claimed_id FROM identity_part GROUP BY claimed_id HAVING count(*) > 1
),
spoken AS (
    SELECT
        identity_claim.claimed_id,
        identity_claim.cluster_id,
        count_if(person_record.is_nhs_number_verified) AS verified_count,
        -- Rounded, so that the order of a sum of floats is of no account.
        round(sum(person_cluster.link_probability), 6) AS probability
    FROM identity_claim
    SEMI JOIN parted USING (claimed_id)
    JOIN person_record USING (record_id)
    JOIN person_cluster USING (record_id)
    GROUP BY identity_claim.claimed_id, identity_claim.cluster_id
)
SELECT
    identity_part.*,
    spoken.verified_count,
    spoken.probability,
    identity_kept.cluster_id IS NOT NULL AS is_kept,
    rank() OVER (
        PARTITION BY identity_part.claimed_id
        ORDER BY is_kept DESC, identity_part.live_count DESC, identity_part.record_count DESC, verified_count DESC
    ) AS place
FROM identity_part
JOIN spoken USING (claimed_id, cluster_id)
LEFT JOIN identity_kept USING (claimed_id, cluster_id)
