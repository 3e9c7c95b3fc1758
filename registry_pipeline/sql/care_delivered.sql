-- Which kinds of records anybody delivers, by setting.
SELECT DISTINCT 'condition' AS kind, setting FROM patient_condition
UNION ALL
SELECT DISTINCT 'observation', setting FROM patient_observation
UNION ALL
SELECT DISTINCT 'care_plan', setting FROM patient_care_plan
UNION ALL
SELECT DISTINCT 'carer', setting FROM patient_carer
UNION ALL
SELECT DISTINCT 'service', setting FROM patient_care_service
UNION ALL
SELECT DISTINCT activity_kind, setting FROM patient_activity;
