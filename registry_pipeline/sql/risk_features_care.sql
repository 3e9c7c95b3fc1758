-- Social care, care plans and unpaid carers that stood at the end of the index day: begun by then and not ended by then,
-- whatever was changed of them later. Parameters: $index.
WITH
service AS (
    SELECT patient_id, service_type, service_component
    FROM risk_source_service
    WHERE start_date <= $index::DATE AND coalesce(end_date > $index::DATE, true)
),
carer AS (
    SELECT patient_id, provider, carer_local_id
    FROM risk_source_carer
    WHERE start_date <= $index::DATE AND coalesce(end_date > $index::DATE, true)
),
fact AS (
    SELECT
        patient_id, 'service' AS fact,
        regexp_matches(concat_ws(' ', service_type, service_component), '(?i)residential|nursing') AS is_residential
    FROM service
    UNION ALL
    SELECT patient_id, 'plan', NULL
    FROM risk_source_plan
    WHERE start_date <= $index::DATE AND coalesce(end_date > $index::DATE, true)
    UNION ALL
    SELECT patient_id, 'has_carer', NULL FROM carer
    UNION ALL
    SELECT record.patient_id, 'is_carer', NULL
    FROM carer
    JOIN risk_source_record AS record ON record.record_id = concat(carer.provider, ':', carer.carer_local_id)
    WHERE carer.carer_local_id IS NOT NULL
)
SELECT
    patient_id,
    count(*) FILTER (fact = 'service' AND NOT is_residential) AS home_care_services,
    coalesce(bool_or(is_residential), false) AS residential_care,
    bool_or(fact = 'plan') AS care_plan,
    bool_or(fact = 'has_carer') AS has_carer,
    bool_or(fact = 'is_carer') AS is_carer
FROM fact
GROUP BY patient_id
