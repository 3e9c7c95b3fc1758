-- stratum_pair: kept pairs that may stand in a review sample, with the stratum that they are drawn from. Pairs of people
-- who are flagged sensitive, or who may be one person with somebody flagged, are left out with all their records.
-- Reads: linked_pair, person_cluster, night_record. Parameters: $band (bits of weight), $is_fine, $seed.
CREATE OR REPLACE TEMP TABLE kept_pair AS
SELECT
    record_id_l, record_id_r, outcome, decided_by, match_weight, l.cluster_id AS cluster_l, r.cluster_id AS cluster_r
FROM linked_pair
INNER JOIN person_cluster AS l ON l.record_id = record_id_l
INNER JOIN person_cluster AS r ON r.record_id = record_id_r;

CREATE OR REPLACE TEMP TABLE sensitive_cluster AS
WITH flagged AS (
    SELECT DISTINCT cluster_id FROM person_cluster INNER JOIN night_record USING (record_id) WHERE is_sensitive
),
maybe AS (
    SELECT cluster_l, cluster_r FROM kept_pair WHERE outcome IN ('match', 'possible_match') AND cluster_l <> cluster_r
)
SELECT cluster_id FROM flagged
UNION
SELECT cluster_r FROM maybe INNER JOIN flagged ON cluster_id = cluster_l
UNION
SELECT cluster_l FROM maybe INNER JOIN flagged ON cluster_id = cluster_r;

CREATE OR REPLACE TEMP TABLE stratum_pair AS
SELECT
    record_id_l, record_id_r,
    hash(
        CASE WHEN $is_fine THEN decided_by ELSE outcome END,
        CASE WHEN $is_fine THEN least(floor(match_weight / $band), 3) END,
        cluster_l = cluster_r, $seed
    ) AS stratum,
    hash(record_id_l, record_id_r, $seed) AS lot
FROM kept_pair
WHERE cluster_l NOT IN (FROM sensitive_cluster) AND cluster_r NOT IN (FROM sensitive_cluster);
