-- People by how many records they have. From `report_person`.
SELECT records, count(*) AS people FROM report_person GROUP BY records ORDER BY records
