-- Which practice belongs to which neighbourhood team. Parameters: $practices and $neighbourhoods, lists of the same length,
-- as the deployment names them; $night.
--
-- A practice that the deployment names in no neighbourhood is a team of its own, if any of its people has a record of a
-- provider of setting gp: a practice that only hospitals name lies outside, and nobody there may open these pages. Where
-- no provider is of setting gp, every practice is a team.
WITH
named AS (
    SELECT unnest($practices::VARCHAR[]) AS gp_practice, unnest($neighbourhoods::VARCHAR[]) AS neighbourhood
),
delivered AS (
    SELECT gp_practice, bool_or(team_practice.patient_id IS NOT NULL) AS has_records
    FROM patient
    LEFT JOIN team_practice USING (patient_id)
    WHERE gp_practice IS NOT NULL AND (death_date IS NULL OR death_date > $night::DATE)
    GROUP BY gp_practice
)
FROM named
UNION ALL
SELECT
    gp_practice,
    gp_practice || if(gp_practice IN (SELECT neighbourhood FROM named), ' (practice)', '') AS neighbourhood
FROM delivered
WHERE
    gp_practice NOT IN (SELECT gp_practice FROM named)
    AND (has_records OR NOT EXISTS (FROM team_practice))
