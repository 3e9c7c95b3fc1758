-- Rows that say again, word for word, what an earlier row of the delivery said: all but the first of them.
-- Reads `keyed` (source_row, key, content); only the rows of a key that occurs twice are compared in full.
WITH duplicated AS (
    SELECT key FROM keyed WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1
),
numbered AS (
    SELECT source_row, row_number() OVER (PARTITION BY key, content ORDER BY source_row) AS occurrence
    FROM keyed SEMI JOIN duplicated USING (key)
)
SELECT source_row FROM numbered WHERE occurrence > 1
