-- How many of its person's other records each record was compared with. Reads: judged_record, candidate_pair.
CREATE OR REPLACE TEMP TABLE true_candidate AS
SELECT
    id_l, id_r, rule, least(l.record_id, r.record_id) AS record_id_l, greatest(l.record_id, r.record_id) AS record_id_r,
    l.cluster_key <> r.cluster_key AS is_missed
FROM candidate_pair
INNER JOIN judged_record AS l ON l.id = id_l
INNER JOIN judged_record AS r ON r.id = id_r
WHERE l.person_key = r.person_key;

CREATE OR REPLACE TEMP TABLE blocked_end AS
SELECT id, count(*) AS n_blocked FROM (SELECT unnest([id_l, id_r]) AS id FROM true_candidate) GROUP BY id;

CREATE OR REPLACE TEMP TABLE judged_record AS
SELECT judged_record.* REPLACE (coalesce(blocked_end.n_blocked, 0) AS n_blocked, coalesce(mixed_unit.unit, judged_record.unit) AS unit)
FROM judged_record
LEFT JOIN blocked_end USING (id)
LEFT JOIN mixed_unit USING (person_key);
