-- People whom each reason keeps out, wholly or with some of their records. Reads: left_out_record, covered_record.
SELECT left_out_record.reason, count(DISTINCT covered_record.patient_id) AS people
FROM left_out_record
INNER JOIN covered_record USING (record_id)
GROUP BY left_out_record.reason
