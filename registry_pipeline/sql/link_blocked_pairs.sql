-- The pairs of one blocking rule, but of blocks above $cap records. Two different verified NHS numbers are two people,
-- and equal numbers have their pair already.
-- Reads: block_key (key, id, number_id, is_verified). Adds to: found_pair.
CREATE OR REPLACE TEMP TABLE usable_key AS
SELECT key FROM block_key WHERE key IS NOT NULL GROUP BY key HAVING count(*) BETWEEN 2 AND $cap;

CREATE OR REPLACE TEMP TABLE kept_key AS SELECT block_key.* FROM block_key SEMI JOIN usable_key USING (key);

INSERT INTO found_pair
SELECT l.id, r.id, $rule
FROM kept_key AS l
INNER JOIN kept_key AS r ON l.key = r.key AND l.id < r.id
WHERE NOT coalesce(l.number_id = r.number_id OR (l.is_verified AND r.is_verified AND l.number_id <> r.number_id), false);

DROP TABLE usable_key;

DROP TABLE kept_key;
