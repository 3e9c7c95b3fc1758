-- People with a condition of some code lists in force, by any record of it, since the earliest of those in force.
-- Parameters: $night; $list and $fact, the lists and the number of each.
INSERT INTO care_fact
WITH
wanted AS (
    SELECT unnest($list::VARCHAR[]) AS list, unnest($fact::INTEGER[]) AS fact
),
meaning AS (
    SELECT DISTINCT wanted.fact, code_meaning.coding_system, code_meaning.code
    FROM wanted
    JOIN code_meaning USING (list)
)
SELECT meaning.fact, condition.patient_id, min(condition.start_date)
FROM patient_condition AS condition
JOIN meaning ON meaning.coding_system = condition.coding_system AND meaning.code = condition.code
SEMI JOIN care_person ON care_person.patient_id = condition.patient_id
WHERE care_is_in_force(condition.start_date, condition.end_date, $night::DATE)
GROUP BY meaning.fact, condition.patient_id;
