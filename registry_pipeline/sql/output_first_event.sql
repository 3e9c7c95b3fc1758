-- The first day on which anything happened to a person, of what a purpose may see: what its relative dates count from.
-- Reads: kept_activity, kept_condition, kept_care_plan, kept_care_service, kept_carer, kept_observation.
WITH begun AS (
    SELECT patient_id, min(start_time)::DATE AS first_day FROM kept_activity GROUP BY patient_id
    UNION ALL
    SELECT patient_id, min(start_date) FROM kept_condition GROUP BY patient_id
    UNION ALL
    SELECT patient_id, min(start_date) FROM kept_care_plan GROUP BY patient_id
    UNION ALL
    SELECT patient_id, min(start_date) FROM kept_care_service GROUP BY patient_id
    UNION ALL
    SELECT patient_id, min(start_date) FROM kept_carer GROUP BY patient_id
    UNION ALL
    SELECT patient_id, min(start_date) FROM kept_observation GROUP BY patient_id
)
SELECT patient_id, min(first_day) AS first_day
FROM begun
GROUP BY patient_id
