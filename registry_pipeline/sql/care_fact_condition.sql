-- People with a condition of some code lists in force, by any record of it, since the earliest of those in force. What a
-- system enters among its observations (a degree of frailty, palliative care) has no end. Parameters: $night; $list and
-- $fact, the lists and the number of each.
INSERT INTO care_fact
WITH
wanted AS (
    SELECT unnest($list::VARCHAR[]) AS list, unnest($fact::INTEGER[]) AS fact
),
meaning AS (
    SELECT DISTINCT wanted.fact, code_meaning.coding_system, code_meaning.code
    FROM wanted
    JOIN code_meaning USING (list)
),
entered AS (
    SELECT meaning.fact, condition.patient_id, condition.start_date
    FROM patient_condition AS condition
    JOIN meaning ON meaning.coding_system = condition.coding_system AND meaning.code = condition.code
    WHERE care_is_in_force(condition.start_date, condition.end_date, $night::DATE)
    UNION ALL
    SELECT meaning.fact, observation.patient_id, observation.start_date
    FROM patient_observation AS observation
    JOIN meaning ON meaning.coding_system = observation.coding_system AND meaning.code = observation.code
    WHERE coalesce(observation.start_date <= $night::DATE, true)
)
SELECT entered.fact, entered.patient_id, min(entered.start_date)
FROM entered
SEMI JOIN care_person ON care_person.patient_id = entered.patient_id
GROUP BY entered.fact, entered.patient_id;
