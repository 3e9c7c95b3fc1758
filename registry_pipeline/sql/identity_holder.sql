-- The one cluster that keeps each claimed id: the larger part by evidence (`identity_evidence`), among equals one in
-- which the id can live on (`identity_settled`), then the likelier one, then the one with the oldest record key.
-- Records that were there last night count before records that return, so that a return never takes an id away.
SELECT claimed_id, cluster_id, live_count, record_count, first_record
FROM identity_part
ANTI JOIN identity_evidence USING (claimed_id)
UNION ALL
SELECT claimed_id, cluster_id, live_count, record_count, first_record
FROM identity_evidence
LEFT JOIN identity_settled USING (claimed_id, cluster_id)
WHERE place = 1
QUALIFY row_number() OVER (
    PARTITION BY claimed_id ORDER BY is_settled NULLS LAST, probability DESC, first_record
) = 1
