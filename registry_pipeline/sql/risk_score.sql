-- The published scores of everybody, one row per patient: null with a reason in words where an input is missing, zero only
-- where whoever would know of something knows of nothing.
CREATE OR REPLACE TEMP TABLE risk_score AS
WITH
of_kind AS (
    SELECT
        coalesce(bit_or(bit) FILTER (kind IN ('spell', 'condition')), 0) AS codes,
        coalesce(bit_or(bit) FILTER (kind = 'medication'), 0) AS medicines,
        coalesce(bit_or(bit) FILTER (kind = 'observation'), 0) AS observations
    FROM risk_score_input
),
judged AS (
    SELECT
        person.patient_id,
        person.age,
        coalesce(known.inputs, 0) AS inputs,
        CASE
            WHEN has_died THEN 'died'
            WHEN age IS NULL THEN 'age not known'
            WHEN age < 75 THEN 'under 75'
            WHEN NOT coalesce(has_spells, false) THEN 'no provider that delivers hospital stays with ICD-10 diagnoses knows the person'
            WHEN hospital.score IS NULL THEN 'no emergency admission within 2 years'
        END AS hospital_frailty_missing,
        CASE
            WHEN has_died THEN 'died'
            WHEN NOT coalesce(has_icd10, false)
                THEN 'no provider that delivers ICD-10 diagnoses or conditions knows the person'
        END AS charlson_missing,
        CASE
            WHEN has_died THEN 'died'
            WHEN age IS NULL THEN 'age not known'
            WHEN age < 65 THEN 'under 65'
            WHEN frailty.index IS NOT NULL THEN NULL
            WHEN NOT coalesce(has_practice_conditions, false)
                THEN 'no value within 12 months, and no practice that delivers conditions in a coding system of the list'
                    || ' knows the person'
            WHEN NOT coalesce(has_practice_medicines, false)
                THEN 'no value within 12 months, and no practice that delivers repeat medicines knows the person'
        END AS electronic_frailty_missing,
        CASE
            WHEN has_died THEN 'died'
            WHEN NOT coalesce(has_practice_conditions, false)
                THEN 'no practice that delivers conditions in a coding system of the list knows the person'
        END AS cambridge_multimorbidity_missing,
        hospital.score AS hospital_score,
        coalesce(charlson.original, 0) AS original,
        coalesce(charlson.updated, 0) AS updated,
        frailty.index AS supplied_index,
        coalesce(frailty.deficits, 0) AS deficits,
        coalesce(cambridge.score, 0) AS cambridge_score,
        coalesce(cambridge.conditions, 0) AS conditions
    FROM risk_score_person AS person
    LEFT JOIN risk_score_known AS known USING (patient_id)
    LEFT JOIN risk_score_hospital_frailty AS hospital USING (patient_id)
    LEFT JOIN risk_score_charlson AS charlson USING (patient_id)
    LEFT JOIN risk_score_electronic_frailty AS frailty USING (patient_id)
    LEFT JOIN risk_score_cambridge AS cambridge USING (patient_id)
),
scored AS (
    SELECT
        * EXCLUDE (hospital_score, original, updated, supplied_index, deficits, cambridge_score, conditions),
        CASE WHEN hospital_frailty_missing IS NULL THEN hospital_score END AS hospital_frailty_score,
        CASE WHEN charlson_missing IS NULL THEN original END AS charlson_original,
        CASE WHEN charlson_missing IS NULL THEN updated END AS charlson_updated,
        -- greatest and least pass over nulls, so an unknown age has to be left out by itself.
        CASE WHEN charlson_missing IS NULL AND age IS NOT NULL THEN original + greatest(0, least(4, (age - 40) // 10)) END
            AS charlson_age_adjusted,
        CASE WHEN electronic_frailty_missing IS NULL THEN coalesce(supplied_index, deficits / 36) END
            AS electronic_frailty_index,
        CASE
            WHEN electronic_frailty_missing IS NOT NULL THEN NULL
            WHEN supplied_index IS NOT NULL THEN 'gp_system'
            ELSE 'counted'
        END AS electronic_frailty_source,
        CASE WHEN cambridge_multimorbidity_missing IS NULL THEN cambridge_score END AS cambridge_multimorbidity_score,
        CASE WHEN cambridge_multimorbidity_missing IS NULL THEN conditions END AS long_term_conditions
    FROM judged
),
rested AS (
    -- The electronic frailty index rests on conditions and medicines only where the Cambridge score does too.
    SELECT
        scored.* EXCLUDE (inputs),
        inputs & (
            CASE WHEN charlson_missing IS NULL OR cambridge_multimorbidity_missing IS NULL THEN codes ELSE 0 END
            | CASE WHEN cambridge_multimorbidity_missing IS NULL THEN medicines ELSE 0 END
            | CASE WHEN electronic_frailty_missing IS NULL THEN observations ELSE 0 END
        ) AS inputs
    FROM scored, of_kind
),
named AS (
    SELECT inputs, list_sort(list(DISTINCT setting || ':' || kind) FILTER (inputs & bit <> 0)) AS inputs_used
    FROM (SELECT DISTINCT inputs FROM rested) LEFT JOIN risk_score_input ON inputs & bit <> 0
    GROUP BY inputs
)
SELECT
    patient_id,
    hospital_frailty_score,
    hospital_frailty_category_of(hospital_frailty_score) AS hospital_frailty_category,
    hospital_frailty_missing,
    charlson_original,
    charlson_updated,
    charlson_age_adjusted::INTEGER AS charlson_age_adjusted,
    charlson_missing,
    electronic_frailty_index,
    frailty_category_of(electronic_frailty_index) AS electronic_frailty_category,
    electronic_frailty_source,
    electronic_frailty_missing,
    cambridge_multimorbidity_score,
    cambridge_multimorbidity_missing,
    long_term_conditions,
    coalesce(inputs_used, []) AS inputs_used
FROM rested
JOIN named USING (inputs)
