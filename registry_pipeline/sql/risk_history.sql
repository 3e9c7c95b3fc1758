-- How many hospital stays and emergency attendances began in each month up to the night. Parameters: $night.
SELECT date_trunc('month', start_time)::DATE AS month, count(*) AS events
FROM patient_activity
WHERE activity_kind IN ('spell', 'attendance') AND start_time < $night::DATE + 1
GROUP BY ALL
ORDER BY month
