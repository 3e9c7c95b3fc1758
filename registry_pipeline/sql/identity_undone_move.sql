-- From which ids the records of `identity_undone_member` moved, and on which nights.
SELECT record_id, night, from_patient_id::VARCHAR AS from_patient_id
FROM prior_moved
SEMI JOIN identity_undone_member USING (record_id)
WHERE from_patient_id IS NOT NULL
ORDER BY ALL
