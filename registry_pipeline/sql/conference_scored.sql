-- Every living person with what speaks for discussing them, in points. One point is one percentage point of probability
-- of an emergency admission in 12 months; see `care.conferences` for the rule and its reasons. Parameters: $night, the
-- rule's own figures, and what is known at all ($spells_known, $gaps_known).
WITH
stay AS (
    SELECT
        patient_id, start_time::DATE AS began, end_time::DATE AS ended, coalesce(is_emergency, false) AS is_emergency,
        coalesce(discharge_method, '') = '4' AS has_died,
        coalesce(patient_classification, '1') = '1' AND coalesce(end_time::DATE > $night::DATE, true) AS is_in
    FROM patient_activity
    WHERE
        activity_kind = 'spell'
        AND start_time < $night::DATE + INTERVAL 1 DAY
        AND (
            start_time >= $night::DATE - INTERVAL 12 MONTH + INTERVAL 1 DAY
            OR end_time >= $night::DATE - $discharge_days::INTEGER + 1
        )
),
hospital AS (
    SELECT
        patient_id,
        count(*) FILTER (is_emergency AND began > $night::DATE - INTERVAL 12 MONTH) AS emergency_12_months,
        count(*) FILTER (is_emergency AND began > $night::DATE - $recent_days::INTEGER) AS emergency_90_days,
        max(began) FILTER (is_emergency) AS last_emergency,
        max(ended) FILTER (
            ended > began AND ended <= $night::DATE AND ended > $night::DATE - $discharge_days::INTEGER AND NOT has_died
        ) AS discharged,
        max(began) FILTER (is_in) AS in_hospital_since
    FROM stay
    GROUP BY patient_id
),
due AS (
    SELECT
        patient_id, count(*) AS open_gaps, count(*) FILTER (coalesce(is_seamlessness_gap, false)) AS seamlessness_gaps
    FROM care_gap
    GROUP BY patient_id
),
discussed AS (
    SELECT patient_id, max(start_date) AS last_discussed
    FROM patient_observation
    JOIN code_meaning USING (coding_system, code)
    WHERE list = $conference_list AND start_date <= $night::DATE
    GROUP BY patient_id
),
known AS (
    SELECT
        patient.patient_id, gp_practice, patient.sex, date_sub('year', patient.birth_date, $night::DATE) AS age,
        team.neighbourhood, team_practice.record_id AS practice_record_id,
        risk.risk_level, risk.emergency_admission_probability AS probability,
        CASE
            WHEN risk.emergency_admission_probability IS NOT NULL THEN NULL
            WHEN
                risk.hospital_frailty_category = 'high' OR risk.electronic_frailty_category = 'severe'
                OR risk.charlson_updated >= $charlson_high::INTEGER THEN 'high'
            WHEN
                risk.hospital_frailty_category = 'intermediate' OR risk.electronic_frailty_category = 'moderate'
                OR risk.charlson_updated >= $charlson_moderate::INTEGER THEN 'moderate'
        END AS published_level,
        conference_phrase([
            CASE WHEN risk.electronic_frailty_category IN ('moderate', 'severe') THEN
                risk.electronic_frailty_category || ' frailty' END,
            CASE WHEN risk.hospital_frailty_category IN ('intermediate', 'high') THEN
                risk.hospital_frailty_category || ' frailty risk in hospital' END,
            CASE WHEN risk.charlson_updated >= $charlson_moderate::INTEGER THEN
                'comorbidity index of ' || risk.charlson_updated END
        ], ', ') AS published_scores,
        CASE
            WHEN
                before.night < $night::DATE AND before.night >= $night::DATE - $before_days::INTEGER
                AND before.model_version IS NOT DISTINCT FROM risk.model_version
                THEN before.emergency_admission_probability
        END AS probability_before,
        before.night AS night_before,
        if($spells_known, coalesce(emergency_12_months, 0), NULL) AS emergency_12_months,
        if($spells_known, coalesce(emergency_90_days, 0), NULL) AS emergency_90_days,
        last_emergency, discharged, in_hospital_since,
        if($gaps_known, coalesce(open_gaps, 0), NULL) AS open_gaps,
        coalesce(seamlessness_gaps, 0) AS seamlessness_gaps,
        last_discussed
    FROM patient
    LEFT JOIN conference_team AS team USING (gp_practice)
    LEFT JOIN team_practice ON team_practice.patient_id = patient.patient_id
    LEFT JOIN risk_stratification AS risk ON risk.patient_id = patient.patient_id
    LEFT JOIN risk_before AS before ON before.patient_id = patient.patient_id
    LEFT JOIN hospital ON hospital.patient_id = patient.patient_id
    LEFT JOIN due ON due.patient_id = patient.patient_id
    LEFT JOIN discussed ON discussed.patient_id = patient.patient_id
    WHERE patient.death_date IS NULL OR patient.death_date > $night::DATE
),
judged AS (
    SELECT
        *,
        probability - probability_before AS risk_change,
        coalesce(risk_level IN ('very_high', 'high'), false) OR published_level IS NOT NULL AS is_at_risk,
        coalesce(probability - probability_before >= $rise_worth_saying::DOUBLE, false) AS has_risen,
        coalesce(emergency_90_days, 0) > 0 OR discharged IS NOT NULL AS has_been_in_hospital,
        coalesce($night::DATE - last_discussed < $again_after_days::INTEGER, false) AS was_discussed,
        coalesce(last_emergency > last_discussed, false) AS has_new_reason
    FROM known
)
SELECT
    *,
    round(
        $points_of_probability::DOUBLE * CASE
            WHEN probability IS NOT NULL THEN probability
            WHEN published_level = 'high' THEN $published_high::DOUBLE
            WHEN published_level = 'moderate' THEN $published_moderate::DOUBLE
            ELSE 0
        END
        + $points_of_probability::DOUBLE * greatest(coalesce(risk_change, 0), 0)
        + $points_of_emergency::DOUBLE * least(coalesce(emergency_90_days, 0), $most_emergencies::INTEGER)
        + if(discharged IS NULL, 0, $points_of_discharge::DOUBLE)
        + least(
            $points_of_gap::DOUBLE * (coalesce(open_gaps, 0) - seamlessness_gaps)
            + $points_of_seamlessness_gap::DOUBLE * seamlessness_gaps,
            $most_gap_points::DOUBLE
        ),
        6
    ) AS points,
    is_at_risk OR has_risen OR has_been_in_hospital AS has_grave_reason,
    is_at_risk OR has_risen OR has_been_in_hospital OR coalesce(open_gaps, 0) > 0 AS has_reason
FROM judged
