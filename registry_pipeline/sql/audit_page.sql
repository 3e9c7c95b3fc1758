-- What the pages show: every month, and of years the last two; of groups of people the last year only. Small areas have
-- the table alone.
WITH ordered AS (
    SELECT
        *,
        dense_rank() OVER (PARTITION BY measure, period_months ORDER BY period_end DESC) AS back
    FROM audit_measure
    WHERE dimension <> 'lsoa'
)

SELECT
    measure, dimension, value_of_dimension, period_start, period_end, period_months, numerator, denominator, value,
    interval_low, interval_high, is_suppressed, centre, limit_low, limit_high, signal, signal_is, funnel, linkage_low,
    linkage_high
FROM ordered
WHERE
    CASE
        WHEN dimension IN ('ethnicity', 'deprivation') THEN period_months = 12 AND back = 1
        ELSE period_months = 1 OR back <= 2
    END
ORDER BY measure, dimension, value_of_dimension, period_months, period_start
