-- The pairs of one blocking rule, but of blocks above $cap records. Two settled records (a verified NHS number each) are
-- never compared: equal numbers have their pair already, and different ones are two people.
-- Reads: block_key (key, id, number_id, is_settled), key_size. Adds to: found_pair.
CREATE OR REPLACE TEMP TABLE kept_key AS
SELECT block_key.* FROM block_key SEMI JOIN (SELECT key FROM key_size WHERE size <= $cap) AS usable USING (key);

INSERT INTO found_pair
SELECT least(l.id, r.id), greatest(l.id, r.id), $rule
FROM (SELECT * FROM kept_key WHERE NOT is_settled) AS l
INNER JOIN kept_key AS r ON l.key = r.key AND (r.is_settled OR l.id < r.id)
WHERE NOT coalesce(l.number_id = r.number_id, false);

DROP TABLE kept_key;
