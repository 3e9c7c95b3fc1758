-- Which kinds of records each provider delivers; `record` is that it knows anybody at all.
SELECT DISTINCT 'record' AS kind, setting, provider FROM patient_record
UNION ALL
SELECT DISTINCT 'condition', setting, provider FROM patient_condition
UNION ALL
SELECT DISTINCT 'observation', setting, provider FROM patient_observation
UNION ALL
SELECT DISTINCT 'care_plan', setting, provider FROM patient_care_plan
UNION ALL
SELECT DISTINCT 'carer', setting, provider FROM patient_carer
UNION ALL
SELECT DISTINCT 'service', setting, provider FROM patient_care_service
UNION ALL
SELECT DISTINCT activity_kind, setting, provider FROM patient_activity;
