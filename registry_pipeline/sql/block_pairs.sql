-- The pairs of one blocking rule, but of blocks above $cap records. Two settled records (a verified NHS number each) are
-- never compared: equal numbers have their pair already, and different ones are two people.
-- Reads: block_key (key, state, number_id, is_settled), key_size. Adds to: found_pair, crowded_key.
INSERT INTO crowded_key SELECT $rule, key, records FROM key_size WHERE records > $cap;

CREATE OR REPLACE TEMP TABLE usable_key AS
SELECT block_key.* FROM block_key SEMI JOIN (SELECT key FROM key_size WHERE records <= $cap) AS usable USING (key);

INSERT INTO found_pair
SELECT least(l.state, r.state), greatest(l.state, r.state), $rule
FROM (SELECT * FROM usable_key WHERE NOT is_settled) AS l
INNER JOIN usable_key AS r ON l.key = r.key AND (r.is_settled OR l.state < r.state)
WHERE NOT coalesce(l.number_id = r.number_id, false);

DROP TABLE usable_key;
DROP TABLE open_key;
DROP TABLE block_key;
DROP TABLE key_size;
