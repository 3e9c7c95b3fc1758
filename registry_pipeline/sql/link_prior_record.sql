-- prior_record: whom each record belonged to the night before. Where a must-link that held then is no longer in force, its
-- records count as of whom they came from: staying joined on less evidence must not outlast what a person took back.
-- Reads: prior_patient_record, prior_override_pair, prior_moved_record (the night before), override_pair (tonight).
CREATE OR REPLACE TEMP TABLE prior_record AS
WITH ended AS (
    SELECT record_id_l, record_id_r
    FROM prior_override_pair
    ANTI JOIN override_pair USING (override_id)
    WHERE kind = 'must_link'
),
released AS (
    SELECT DISTINCT patient_id FROM prior_patient_record
    SEMI JOIN (SELECT record_id_l AS record_id FROM ended UNION SELECT record_id_r FROM ended) AS ends USING (record_id)
),
came AS (
    SELECT record_id, to_patient_id AS patient_id, arg_max(from_patient_id, night) AS came_from
    FROM prior_moved_record
    SEMI JOIN released ON released.patient_id = to_patient_id
    WHERE from_patient_id IS NOT NULL
    GROUP BY ALL
)
SELECT record_id, coalesce(came_from, patient_id) AS patient_id
FROM prior_patient_record
LEFT JOIN came USING (record_id, patient_id);
