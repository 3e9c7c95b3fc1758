-- The one cluster that keeps each claimed id: the larger part, then the part with the oldest record key.
-- Records that were there last night count before records that return, so that a return never takes an id away.
WITH parted AS (
    SELECT claimed_id FROM identity_part GROUP BY claimed_id HAVING count(*) > 1
)
SELECT * FROM identity_part ANTI JOIN parted USING (claimed_id)
UNION ALL
SELECT * FROM identity_part SEMI JOIN parted USING (claimed_id)
QUALIFY row_number() OVER (
    PARTITION BY claimed_id ORDER BY live_count DESC, record_count DESC, first_record
) = 1
