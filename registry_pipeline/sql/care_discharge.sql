-- Discharges that steps follow, and what came after them. Parameter: $night.
--
-- Hours are counted where both sides have a time of day (midnight is none: most systems write it for a day alone), else
-- whole days. A stay in hospital that begins within the window, or went on past the discharge, closes it.
CREATE OR REPLACE TEMP TABLE care_discharge AS
WITH
reach AS (
    SELECT min($night::DATE - look_back)::DATE AS first_day FROM care_step WHERE timing = 'within'
),
stay AS MATERIALIZED (
    SELECT patient_id, event_key, setting, start_time, end_time, discharge_method
    FROM patient_activity
    WHERE activity_kind = 'spell'
        AND care_is_stay(patient_classification)
        AND coalesce(start_time::DATE <= $night::DATE, true)
        AND (end_time IS NULL OR end_time >= (SELECT first_day FROM reach))
),
discharge AS MATERIALIZED (
    SELECT
        care_step.step, stay.patient_id, stay.event_key, stay.end_time AS left_at,
        stay.end_time::TIME <> TIME '00:00:00' AS has_time,
        care_step.window_hours,
        -- The last day of the window, by whole days, and at the time of day where hours are counted.
        CASE
            WHEN care_step.window_hours IS NULL THEN (stay.end_time::DATE + care_step.span)::DATE
            ELSE stay.end_time::DATE + ceil(care_step.window_hours / 24)::INTEGER
        END AS last_day,
        stay.end_time + to_hours(care_step.window_hours) AS last_time,
        ($night::DATE - care_step.look_back)::DATE AS first_day
    FROM stay
    JOIN care_step ON care_step.timing = 'within' AND list_contains(care_step.discharge_of, stay.setting)
    JOIN care_fact ON care_fact.fact = care_step.fact AND care_fact.patient_id = stay.patient_id
    WHERE stay.end_time::DATE BETWEEN ($night::DATE - care_step.look_back)::DATE AND $night::DATE
        AND coalesce(stay.discharge_method <> '4', true)
),
contact AS (
    SELECT
        discharge.step, discharge.event_key, contact.start_time, contact.setting, contact.provider,
        CASE
            WHEN NOT discharge.has_time OR contact.start_time::TIME = TIME '00:00:00'
                THEN contact.start_time::DATE BETWEEN discharge.left_at::DATE AND discharge.last_day
            WHEN discharge.window_hours IS NULL
                THEN contact.start_time >= discharge.left_at AND contact.start_time::DATE <= discharge.last_day
            ELSE contact.start_time BETWEEN discharge.left_at AND discharge.last_time
        END AS is_in_time
    FROM patient_activity AS contact
    JOIN discharge ON discharge.patient_id = contact.patient_id
    JOIN care_count ON
        care_count.step = discharge.step
        AND care_is_named(care_count.settings, contact.setting)
        AND care_is_named(care_count.reasons, contact.reason)
        AND care_is_named(care_count.teams, contact.specialty)
        AND care_is_named(care_count.mechanisms, contact.consultation_mechanism)
        AND care_is_named(care_count.staff, contact.staff_group)
    WHERE contact.activity_kind = 'contact'
        AND care_is_attended(contact.attendance_status)
        AND contact.start_time >= (SELECT first_day FROM reach)
        AND contact.start_time::DATE <= $night::DATE
        -- After the discharge: on its day too, where one of the two has no time of day.
        AND (
            contact.start_time >= discharge.left_at
            OR (contact.start_time::DATE = discharge.left_at::DATE AND contact.start_time::TIME = TIME '00:00:00')
        )
),
contacted AS (
    SELECT
        step, event_key, bool_or(is_in_time) AS in_time,
        max({'day': start_time::DATE, 'setting': setting, 'provider': provider}) AS late
    FROM contact
    GROUP BY step, event_key
),
readmitted AS (
    SELECT DISTINCT discharge.step, discharge.event_key
    FROM discharge
    JOIN stay AS other ON other.patient_id = discharge.patient_id AND other.event_key <> discharge.event_key
    WHERE CASE
        WHEN other.start_time >= discharge.left_at
            OR (other.start_time::DATE = discharge.left_at::DATE AND other.start_time::TIME = TIME '00:00:00')
            THEN other.start_time::DATE <= discharge.last_day
        -- An old stay that was never closed is a fault of its record.
        ELSE other.end_time > discharge.left_at
            OR (other.end_time IS NULL AND other.start_time >= discharge.first_day)
    END
)
SELECT
    discharge.step, discharge.patient_id, discharge.event_key, discharge.left_at,
    CASE
        WHEN discharge.has_time AND discharge.window_hours IS NOT NULL THEN discharge.last_time::DATE
        ELSE discharge.last_day
    END + 1 AS due_since,
    coalesce(contacted.in_time, false) OR readmitted.event_key IS NOT NULL AS is_closed,
    coalesce(contacted.in_time, false) AS is_contacted,
    contacted.late
FROM discharge
LEFT JOIN contacted ON contacted.step = discharge.step AND contacted.event_key = discharge.event_key
LEFT JOIN readmitted ON readmitted.step = discharge.step AND readmitted.event_key = discharge.event_key
