-- Tonight's rows, of each key the last one only. From `keyed`, and `repeated_key` (see repeated_keys.sql): the window
-- runs over the repeated ones alone, the others stream by.
WITH
single_rows AS (
    SELECT keyed.* FROM keyed ANTI JOIN repeated_key ON hash(keyed.row_key) = repeated_key.key_hash
),
last_of_repeated_rows AS (
    SELECT keyed.*
    FROM keyed SEMI JOIN repeated_key ON hash(keyed.row_key) = repeated_key.key_hash
    QUALIFY row_number() OVER (PARTITION BY keyed.row_key ORDER BY keyed.source_row DESC) = 1
)
SELECT * FROM single_rows
UNION ALL
SELECT * FROM last_of_repeated_rows
