-- How many values were set to null, by column and reason. From `written` (a made table with `null_reasons`).
SELECT reason.key || ': ' || reason.value AS column_and_reason, count(*) AS value_count
FROM (SELECT unnest(map_entries(null_reasons)) AS reason FROM written WHERE cardinality(null_reasons) > 0)
GROUP BY column_and_reason
ORDER BY column_and_reason
