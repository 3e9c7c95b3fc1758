-- NHS numbers that another one replaced, from `delivered` (accepted_nhs_number_replacement). A pair of which either
-- number is invalid, or that names one number twice, says nothing and is left out. Parameters: $provider, $night,
-- $synthetic_allowed, and the provider's own $formats by column.
WITH
numbers AS (
    SELECT
        nullif(nhs_number_digits(nhs_number), '') AS nhs_number,
        nullif(nhs_number_digits(replaced_by), '') AS replaced_by,
        timestamp_of(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date']) AS start_read,
        event_date_fault(
            start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date'], start_read, $night::DATE
        ) AS start_fault
    FROM delivered
),
judged AS (
    SELECT
        *,
        CASE
            WHEN nhs_number IS NULL OR replaced_by IS NULL
                OR nhs_number_digits_fault(nhs_number, $synthetic_allowed) IS NOT NULL
                OR nhs_number_digits_fault(replaced_by, $synthetic_allowed) IS NOT NULL THEN 'invalid_nhs_number'
            WHEN nhs_number = replaced_by THEN 'replaced_by_itself'
        END AS left_out
    FROM numbers
)
SELECT
    nhs_number, replaced_by,
    CASE WHEN start_fault IS NULL THEN start_read::DATE END AS start_date,
    $provider AS provider,
    $night::DATE AS night,
    left_out
FROM judged
