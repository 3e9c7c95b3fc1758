-- The registry's people and crosswalk as a purpose may see them, under the registry's own names. The values of a person
-- are the registry's own where the purpose may see every record; else those that the records it may see give.
-- Reads: published_patient, patient_again, seen_in_part (patient_id), kept_record.
CREATE TEMP VIEW patient_record AS FROM kept_record;

CREATE TEMP VIEW patient AS
SELECT * FROM published_patient SEMI JOIN kept_record USING (patient_id) ANTI JOIN seen_in_part USING (patient_id)
UNION ALL BY NAME
SELECT again.* REPLACE (again.is_sensitive OR published_patient.is_sensitive AS is_sensitive)
FROM patient_again AS again
JOIN published_patient USING (patient_id);
