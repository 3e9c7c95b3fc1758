-- People in each cohort at each month's end, and those of whom each thing holds. From `audit_state`. Parameter: $months.
CREATE OR REPLACE TEMP TABLE audit_state_sum AS
WITH at_end AS (
    SELECT
        world, practice, neighbourhood, lsoa, ethnicity, deprivation, month,
        /* flags */
    FROM audit_state, (SELECT unnest(range($months))::INTEGER AS month)
)
SELECT
    world, month, /* dimension */ AS dimension, /* value */ AS value,
    /* sums */
FROM at_end
GROUP BY world, month, GROUPING SETS (/* sets */)
