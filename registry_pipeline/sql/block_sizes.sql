-- key_size: records of each key that makes pairs, and the pairs with at least one record that is not settled.
-- Reads: block_key (key, state, number_id, is_settled).
CREATE OR REPLACE TEMP TABLE key_size AS
SELECT key, records, records * (records - 1) // 2 - settled * (settled - 1) // 2 AS pairs
FROM (SELECT key, count(*) AS records, count(*) FILTER (is_settled) AS settled FROM block_key GROUP BY key)
WHERE records > 1;
