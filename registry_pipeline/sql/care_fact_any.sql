-- Who is in any of some facts, since the first of them. Parameters: $fact; $parts.
INSERT INTO care_fact
SELECT $fact::INTEGER, patient_id, min(since)
FROM care_fact
WHERE fact IN (SELECT unnest($parts::INTEGER[]))
GROUP BY patient_id;
