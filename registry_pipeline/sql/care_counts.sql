-- People in each step, and how many of them are done and due; some are neither, for it is not due for the first time yet.
-- And from which day the data would show it, and whether that is less than its interval ago. Parameter: $night.
WITH
standing AS (
    SELECT
        step, count(*) AS people,
        count(*) FILTER (due_since <= $night::DATE) AS due,
        count(*) FILTER (due_since > $night::DATE AND last_done IS NOT NULL) AS done,
        count(*) FILTER (last_done IS NOT NULL) AS ever_done
    FROM care_standing
    JOIN care_step USING (step)
    WHERE care_step.timing <> 'within'
    GROUP BY step
),
discharged AS (
    -- Discharges whose window has passed.
    SELECT
        step,
        count(DISTINCT patient_id) AS people,
        count(*) AS discharges,
        count(DISTINCT patient_id) - count(DISTINCT patient_id) FILTER (NOT is_closed) AS done,
        count(*) FILTER (is_contacted) AS followed,
        count(*) FILTER (is_closed AND NOT is_contacted) AS readmitted,
        count(DISTINCT patient_id) FILTER (NOT is_closed) AS due
    FROM care_discharge
    WHERE due_since <= $night::DATE
    GROUP BY step
),
begun AS (
    SELECT step, min(day) AS day FROM care_begun GROUP BY step
)
SELECT
    care_step.step,
    coalesce(standing.people, discharged.people, 0),
    coalesce(standing.done, discharged.done, 0),
    coalesce(standing.due, discharged.due, 0),
    coalesce(standing.ever_done, discharged.followed, 0) AS ever_done,
    discharged.discharges,
    discharged.readmitted,
    begun.day AS seen_from,
    coalesce((begun.day + care_step.span)::DATE > $night::DATE, false) AS is_short
FROM care_step
LEFT JOIN begun USING (step)
LEFT JOIN standing USING (step)
LEFT JOIN discharged USING (step)
ORDER BY care_step.step;
