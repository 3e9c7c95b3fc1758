-- Which kinds of records each provider delivers, and the night of the last extract that brought any; `record` is that it
-- knows anybody at all.
SELECT 'record' AS kind, setting, provider, max(night) AS night FROM patient_record GROUP BY ALL
UNION ALL
SELECT 'condition', setting, provider, max(night) FROM patient_condition GROUP BY ALL
UNION ALL
SELECT 'observation', setting, provider, max(night) FROM patient_observation GROUP BY ALL
UNION ALL
SELECT 'care_plan', setting, provider, max(night) FROM patient_care_plan GROUP BY ALL
UNION ALL
SELECT 'carer', setting, provider, max(night) FROM patient_carer GROUP BY ALL
UNION ALL
SELECT 'service', setting, provider, max(night) FROM patient_care_service GROUP BY ALL
UNION ALL
SELECT activity_kind, setting, provider, max(night) FROM patient_activity GROUP BY ALL;
