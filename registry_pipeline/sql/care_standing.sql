-- Where each person stands in each step that comes again or must hold: since when it is due, whether or not that day
-- has come. A step is due on the day after what was done is no longer enough, but not before it was due for the first
-- time; where nobody says since when somebody is in and it was never done, on the night. Parameter: $night.
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
)
SELECT
    member.step, member.patient_id,
    CASE
        WHEN done.through = care_never() THEN care_never()
        ELSE coalesce(greatest(done.through + 1, member.first_due), $night::DATE)
    END AS due_since,
    done.last.day AS last_done,
    done.last.setting AS last_done_setting,
    done.last.provider AS last_done_provider,
    NULL::VARCHAR AS trigger_event_key
FROM member
LEFT JOIN done ON done.step = member.step AND done.patient_id = member.patient_id;
