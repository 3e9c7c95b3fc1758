-- Every superseded NHS number with the number that stands today: chains are followed to their end. Where providers
-- differ the latest replacement counts. Numbers that replace each other in a ring have no end and are left out.
WITH RECURSIVE replacement AS MATERIALIZED (
    SELECT nhs_number, replaced_by
    FROM nhs_number_replacement
    WHERE nhs_number <> replaced_by
    QUALIFY row_number() OVER (
        PARTITION BY nhs_number ORDER BY start_date DESC NULLS LAST, night DESC, provider, replaced_by
    ) = 1
),
-- UNION keeps each pair once, so a ring ends by itself.
chain AS (
    SELECT nhs_number, replaced_by FROM replacement
    UNION
    SELECT chain.nhs_number, replacement.replaced_by
    FROM chain
    JOIN replacement ON replacement.nhs_number = chain.replaced_by
)
SELECT nhs_number, replaced_by AS current_nhs_number
FROM chain
ANTI JOIN replacement ON replacement.nhs_number = chain.replaced_by
