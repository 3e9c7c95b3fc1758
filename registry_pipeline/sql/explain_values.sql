-- Where each surviving value of one patient_id came from, and by which rule.
WITH chosen AS (
    SELECT unnest(map_entries(field_sources)) AS entry FROM patient WHERE patient_id = $patient_id::UUID
)
SELECT entry.key, entry.value.record_id, entry.value.rule FROM chosen ORDER BY entry.key
