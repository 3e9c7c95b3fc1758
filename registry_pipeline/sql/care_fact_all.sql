-- Who is in every one of some facts and in none of others, since the last of those came to hold.
-- Parameters: $fact; $parts; $without.
INSERT INTO care_fact
SELECT $fact::INTEGER, held.patient_id, max(held.since)
FROM care_fact AS held
ANTI JOIN (SELECT patient_id FROM care_fact WHERE fact IN (SELECT unnest($without::INTEGER[]))) AS without_them
    ON without_them.patient_id = held.patient_id
WHERE held.fact IN (SELECT unnest($parts::INTEGER[]))
GROUP BY held.patient_id
HAVING count(*) = len($parts::INTEGER[]);
