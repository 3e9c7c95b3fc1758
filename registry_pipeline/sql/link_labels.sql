-- label: what became in the end of each pair within the groups that were clustered again.
-- Reads: judged_pair, cluster_record.
CREATE OR REPLACE TEMP TABLE label AS
SELECT
    least(l.record_id, r.record_id) AS record_id_l, greatest(l.record_id, r.record_id) AS record_id_r,
    judged_pair.decided_by, judged_pair.outcome, judged_pair.override_id
FROM judged_pair
INNER JOIN cluster_record AS l ON l.id = id_l
INNER JOIN cluster_record AS r ON r.id = id_r;
