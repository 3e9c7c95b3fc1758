-- People of an age in completed years, since the birthday on which they came to it.
-- Parameters: $fact, $night, $least and $most, either of which may be null.
INSERT INTO care_fact
SELECT $fact::INTEGER, patient_id, (birth_date + to_years(coalesce($least::INTEGER, 0)))::DATE
FROM care_person
WHERE (birth_date + to_years(coalesce($least::INTEGER, 0)))::DATE <= $night::DATE
    AND ($most::INTEGER IS NULL OR (birth_date + to_years($most::INTEGER + 1))::DATE > $night::DATE);
