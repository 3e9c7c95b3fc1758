-- Every organisation involved with a living person, and what it does. Over `team_person` (whom to tell of), and
-- `team_practice` (the practice's own record of each person). Parameter: $night.
--
-- A day d is within the last 12 months if it lies after the same day a year before and not after the night. What a
-- provider did in a day is told as one number, the day and then the kind, so that the last one needs no sorting.
WITH
acted AS (
    SELECT
        patient_id, provider, setting, activity_kind,
        start_time::DATE AS began,
        CASE WHEN activity_kind = 'spell' THEN least(coalesce(end_time::DATE, $night::DATE), $night::DATE)
            ELSE start_time::DATE END AS day,
        CASE
            WHEN activity_kind IN ('spell', 'attendance') THEN true
            WHEN activity_kind = 'contact' THEN coalesce(attendance_status IN ('5', '6'), true)
            ELSE false
        END AS is_seen
    FROM patient_activity
    WHERE
        patient_id IN (SELECT patient_id FROM team_person)
        AND team_is_of_last_year(activity_kind, start_time, end_time, $night::DATE)
),
served AS (
    SELECT
        patient_id, provider, setting,
        coalesce(start_date, $night::DATE) AS began,
        least(coalesce(end_date, $night::DATE), $night::DATE) AS day
    FROM patient_care_service
    WHERE
        patient_id IN (SELECT patient_id FROM team_person)
        AND coalesce(start_date, $night::DATE) <= $night::DATE
        AND (end_date IS NULL OR end_date > $night::DATE - INTERVAL 12 MONTH)
),
observed AS (
    SELECT patient_id, provider, setting, max(start_date) AS day
    FROM patient_observation
    WHERE
        patient_id IN (SELECT patient_id FROM team_person)
        AND start_date <= $night::DATE AND start_date > $night::DATE - INTERVAL 12 MONTH
    GROUP BY patient_id, provider, setting
),
did AS (
    SELECT
        patient_id, provider, any_value(setting) AS setting,
        max((day - DATE '1970-01-01') * 8 + CASE activity_kind WHEN 'spell' THEN 3 WHEN 'attendance' THEN 2 ELSE 1 END)
            FILTER (is_seen) AS last_seen,
        max(day) FILTER (day <= $night::DATE) AS last_activity,
        count(*) FILTER (is_seen AND began > $night::DATE - INTERVAL 12 MONTH) AS contacts,
        count(*) AS happenings
    FROM acted
    GROUP BY patient_id, provider
    UNION ALL
    SELECT
        patient_id, provider, any_value(setting), max((day - DATE '1970-01-01') * 8), max(day),
        count(*) FILTER (began > $night::DATE - INTERVAL 12 MONTH), count(*)
    FROM served
    GROUP BY patient_id, provider
    UNION ALL
    SELECT patient_id, provider, setting, NULL, day, 0, 1 FROM observed
),
plan_in_force AS (
    SELECT
        patient_id, provider, setting, plan_type, start_date, updated_date, review_date < $night::DATE AS review_is_late,
        provider || ':' || coordinator_id AS coordinator_key,
        $night::DATE - coalesce(updated_date, start_date) AS age_days,
        row_number() OVER (
            PARTITION BY patient_id, provider
            ORDER BY coalesce(updated_date, start_date) DESC NULLS LAST, start_date DESC NULLS LAST, event_key
        ) AS place
    FROM (
        SELECT * REPLACE (CASE WHEN updated_date <= $night::DATE THEN updated_date END AS updated_date)
        FROM patient_care_plan
    )
    WHERE
        patient_id IN (SELECT patient_id FROM team_person)
        AND coalesce(start_date, $night::DATE) <= $night::DATE AND (end_date IS NULL OR end_date > $night::DATE)
),
-- Of an organisation's coordinators the one whom the newest of its plans names that names any.
coordinator AS (
    SELECT patient_id, provider, arg_min(coordinator_key, place) AS coordinator_key
    FROM plan_in_force
    WHERE coordinator_key IS NOT NULL
    GROUP BY patient_id, provider
),
plan AS (
    SELECT plan_in_force.* EXCLUDE (coordinator_key, place), coordinator.coordinator_key
    FROM plan_in_force
    LEFT JOIN coordinator USING (patient_id, provider)
    WHERE place = 1
),
known_record AS (
    SELECT record_id FROM patient_record
    WHERE record_id IN (SELECT provider || ':' || carer_local_id FROM patient_carer)
),
carer AS (
    SELECT
        patient_carer.patient_id, provider, setting, relationship, known_record.record_id AS carer_record_id,
        CASE WHEN assessment_date <= $night::DATE THEN assessment_date END AS assessed
    FROM patient_carer
    LEFT JOIN known_record ON known_record.record_id = provider || ':' || carer_local_id
    WHERE
        patient_carer.patient_id IN (SELECT patient_id FROM team_person)
        AND coalesce(start_date, $night::DATE) <= $night::DATE AND (end_date IS NULL OR end_date > $night::DATE)
    QUALIFY row_number() OVER (
        PARTITION BY patient_carer.patient_id, provider ORDER BY start_date DESC NULLS LAST, event_key
    ) = 1
),
involved AS (
    SELECT patient_id, provider, setting FROM did
    UNION ALL SELECT patient_id, provider, setting FROM plan
    UNION ALL SELECT patient_id, provider, setting FROM carer
    UNION ALL SELECT patient_id, provider, setting FROM team_practice
),
organisation AS (
    SELECT patient_id, provider, any_value(setting) AS setting
    FROM involved
    WHERE patient_id IN (SELECT patient_id FROM team_person)
    GROUP BY patient_id, provider
),
done AS (
    SELECT
        patient_id, provider, max(last_seen) AS last_seen, max(last_activity) AS last_activity,
        sum(contacts)::INTEGER AS contacts, sum(happenings) AS happenings
    FROM did
    GROUP BY patient_id, provider
),
plans AS (
    SELECT patient_id, count(DISTINCT provider) AS in_force, count(DISTINCT coordinator_key) AS coordinators
    FROM plan_in_force
    GROUP BY patient_id
),
told AS (
    SELECT
        patient_id, organisation.provider, organisation.setting,
        list_filter([
            CASE WHEN team_practice.provider = organisation.provider THEN 'registered_practice' END,
            CASE WHEN done.happenings > 0 THEN CASE organisation.setting
                WHEN 'gp' THEN 'practice_care' WHEN 'acute' THEN 'hospital_care' WHEN 'community' THEN 'community_care'
                WHEN 'mental_health' THEN 'mental_health_care' WHEN 'social_care' THEN 'social_care'
            END END,
            CASE WHEN plan.patient_id IS NOT NULL THEN 'holds_care_plan' END,
            CASE WHEN plan.coordinator_key IS NOT NULL THEN 'coordinates_care' END,
            CASE WHEN carer.patient_id IS NOT NULL THEN 'knows_carer' END
        ], lambda role: role IS NOT NULL) AS roles,
        DATE '1970-01-01' + (done.last_seen // 8)::INTEGER AS last_contact,
        CASE done.last_seen % 8
            WHEN 3 THEN 'spell' WHEN 2 THEN 'attendance' WHEN 1 THEN 'contact' WHEN 0 THEN 'service'
        END AS last_contact_kind,
        done.last_activity,
        coalesce(done.contacts, 0) AS contacts_12_months,
        plan.plan_type AS care_plan_type,
        plan.start_date AS care_plan_start,
        plan.updated_date AS care_plan_updated,
        plan.age_days AS care_plan_age_days,
        plan.review_is_late AS care_plan_review_is_late,
        plan.coordinator_key,
        carer.relationship AS carer_relationship,
        carer.carer_record_id,
        carer.assessed AS carer_assessed,
        coalesce(plans.in_force, 0) AS care_plans_in_force,
        coalesce(plans.coordinators, 0) AS coordinators
    FROM organisation
    LEFT JOIN done USING (patient_id, provider)
    LEFT JOIN plan USING (patient_id, provider)
    LEFT JOIN carer USING (patient_id, provider)
    LEFT JOIN team_practice USING (patient_id)
    LEFT JOIN plans USING (patient_id)
)
SELECT
    *,
    $night::DATE AS night,
    list_filter([
        CASE WHEN care_plans_in_force > 1 THEN 'several_care_plans' END,
        CASE WHEN coordinators > 1 THEN 'several_coordinators' END
    ], lambda conflict: conflict IS NOT NULL) AS conflicts
FROM told
