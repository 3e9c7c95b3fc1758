-- What kinds of records are known of whom: a provider that delivers a kind at all, and has a record of the person, would
-- have delivered it of this person too. From risk_score_input; kinds are bits of a number, which are quicker to gather
-- over millions of records than lists of names.
CREATE OR REPLACE TEMP TABLE risk_score_known AS
WITH
delivers AS (
    SELECT
        provider,
        bit_or(bit) AS inputs,
        bool_or(kind = 'condition' AND setting = 'gp' AND is_listed) AS has_practice_conditions,
        bool_or(kind = 'medication' AND setting = 'gp') AS has_practice_medicines,
        bool_or(kind IN ('spell', 'condition') AND is_icd10) AS has_icd10,
        bool_or(kind = 'spell') AS has_spells
    FROM risk_score_input
    GROUP BY provider
)
SELECT
    patient_id,
    bit_or(inputs) AS inputs,
    bool_or(has_practice_conditions) AS has_practice_conditions,
    bool_or(has_practice_medicines) AS has_practice_medicines,
    bool_or(has_icd10) AS has_icd10,
    bool_or(has_spells) AS has_spells
FROM patient_record
JOIN delivers USING (provider)
GROUP BY patient_id
