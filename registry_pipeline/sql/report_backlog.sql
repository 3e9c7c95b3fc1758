-- What waits for a person to decide, by reason and by how long it has waited. From `attention`. Parameter: $night.
SELECT
    reason,
    CASE
        WHEN date_diff('day', first_night, $night::DATE) < 1 THEN 'new tonight'
        WHEN date_diff('day', first_night, $night::DATE) < 7 THEN '1 to 6 nights'
        WHEN date_diff('day', first_night, $night::DATE) < 30 THEN '7 to 29 nights'
        ELSE '30 nights or more'
    END AS waited,
    count(*) AS entries
FROM attention
GROUP BY ALL
ORDER BY ALL
