-- Everybody with scores, probability, level, segments and reasons; of the dead nothing but that they are. Parameters:
-- $night, $model_version and $why_none (one of the two is null), $order (segments), $very_high, $high, $moderate (shares
-- of the ranked from the top down to the end of each level).
WITH
person AS (
    SELECT
        patient_id,
        NOT coalesce(death_date <= $night::DATE, false) AS is_alive,
        birth_date > $night::DATE AS is_unborn,
        CASE WHEN birth_date <= $night::DATE THEN date_sub('year', birth_date, $night::DATE) END AS age
    FROM patient
),
joined AS (
    SELECT
        person.patient_id, person.is_alive, person.is_unborn, person.age,
        risk_score.* EXCLUDE (patient_id),
        CASE WHEN is_alive THEN risk_probability.probability END AS probability,
        CASE WHEN is_alive THEN risk_probability.reasons END AS reasons,
        list_concat(
            coalesce(risk_segment.segments, []::VARCHAR[]),
            CASE
                WHEN electronic_frailty_category IN ('moderate', 'severe') THEN ['frailty']
                ELSE []::VARCHAR[]
            END,
            CASE WHEN long_term_conditions > 0 THEN ['long_term_conditions'] ELSE []::VARCHAR[] END
        ) AS segments
    FROM person
    LEFT JOIN risk_score USING (patient_id)
    LEFT JOIN risk_probability USING (patient_id)
    LEFT JOIN risk_segment USING (patient_id)
),
segmented AS (
    SELECT
        * EXCLUDE (segments),
        CASE
            WHEN NOT is_alive THEN NULL
            WHEN len(segments) > 0 THEN list_filter($order::VARCHAR[], lambda s: list_contains(segments, s))
            WHEN long_term_conditions = 0 THEN ['healthy']
        END AS person_segments
    FROM joined
),
ranked AS (
    SELECT
        *,
        CASE
            WHEN probability IS NOT NULL
                THEN row_number() OVER (PARTITION BY probability IS NULL ORDER BY probability DESC, patient_id)
        END AS risk_rank,
        count(probability) OVER () AS people_ranked
    FROM segmented
)
SELECT
    patient_id,
    $night::DATE AS night,
    CASE WHEN is_alive THEN age END AS age,
    is_alive,
    hospital_frailty_score, hospital_frailty_category, hospital_frailty_missing,
    charlson_original, charlson_updated, charlson_age_adjusted, charlson_missing,
    electronic_frailty_index, electronic_frailty_category, electronic_frailty_source, electronic_frailty_missing,
    cambridge_multimorbidity_score, cambridge_multimorbidity_missing,
    probability AS emergency_admission_probability,
    CASE
        WHEN NOT is_alive THEN 'died'
        WHEN $why_none::VARCHAR IS NOT NULL THEN $why_none::VARCHAR
        WHEN probability IS NOT NULL THEN NULL
        WHEN is_unborn THEN 'the date of birth lies after the night'
        ELSE 'no features could be made'
    END AS emergency_admission_missing,
    CASE WHEN probability IS NOT NULL THEN $model_version::VARCHAR END AS model_version,
    risk_rank,
    CASE
        WHEN risk_rank IS NULL THEN NULL
        WHEN risk_rank <= round(people_ranked * $very_high::DOUBLE) THEN 'very_high'
        WHEN risk_rank <= round(people_ranked * $high::DOUBLE) THEN 'high'
        WHEN risk_rank <= round(people_ranked * $moderate::DOUBLE) THEN 'moderate'
        ELSE 'low'
    END AS risk_level,
    person_segments[1] AS person_segment,
    person_segments,
    CASE WHEN is_alive THEN long_term_conditions END AS long_term_conditions,
    reasons,
    CASE WHEN is_alive THEN inputs_used END AS inputs_used
FROM ranked
ORDER BY patient_id
