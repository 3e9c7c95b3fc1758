-- The prior's events and tonight's, one row per key. A night that runs again on other input tells what came of the
-- night in the end: what an earlier run of it said of an id gives way to what this run says, and where the id is what it
-- was before the night, nothing is said.
WITH said AS (
    SELECT DISTINCT patient_id FROM identity_tonight WHERE event_type IN ('joined', 'retired', 'resurrected')
),
taken_back AS (
    SELECT patient_id, event_type, night, other_patient_id
    FROM prior_event
    SEMI JOIN said USING (patient_id)
    WHERE night = $night::DATE AND event_type IN ('joined', 'retired', 'resurrected', 'overridden')
),
-- What each such id was before the night: joined into which, retired, or alive (resurrected).
before AS (
    SELECT patient_id, event_type, other_patient_id
    FROM prior_event
    SEMI JOIN taken_back USING (patient_id)
    WHERE night < $night::DATE AND event_type IN ('created', 'joined', 'retired', 'resurrected')
    QUALIFY row_number() OVER (
        PARTITION BY patient_id ORDER BY night DESC, event_type = 'created', event_type = 'joined' DESC
    ) = 1
),
created_tonight AS (
    SELECT taken_back.patient_id FROM taken_back ANTI JOIN before USING (patient_id)
),
nothing_new AS (
    SELECT identity_tonight.patient_id
    FROM identity_tonight
    JOIN before USING (patient_id)
    WHERE (identity_tonight.event_type = 'resurrected' AND before.event_type IN ('created', 'resurrected'))
       OR (identity_tonight.event_type = 'retired' AND before.event_type = 'retired')
       OR (identity_tonight.event_type = 'joined' AND before.event_type = 'joined'
           AND identity_tonight.other_patient_id = before.other_patient_id)
    UNION ALL
    SELECT identity_tonight.patient_id
    FROM identity_tonight
    SEMI JOIN created_tonight USING (patient_id)
    WHERE identity_tonight.event_type = 'resurrected'
),
tonight AS (
    SELECT * FROM identity_tonight
    WHERE NOT (event_type IN ('joined', 'retired', 'resurrected') AND patient_id IN (SELECT patient_id FROM nothing_new))
),
stands AS (
    SELECT prior_event.*
    FROM prior_event
    ANTI JOIN taken_back
        ON taken_back.patient_id = prior_event.patient_id
        AND taken_back.event_type = prior_event.event_type
        AND taken_back.night = prior_event.night
        AND taken_back.other_patient_id IS NOT DISTINCT FROM prior_event.other_patient_id
)
SELECT patient_id, event_type, night, other_patient_id, cause, record_count, run_id
FROM stands
ANTI JOIN tonight
    ON tonight.patient_id = stands.patient_id
    AND tonight.event_type = stands.event_type
    AND tonight.night = stands.night
    AND tonight.other_patient_id IS NOT DISTINCT FROM stands.other_patient_id
UNION ALL
SELECT patient_id, event_type, night, other_patient_id, cause, record_count, run_id
FROM tonight
