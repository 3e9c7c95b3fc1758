-- Hashes of the keys that more than one of tonight's rows carries. From `keyed` (accepted rows and their `row_key`).
-- Eight bytes a key, so that the first load of two years of events stays small.
SELECT hash(row_key) AS key_hash FROM keyed WHERE row_key IS NOT NULL GROUP BY key_hash HAVING count(*) > 1
