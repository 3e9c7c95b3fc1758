-- hidden_state: records whose NHS number is verified, so that the number says who is one person (its `unit`); a sample of
-- them (whole people, drawn by a digest of the number) is matched anew as if nobody had a number.
-- Reads: everybody. Parameters: $most_records, $seed.
CREATE OR REPLACE TEMP TABLE hidden_state AS
WITH carried AS (
    SELECT number_id, count(*) AS records, hash(number_id, $seed) AS lot FROM everybody WHERE is_settled GROUP BY number_id
),
drawn AS (
    SELECT number_id FROM carried QUALIFY sum(records) OVER (ORDER BY lot, number_id) <= $most_records
)
SELECT state, everybody.number_id AS unit, drawn.number_id IS NOT NULL AS is_drawn
FROM everybody
LEFT JOIN drawn USING (number_id)
WHERE is_settled;

-- Nobody has a number from here on.
ALTER TABLE everybody RENAME TO known_everybody;

CREATE OR REPLACE TEMP VIEW everybody AS
SELECT * REPLACE (
    NULL::VARCHAR AS nhs_number, NULL::VARCHAR AS current_nhs_number, NULL::BIGINT AS number_id,
    false AS is_nhs_number_verified, false AS is_settled
)
FROM known_everybody;
