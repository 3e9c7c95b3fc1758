-- replaced_number: each superseded NHS number and the one that holds today; chains (A to B to C) are followed to their
-- end, and a circle (which is a fault of the source) replaces nothing.
-- Reads: nhs_number_replacement (every provider's share; the latest statement about a number stands).
CREATE OR REPLACE TEMP TABLE replaced_number AS
WITH RECURSIVE
statement AS (
    SELECT nhs_number, arg_max(replaced_by, (coalesce(start_date, DATE '0001-01-01'), replaced_by)) AS replaced_by
    FROM nhs_number_replacement
    WHERE nhs_number IS NOT NULL AND replaced_by IS NOT NULL AND nhs_number <> replaced_by
    GROUP BY nhs_number
),
chain AS (
    SELECT nhs_number, replaced_by AS current_number, [nhs_number, replaced_by] AS passed FROM statement
    UNION ALL
    SELECT chain.nhs_number, statement.replaced_by, list_append(passed, statement.replaced_by)
    FROM chain
    INNER JOIN statement ON statement.nhs_number = chain.current_number
    WHERE NOT list_contains(passed, statement.replaced_by)
)
SELECT nhs_number, current_number
FROM chain
WHERE NOT EXISTS (SELECT 1 FROM statement WHERE statement.nhs_number = chain.current_number);
