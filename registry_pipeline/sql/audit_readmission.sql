-- Discharges, and which were followed by another emergency admission of the person on the same day or within the 29 days
-- after it. Systems that keep no time of day write midnight, so days are compared. Reads audit_stay.
WITH discharge AS (
    SELECT * FROM audit_stay
    WHERE end_month IS NOT NULL AND NOT is_death AND NOT is_to_hospital AND NOT is_maternity AND NOT has_cancer
),
readmitted AS (
    SELECT DISTINCT discharge.person, discharge.event_key
    FROM discharge
    JOIN audit_stay AS next_stay
        ON next_stay.person = discharge.person
        AND next_stay.event_key <> discharge.event_key
        AND next_stay.start_day BETWEEN discharge.end_day AND discharge.end_day + 29
        AND next_stay.start_time >= discharge.start_time
    WHERE next_stay.is_emergency AND NOT next_stay.is_from_hospital
)
SELECT
    'readmission_30_days' AS measure, person, provider, end_month AS month, NULL::INTEGER AS band,
    (readmitted.event_key IS NOT NULL)::INTEGER AS n, 1 AS d, (readmitted.event_key IS NOT NULL)::INTEGER AS cases
FROM discharge LEFT JOIN readmitted USING (person, event_key)
