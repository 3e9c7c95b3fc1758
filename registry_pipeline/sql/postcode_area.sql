-- The list of postcodes in the registry's form, one row per postcode, with what is wrong with it, if anything.
-- Reads: listed (postcode, lsoa, deprivation_decile: text). Pseudo-codes of the directory for the Channel Islands and
-- the Isle of Man (L99999999, M99999999) are no area, and neither is nothing.
WITH normal AS (
    SELECT
        CASE WHEN postcode_is_normal(postcode) THEN postcode ELSE postcode_of(postcode_compact(postcode)) END AS postcode,
        nullif(upper(lsoa), '') AS lsoa,
        nullif(deprivation_decile, '') AS decile_written
    FROM listed
    WHERE postcode IS NOT NULL
),
read AS (
    SELECT
        postcode,
        CASE WHEN NOT regexp_full_match(lsoa, '[LM]9{8}') THEN lsoa END AS lsoa,
        -- A spreadsheet or a data frame with gaps writes 3 as 3.0.
        try_cast(regexp_replace(decile_written, '\.0+$', '') AS TINYINT) AS deprivation_decile,
        decile_written
    FROM normal
)
SELECT
    postcode,
    min(lsoa) AS lsoa,
    min(deprivation_decile) AS deprivation_decile,
    CASE
        WHEN postcode IS NULL OR any_value(postcode_fault(postcode)) IN ('not_a_uk_postcode', 'outward_code_only')
            THEN 'not_a_postcode'
        WHEN NOT bool_and(lsoa IS NULL OR regexp_full_match(lsoa, '[EWS]01[0-9]{6}|N[0-9]{8}|95[A-Z0-9]{6}'))
            THEN 'not_an_lsoa'
        WHEN NOT bool_and(decile_written IS NULL OR coalesce(deprivation_decile BETWEEN 1 AND 10, false))
            THEN 'not_a_decile'
        WHEN min(lsoa) <> max(lsoa) OR min(deprivation_decile) <> max(deprivation_decile) THEN 'two_areas'
    END AS fault
FROM read
GROUP BY postcode
