-- hidden_record: records whose NHS number is verified, so that the number says who is one person; a sample of them (whole
-- people, drawn by a digest of the number) is matched anew as if nobody had a number.
-- Reads: everybody, counted_record, night_record. Parameters: $most_records, $seed, $night.
CREATE OR REPLACE TEMP TABLE hidden_record AS
WITH carried AS (
    SELECT number_id, count(*) AS records, hash(number_id, $seed) AS lot FROM everybody WHERE is_settled GROUP BY number_id
),
drawn AS (
    SELECT number_id FROM carried QUALIFY sum(records) OVER (ORDER BY lot, number_id) <= $most_records
)
SELECT
    counted_record.id, state, record_id, counted_record.number_id AS unit, drawn.number_id IS NOT NULL AS is_drawn,
    night_record.provider, night_record.setting,
    CASE night_record.sex WHEN 'M' THEN 'male' WHEN 'F' THEN 'female' WHEN 'O' THEN 'other' ELSE 'not known' END AS sex,
    evaluate_age_band(night_record.birth_date, $night::DATE) AS age_band,
    evaluate_ethnicity(night_record.ethnicity) AS ethnicity
FROM counted_record
INNER JOIN night_record USING (record_id)
LEFT JOIN drawn USING (number_id)
WHERE counted_record.is_settled;

-- Nobody has a number; only drawn records are open, so that only their pairs are made.
CREATE OR REPLACE TEMP TABLE everybody AS
SELECT everybody.* REPLACE (
    NULL::VARCHAR AS nhs_number, NULL::VARCHAR AS current_nhs_number, NULL::BIGINT AS number_id,
    false AS is_nhs_number_verified, NOT coalesce(is_drawn, false) AS is_settled
)
FROM everybody
LEFT JOIN hidden_record USING (state);

CREATE OR REPLACE TEMP TABLE counted_record AS
SELECT counted_record.* REPLACE (
    NULL::VARCHAR AS nhs_number, NULL::VARCHAR AS current_nhs_number, NULL::BIGINT AS number_id, false AS is_verified,
    NOT coalesce(is_drawn, false) AS is_settled
)
FROM counted_record
LEFT JOIN hidden_record USING (state);
