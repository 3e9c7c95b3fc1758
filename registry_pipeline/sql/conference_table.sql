-- The list: who is discussed, why, and what every setting did and knows. Over `conference_listed`, and `conference_involved`
-- (their rows of patient_care_team). Words of code lists and of national lists only: what a provider wrote as text may
-- hold anything.
-- Parameters: $night, $reasons_shown.
WITH
setting_word(setting, word, place) AS (
    VALUES ('gp', 'General practice', 1), ('acute', 'Hospital', 2), ('mental_health', 'Mental health', 3),
        ('community', 'Community', 4), ('social_care', 'Social care', 5)
),
-- Client Level Data's service types.
service_word(service_type, word) AS (
    VALUES ('Long Term Support: Nursing Care', 'a nursing home place'),
        ('Long Term Support: Residential Care', 'a residential care home place'),
        ('Long Term Support: Community', 'long-term support at home'),
        ('Long Term Support: Prison', 'long-term support in prison'),
        ('Short Term Support: ST-Max', 'short-term support to maximise independence'),
        ('Short Term Support: Ongoing Low Level', 'ongoing low-level support'),
        ('Short Term Support: Other Short Term', 'other short-term support'),
        ('Carer Support: Direct to Carer', 'support to the carer'),
        ('Carer Support: Support involving the person cared-for', 'respite for the carer'),
        ('End of Life', 'end of life support')
),
relationship_word(relationship) AS (
    SELECT unnest(['spouse', 'husband', 'wife', 'partner', 'civil partner', 'child', 'son', 'daughter', 'parent', 'mother',
        'father', 'sibling', 'brother', 'sister', 'grandchild', 'grandparent', 'friend', 'neighbour', 'other relative'])
),
activity AS (
    SELECT
        patient_id, setting, activity_kind, start_time::DATE AS began, end_time::DATE AS ended,
        coalesce(is_emergency, false) AS is_emergency, attendance_status, patient_classification, code, is_repeat
    FROM patient_activity
    WHERE
        patient_id IN (SELECT patient_id FROM conference_listed)
        AND team_is_of_last_year(activity_kind, start_time, end_time, $night::DATE)
),
acted AS (
    SELECT
        patient_id, setting,
        count(*) FILTER (activity_kind = 'spell' AND is_emergency AND began > $night::DATE - INTERVAL 12 MONTH)
            AS emergencies,
        count(*) FILTER (activity_kind = 'spell' AND NOT is_emergency AND began > $night::DATE - INTERVAL 12 MONTH)
            AS planned_stays,
        sum(
            greatest(
                least(coalesce(ended, $night::DATE), $night::DATE)
                - greatest(began, ($night::DATE - INTERVAL 12 MONTH)::DATE),
                0
            )
        ) FILTER (activity_kind = 'spell') AS nights,
        max(began) FILTER (activity_kind = 'spell' AND is_emergency) AS last_emergency,
        max(ended) FILTER (activity_kind = 'spell' AND ended > began AND ended <= $night::DATE) AS last_home,
        max(began) FILTER (
            activity_kind = 'spell' AND coalesce(patient_classification, '1') = '1'
            AND (ended IS NULL OR ended > $night::DATE)
        ) AS in_hospital_since,
        count(*) FILTER (activity_kind = 'attendance') AS attendances,
        count(*) FILTER (activity_kind = 'contact' AND coalesce(attendance_status IN ('5', '6'), true)) AS contacts,
        max(began) FILTER (activity_kind = 'contact' AND coalesce(attendance_status IN ('5', '6'), true)) AS last_contact,
        count(*) FILTER (activity_kind = 'contact' AND attendance_status IN ('3', '7')) AS missed,
        count(*) FILTER (
            activity_kind = 'referral' AND (ended IS NULL OR ended > $night::DATE)
        ) AS open_referrals,
        count(DISTINCT code) FILTER (
            activity_kind = 'medication' AND is_repeat AND (ended IS NULL OR ended > $night::DATE)
        ) AS repeat_medicines
    FROM activity
    GROUP BY patient_id, setting
),
diagnosed AS (
    SELECT patient_id, setting, coding_system, code
    FROM patient_condition
    WHERE
        patient_id IN (SELECT patient_id FROM conference_listed)
        AND coalesce(start_date, $night::DATE) <= $night::DATE AND (end_date IS NULL OR end_date > $night::DATE)
    UNION
    SELECT patient_id, setting, code_system_of_form(code), code
    FROM (
        SELECT patient_id, setting, unnest(diagnoses) AS code
        FROM patient_activity
        WHERE
            patient_id IN (SELECT patient_id FROM conference_listed) AND len(diagnoses) > 0
            AND start_time < $night::DATE + INTERVAL 1 DAY
    )
),
knows AS (
    SELECT
        patient_id, setting,
        list(word ORDER BY place) FILTER (word <> 'frailty' OR NOT has_severe_frailty) AS conditions
    FROM (
        SELECT *, bool_or(word = 'severe frailty') OVER (PARTITION BY patient_id, setting) AS has_severe_frailty
        FROM (
            SELECT patient_id, setting, word, min(place) AS place
            FROM diagnosed
            JOIN code_meaning USING (coding_system, code)
            JOIN conference_condition AS named ON
                named.list = code_meaning.list AND coalesce(named.item = code_meaning.item, named.item IS NULL)
            GROUP BY patient_id, setting, word
        )
    )
    GROUP BY patient_id, setting
),
served AS (
    SELECT patient_id, setting, list(DISTINCT word ORDER BY word) AS services
    FROM (
        SELECT patient_id, setting, coalesce(word, 'another service') AS word
        FROM patient_care_service
        LEFT JOIN service_word USING (service_type)
        WHERE
            patient_id IN (SELECT patient_id FROM conference_listed)
            AND coalesce(start_date, $night::DATE) <= $night::DATE AND (end_date IS NULL OR end_date > $night::DATE)
    )
    GROUP BY patient_id, setting
),
organised AS (
    SELECT
        patient_id, setting,
        string_agg(provider, ', ' ORDER BY provider) AS providers,
        max(last_contact) AS last_contact,
        bool_or(list_contains(roles, 'knows_carer')) AS knows_carer,
        arg_max(relationship_word.relationship, {'a': carer_assessed, 'p': provider})
            FILTER (list_contains(roles, 'knows_carer')) AS relationship,
        max(carer_assessed) AS carer_assessed
    FROM conference_involved
    LEFT JOIN relationship_word ON relationship_word.relationship = lower(carer_relationship)
    GROUP BY patient_id, setting
),
phrased AS (
    SELECT
        patient_id, setting, word || ' (' || providers || ')' AS who, place,
        organised.last_contact IS NOT NULL AS has_seen,
        conference_phrase([
            'in hospital since ' || conference_day(in_hospital_since),
            conference_count(emergencies, 'emergency admission', 'emergency admissions')
                || ', the last on ' || conference_day(last_emergency),
            conference_count(planned_stays, 'other stay', 'other stays'),
            conference_count(nights, 'night', 'nights') || ' in all'
                || coalesce(', discharged on ' || conference_day(if(in_hospital_since IS NULL, last_home, NULL)), ''),
            conference_count(attendances, 'emergency attendance', 'emergency attendances'),
            conference_count(contacts, 'contact', 'contacts') || ', the last on ' || conference_day(acted.last_contact),
            conference_count(missed, 'missed', 'missed'),
            conference_count(open_referrals, 'open referral', 'open referrals'),
            conference_count(repeat_medicines, 'repeat medicine', 'repeat medicines'),
            'gives ' || array_to_string(services, ', '),
            CASE WHEN knows_carer THEN
                'knows an unpaid carer' || coalesce(' (' || relationship || ')', '')
                || coalesce(', assessed on ' || conference_day(carer_assessed), ', no assessment recorded there')
            END
        ], '; ') AS did,
        array_to_string(conditions, ', ') AS conditions
    FROM organised
    JOIN setting_word USING (setting)
    LEFT JOIN acted USING (patient_id, setting)
    LEFT JOIN knows USING (patient_id, setting)
    LEFT JOIN served USING (patient_id, setting)
),
told AS (
    SELECT
        patient_id,
        list(setting ORDER BY place) FILTER (has_seen) AS settings,
        list(
            who || ': ' || conference_sentence(coalesce(did, 'nothing in 12 months')) || coalesce(' Knows ' || conditions || '.', '')
            ORDER BY place
        ) AS lines
    FROM phrased
    GROUP BY patient_id
),
due AS (
    SELECT
        patient_id,
        list(
            title || coalesce(' (due for ' || conference_while(days) || ')', '')
            ORDER BY is_lost DESC, days DESC NULLS LAST, title
        ) AS gaps
    FROM (
        -- A step that several protocols ask for is one thing to do.
        SELECT
            patient_id, title, max(days_overdue) AS days, bool_or(coalesce(is_seamlessness_gap, false)) AS is_lost
        FROM care_gap
        WHERE patient_id IN (SELECT patient_id FROM conference_listed)
        GROUP BY patient_id, title
    )
    GROUP BY patient_id
),
raised AS (
    SELECT patient_id, reasons[:$reasons_shown::INTEGER] AS reasons
    FROM risk_stratification
    WHERE patient_id IN (SELECT patient_id FROM conference_listed)
),
planned AS (
    SELECT
        patient_id,
        any_value(care_plans_in_force) AS plans,
        any_value(coordinators) AS coordinators,
        min(care_plan_age_days) AS age_days,
        string_agg(provider, ', ' ORDER BY provider) FILTER (list_contains(roles, 'holds_care_plan')) AS holders,
        string_agg(if(is_id, coordinator_key, provider || ' (id not shown)'), ', ' ORDER BY coordinator_key)
            FILTER (coordinator_key IS NOT NULL) AS coordinator_keys,
        any_value(coordinator_key) FILTER (is_id) AS coordinator_key,
        count(coordinator_key) AS organisations_coordinating,
        count(*) FILTER (care_plan_review_is_late) AS late_reviews
    FROM (
        SELECT
            conference_involved.*, conference_is_id(substr(coordinator_key, len(provider) + 2), patient.nhs_number) AS is_id
        FROM conference_involved
        LEFT JOIN patient USING (patient_id)
    )
    GROUP BY patient_id
)
SELECT
    listed.patient_id, $night::DATE AS night, listed.neighbourhood, listed.gp_practice, listed.practice_record_id,
    listed.rank, listed.meeting, listed.points, listed.age, listed.sex, listed.risk_level,
    listed.probability AS emergency_admission_probability, listed.probability_before, listed.risk_change,
    listed.emergency_90_days AS emergency_admissions_90_days, listed.emergency_12_months AS emergency_admissions_12_months,
    listed.open_gaps, listed.last_discussed,
    list_filter([
        CASE
            WHEN (is_at_risk OR has_risen) AND probability IS NOT NULL
                THEN 'Risk of an emergency admission in 12 months ' || conference_share(probability)
                    || coalesce(' (' || replace(risk_level, '_', ' ') || ')', '')
                    || if(
                        has_risen,
                        ', up from ' || conference_share(probability_before) || ' on ' || conference_day(night_before), ''
                    )
            WHEN is_at_risk AND published_level IS NOT NULL THEN 'Published scores: ' || published_scores
            WHEN is_at_risk THEN 'Risk level: ' || replace(risk_level, '_', ' ')
        END,
        conference_count(emergency_90_days, 'emergency admission in the last 90 days', 'emergency admissions in the last 90 days'),
        'Discharged from hospital on ' || conference_day(discharged)
            || if(in_hospital_since >= discharged, ', in again since ' || conference_day(in_hospital_since), ''),
        CASE WHEN was_discussed AND has_new_reason THEN
            'Emergency admission on ' || conference_day(last_emergency) || ', after the last discussion'
        END,
        conference_count(seamlessness_gaps, 'gap between settings', 'gaps between settings'),
        conference_count(open_gaps - seamlessness_gaps, 'step of care is due', 'steps of care are due')
    ], lambda reason: reason IS NOT NULL) AS why,
    CASE WHEN listed.open_gaps IS NOT NULL THEN coalesce(due.gaps, []) END AS gaps,
    coalesce(told.settings, []) AS settings,
    list_append(
        if(
            len(raised.reasons) > 0,
            ['Risk is raised by: ' || conference_sentence(array_to_string(raised.reasons, '; '))], []
        ) || coalesce(told.lines, []),
        'Care plan: ' || CASE
            WHEN coalesce(plans, 0) = 0 THEN 'None in force.'
            ELSE if(plans = 1, 'One in force (', plans || ' in force, made apart (') || holders || ')'
                || coalesce(CASE
                    WHEN age_days = 0 THEN ', updated today'
                    ELSE ', last updated ' || conference_while(age_days) || ' ago'
                END, '')
                || if(late_reviews > 0, ', review is late', '') || '; '
                || CASE coordinators
                    WHEN 0 THEN 'no coordinator is named.'
                    WHEN 1 THEN 'coordinator ' || coordinator_keys || '.'
                    ELSE coordinators || ' coordinators are named: ' || coordinator_keys
                        || if(coordinators > organisations_coordinating, ', and another of the same', '') || '.'
                END
        END
    ) AS summary,
    planned.age_days AS care_plan_age_days,
    CASE WHEN coordinators = 1 THEN planned.coordinator_key END AS coordinator_key
FROM conference_listed AS listed
LEFT JOIN told ON told.patient_id = listed.patient_id
LEFT JOIN due ON due.patient_id = listed.patient_id
LEFT JOIN raised ON raised.patient_id = listed.patient_id
LEFT JOIN planned ON planned.patient_id = listed.patient_id
