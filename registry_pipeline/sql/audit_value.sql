-- Months and years of every measure and group, with age bands put together by the standard population, for the registry
-- as published (move 0) and as it would be at each move of the linkage threshold: the published count, less what the
-- people whom the move touches count for now, and what they would. A band without anybody has no weight.
-- Person-days are summed before they are made years of: in whole numbers no order of adding shows.
-- Reads audit_cell, audit_period (measure, month, period), audit_dimension (measure, dimension), audit_kind,
-- audit_weight.
WITH asked AS (
    SELECT
        world, (world + 1) // 2 AS move, measure, dimension, value, period_start, period_end, period_months,
        coalesce(band, -1) AS band, n, d, cases, at_risk, n2, d2, nd
    FROM audit_cell
    JOIN audit_period USING (measure, month)
    JOIN audit_dimension USING (measure, dimension)
    WHERE dimension <> 'lsoa' OR period_months > 1
),
summed AS (
    SELECT
        move, measure, dimension, value, period_start, period_end, period_months, band,
        sum(if(world % 2 = 1, -n, n)) AS n, sum(if(world % 2 = 1, -d, d)) AS d,
        sum(if(world % 2 = 1, -cases, cases)) AS cases,
        sum(if(world % 2 = 1, -at_risk, at_risk)) AS at_risk,
        sum(n2) AS n2, sum(d2) AS d2, sum(nd) AS nd
    FROM asked
    GROUP BY ALL
),
published AS (SELECT * FROM summed WHERE move = 0),
-- Only groups that a move changes.
changed AS (
    SELECT DISTINCT move, measure, dimension, value, period_start, period_end, period_months
    FROM summed WHERE move > 0 AND (n <> 0 OR d <> 0)
),
at_move AS (
    SELECT * FROM published
    UNION ALL
    SELECT
        move, measure, dimension, value, period_start, period_end, period_months, band,
        coalesce(published.n, 0) + coalesce(moved.n, 0), coalesce(published.d, 0) + coalesce(moved.d, 0),
        0, 0, 0, 0, 0
    FROM changed
    JOIN (SELECT measure, dimension, value, period_start, period_end, period_months, band, n, d FROM published)
        AS published USING (measure, dimension, value, period_start, period_end, period_months)
    LEFT JOIN (SELECT * FROM summed WHERE move > 0) AS moved
        USING (move, measure, dimension, value, period_start, period_end, period_months, band)
),
valued AS (
    SELECT
        move, measure, dimension, value, period_start, period_end, period_months,
        sum(n) AS n, sum(d) / any_value(a_year) AS d, sum(cases) AS cases, sum(at_risk) AS at_risk, sum(n2) AS n2, sum(d2) AS d2,
        sum(nd) AS nd,
        -- In the order of the bands: fractions added in another order differ in their last digit.
        list_sum(list(weight * n * a_year / d ORDER BY band) FILTER (d > 0)) / sum(weight) FILTER (d > 0)
            AS standard_rate,
        list_sum(list(weight * weight * n2 * a_year * a_year / (d * d) ORDER BY band) FILTER (d > 0))
            / (sum(weight) FILTER (d > 0)) ** 2 AS standard_variance
    FROM at_move
    JOIN (SELECT measure, if(is_person_time, 365.25, 1) AS a_year FROM audit_kind) USING (measure)
    LEFT JOIN audit_weight USING (measure, band)
    GROUP BY ALL
),
per_move AS (
    SELECT *, CASE WHEN d > 0 THEN if(is_standardised, standard_rate, n / d) END AS ratio
    FROM valued JOIN audit_kind USING (measure)
),
moved AS (
    SELECT
        measure, dimension, value, period_start, period_months, min(ratio) AS lowest_ratio, max(ratio) AS highest_ratio,
        arg_min(n, ratio) AS lowest_n, arg_min(d, ratio) AS lowest_d, arg_max(n, ratio) AS highest_n,
        arg_max(d, ratio) AS highest_d
    FROM per_move WHERE move > 0
    GROUP BY ALL
)
SELECT
    measure, dimension, value, period_start, period_end, period_months, n, d, cases,
    if(is_person_time, at_risk / period_months, at_risk) AS at_risk,
    n2, d2, nd, ratio, standard_variance,
    lowest_ratio - ratio AS lowest_change, lowest_n - n AS lowest_n_change, lowest_d - d AS lowest_d_change,
    highest_ratio - ratio AS highest_change, highest_n - n AS highest_n_change, highest_d - d AS highest_d_change
FROM per_move LEFT JOIN moved USING (measure, dimension, value, period_start, period_months)
WHERE move = 0 AND (d > 0 OR at_risk > 0)
ORDER BY ALL
