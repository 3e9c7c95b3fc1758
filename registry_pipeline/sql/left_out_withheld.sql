-- Rows of a delivery whose identity is withheld, by their own reason or because the person's is, and cells of other rows
-- that name such a person.
-- Input: view withheld_key (part, part_row, local_id, other_local_id, reason, as delivered), tables left_out_row and
-- blank_cell.
-- Parameters: $provider; $codes, the provider's own codes of the reason; $known, keyed digests of record keys withheld
-- before; $inner and $outer, the key as HMAC's pads; $is_patient; $other_column, the canonical name of other_local_id.
CREATE OR REPLACE TEMP MACRO keyed_digest(inner_pad, outer_pad, message) AS
    sha256(outer_pad || unhex(sha256(inner_pad || encode(message))));

CREATE OR REPLACE TEMP TABLE withheld_row AS
SELECT part, part_row, keyed_digest($inner, $outer, 'record:' || $provider || ':' || trimmed(local_id)) AS record_digest
FROM withheld_key
WHERE provider_value($codes, trimmed(reason)) IS NOT NULL;

CREATE OR REPLACE TEMP TABLE withheld_record AS
SELECT record_digest FROM withheld_row WHERE $is_patient AND record_digest IS NOT NULL
UNION
SELECT unnest($known::VARCHAR[]) AS record_digest
WHERE NOT $is_patient;

-- Patients who were withheld and are delivered without a reason tonight.
CREATE OR REPLACE TEMP TABLE released_record AS
SELECT DISTINCT keyed_digest($inner, $outer, 'record:' || $provider || ':' || trimmed(local_id)) AS record_digest
FROM withheld_key
WHERE $is_patient AND keyed_digest($inner, $outer, 'record:' || $provider || ':' || trimmed(local_id)) IN (
    SELECT unnest($known::VARCHAR[])
);
DELETE FROM released_record WHERE record_digest IN (FROM withheld_record);

INSERT INTO left_out_row
SELECT part, part_row, $reason
FROM withheld_row
UNION
SELECT part, part_row, $reason
FROM withheld_key
WHERE keyed_digest($inner, $outer, 'record:' || $provider || ':' || trimmed(local_id)) IN (FROM withheld_record);

INSERT INTO blank_cell
SELECT part, part_row, $other_column
FROM withheld_key
ANTI JOIN left_out_row USING (part, part_row)
WHERE keyed_digest($inner, $outer, 'record:' || $provider || ':' || trimmed(other_local_id)) IN (FROM withheld_record)
