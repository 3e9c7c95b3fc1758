-- The living, on the night. Parameter: $night.
CREATE OR REPLACE TEMP TABLE care_person AS
SELECT patient_id, birth_date
FROM patient
WHERE death_date IS NULL OR death_date > $night::DATE;
