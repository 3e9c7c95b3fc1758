-- Where each person stands in each step that comes again or must hold: since when it is due, whether or not that day
-- has come. A step is due on the day after what was done is no longer enough, but not before it was due for the first
-- time; where nobody says since when somebody is in and it was never done, on the night. What was never seen may have
-- been done before the data begin, so it is due no earlier than it would be if it had been. Parameter: $night.
CREATE OR REPLACE TEMP TABLE care_standing AS
WITH
done AS (
    SELECT
        step, patient_id, max(through) AS through,
        -- By day, and for one day by name: the same row in every run.
        max({'day': day, 'setting': setting, 'provider': provider}) AS last
    FROM care_done
    GROUP BY step, patient_id
),
member AS (
    SELECT
        care_step.step, care_fact.patient_id,
        CASE
            WHEN care_step.first_span IS NULL THEN care_fact.since
            ELSE (care_fact.since + care_step.first_span)::DATE + 1
        END AS first_due
    FROM care_step
    JOIN care_fact USING (fact)
    WHERE care_step.timing <> 'within'
),
-- From which day it would have been seen of somebody: by the providers who know them, else by any.
seen_since AS (
    SELECT never.step, never.patient_id, min(care_begun.day) AS day
    FROM (FROM member ANTI JOIN done ON done.step = member.step AND done.patient_id = member.patient_id) AS never
    JOIN patient_record ON patient_record.patient_id = never.patient_id
    JOIN care_begun ON care_begun.step = never.step AND care_begun.provider = patient_record.provider
    GROUP BY never.step, never.patient_id
),
seen_by_any AS (
    SELECT step, min(day) AS day FROM care_begun GROUP BY step
)
SELECT
    member.step, member.patient_id,
    CASE
        WHEN done.through = care_never() THEN care_never()
        WHEN done.through IS NOT NULL THEN greatest(done.through + 1, member.first_due)
        WHEN member.first_due IS NULL THEN $night::DATE
        ELSE greatest(
            member.first_due,
            -- On the night where the data reach back less far than that.
            least((coalesce(seen_since.day, seen_by_any.day) + coalesce(care_step.span, INTERVAL 0 DAY))::DATE, $night::DATE)
        )
    END AS due_since,
    done.last.day AS last_done,
    done.last.setting AS last_done_setting,
    done.last.provider AS last_done_provider,
    NULL::VARCHAR AS trigger_event_key
FROM member
JOIN care_step ON care_step.step = member.step
LEFT JOIN done ON done.step = member.step AND done.patient_id = member.patient_id
LEFT JOIN seen_since ON seen_since.step = member.step AND seen_since.patient_id = member.patient_id
LEFT JOIN seen_by_any ON seen_by_any.step = member.step;
