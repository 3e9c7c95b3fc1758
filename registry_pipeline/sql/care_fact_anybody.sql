-- Everybody. Parameter: $fact.
INSERT INTO care_fact
SELECT $fact::INTEGER, patient_id, birth_date FROM care_person;
