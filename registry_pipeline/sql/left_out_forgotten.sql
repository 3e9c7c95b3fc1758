-- Rows of a delivery that are forgotten people's, and cells of other people's rows that name them.
-- Input: table keyed_row (part, part_row, local_id, other_local_id, nhs_number, other_nhs_number, as delivered), table
-- known_record (record_id) of the current registry, tables left_out_row and blank_cell.
-- Parameters: $provider; $records and $numbers, the tombstones' digests; $inner and $outer, the key as HMAC's pads;
-- $is_patient; $other_column, the canonical name of other_local_id.
CREATE OR REPLACE TEMP TABLE forgotten_key AS
WITH key AS (
    SELECT local_id FROM keyed_row WHERE local_id IS NOT NULL
    UNION
    SELECT other_local_id FROM keyed_row WHERE other_local_id IS NOT NULL
)
SELECT local_id
FROM key
WHERE sha256($outer || unhex(sha256($inner || encode('record:' || $provider || ':' || trimmed(local_id))))) IN (
    SELECT unnest($records)
);

CREATE OR REPLACE TEMP TABLE forgotten_number AS
WITH number AS (
    SELECT nhs_number FROM keyed_row WHERE nhs_number IS NOT NULL
    UNION
    SELECT other_nhs_number FROM keyed_row WHERE other_nhs_number IS NOT NULL
)
SELECT nhs_number
FROM number
WHERE sha256($outer || unhex(sha256($inner || encode('nhs_number:' || nhs_number_digits(trimmed(nhs_number)))))) IN (
    SELECT unnest($numbers)
);

-- A forgotten person's number under another record key: the person's new record, unless the registry knows that record
-- as somebody else's. Nobody loses a record because a number was mistyped: then the number goes, and the record stays.
CREATE OR REPLACE TEMP TABLE number_row AS
SELECT
    keyed_row.part,
    keyed_row.part_row,
    keyed_row.local_id,
    keyed_row.nhs_number,
    known_record.record_id IS NOT NULL AS is_known
FROM keyed_row
SEMI JOIN forgotten_number ON forgotten_number.nhs_number = keyed_row.nhs_number
ANTI JOIN forgotten_key ON forgotten_key.local_id = keyed_row.local_id
LEFT JOIN known_record ON known_record.record_id = $provider || ':' || trimmed(keyed_row.local_id)
WHERE $is_patient;

INSERT INTO forgotten_key SELECT DISTINCT local_id FROM number_row WHERE NOT is_known AND local_id IS NOT NULL;

INSERT INTO left_out_row
SELECT part, part_row, 'forgotten' FROM keyed_row SEMI JOIN forgotten_key USING (local_id)
UNION
SELECT part, part_row, 'forgotten' FROM number_row WHERE NOT is_known
UNION
SELECT part, part_row, 'forgotten'
FROM keyed_row
WHERE NOT $is_patient AND (nhs_number IN (FROM forgotten_number) OR other_nhs_number IN (FROM forgotten_number));

INSERT INTO blank_cell
SELECT part, part_row, $other_column
FROM keyed_row
ANTI JOIN left_out_row USING (part, part_row)
WHERE other_local_id IN (SELECT local_id FROM forgotten_key)
UNION
SELECT part, part_row, 'nhs_number' FROM number_row WHERE is_known;
