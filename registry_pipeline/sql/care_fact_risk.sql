-- People of some levels of risk or categories of frailty; since when is not known.
-- Parameters: $fact; $levels and $categories, one of them empty.
INSERT INTO care_fact
SELECT $fact::INTEGER, risk.patient_id, NULL
FROM risk_stratification AS risk
SEMI JOIN care_person ON care_person.patient_id = risk.patient_id
WHERE list_contains($levels::VARCHAR[], risk.risk_level)
    OR list_contains($categories::VARCHAR[], risk.electronic_frailty_category);
