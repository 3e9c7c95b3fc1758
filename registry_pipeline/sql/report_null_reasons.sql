-- Values that were set to null, by provider, column and reason. From `delivered_record`.
SELECT provider, reason.key AS column_name, reason.value AS reason, count(*) AS value_count
FROM (
    SELECT provider, unnest(map_entries(null_reasons)) AS reason
    FROM delivered_record
    WHERE cardinality(null_reasons) > 0
)
GROUP BY ALL
ORDER BY ALL
