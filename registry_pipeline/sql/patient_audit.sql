-- The audit of a snapshot: rows that break each rule, and the rows that were looked at. What each rule is for stands in
-- registry.AUDIT. `crosswalk` is the snapshot's patient_record; `person_record` is what the providers' shares hold.
WITH size AS (
    SELECT
        (SELECT count(*) FROM patient) AS people,
        (SELECT count(*) FROM crosswalk) AS records,
        (SELECT count(*) FROM patient_event) AS events
),
-- People whom overrides that contradict the data, or one another, hold as they were until somebody settles it.
held AS (
    SELECT DISTINCT unnest(patient_ids)::UUID AS patient_id
    FROM attention
    WHERE reason IN ('override_contradicts_data', 'overrides_contradict')
),
two_numbers AS (
    SELECT crosswalk.patient_id
    FROM crosswalk
    ANTI JOIN held USING (patient_id)
    JOIN person_record USING (record_id)
    LEFT JOIN patient_nhs_number AS replaced ON replaced.nhs_number = person_record.nhs_number
    GROUP BY crosswalk.patient_id
    HAVING min(coalesce(replaced.current_nhs_number, person_record.nhs_number))
        <> max(coalesce(replaced.current_nhs_number, person_record.nhs_number))
),
shared_number AS (
    SELECT nhs_number FROM patient WHERE nhs_number IS NOT NULL GROUP BY nhs_number HAVING count(*) > 1
),
-- Ids that were joined into another, or retired, and did not come back.
ended AS (
    SELECT patient_id
    FROM identity_event
    WHERE event_type IN ('joined', 'retired', 'resurrected')
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY night DESC, event_type = 'resurrected' DESC) = 1
        AND event_type <> 'resurrected'
),
broken AS (
    SELECT 'patient_id_is_unique' AS name, people - (SELECT count(DISTINCT patient_id) FROM patient) AS failing, people AS looked_at
    FROM size
    UNION ALL
    SELECT 'person_record_is_in_crosswalk_once', (
        (SELECT count(*) FROM person_record ANTI JOIN crosswalk USING (record_id))
        + records - (SELECT count(DISTINCT record_id) FROM crosswalk)
    ), records
    FROM size
    UNION ALL
    SELECT 'crosswalk_has_person_record', (SELECT count(*) FROM crosswalk ANTI JOIN person_record USING (record_id)), records
    FROM size
    UNION ALL
    SELECT 'crosswalk_points_at_patient', (SELECT count(*) FROM crosswalk ANTI JOIN patient USING (patient_id)), records
    FROM size
    UNION ALL
    SELECT 'patient_has_record', (SELECT count(*) FROM patient ANTI JOIN crosswalk USING (patient_id)), people
    FROM size
    UNION ALL
    SELECT 'patient_has_one_nhs_number', (SELECT count(*) FROM two_numbers), people
    FROM size
    UNION ALL
    SELECT 'superseded_nhs_number_does_not_survive', (
        SELECT count(*) FROM patient SEMI JOIN patient_nhs_number USING (nhs_number)
    ), people
    FROM size
    UNION ALL
    SELECT 'sensitive_whereabouts_are_withheld', (
        SELECT count(*)
        FROM patient
        WHERE is_sensitive AND coalesce(address, postcode, phone, email, gp_practice) IS NOT NULL
    ), people
    FROM size
    UNION ALL
    SELECT 'patient_id_was_created', (
        SELECT count(*)
        FROM patient
        ANTI JOIN (SELECT patient_id FROM identity_event WHERE event_type = 'created') AS created USING (patient_id)
    ), people
    FROM size
    UNION ALL
    SELECT 'patient_id_is_alive', (SELECT count(*) FROM patient SEMI JOIN ended USING (patient_id)), people
    FROM size
    UNION ALL
    SELECT 'event_points_at_patient', (SELECT count(*) FROM patient_event ANTI JOIN patient USING (patient_id)), events
    FROM size
    UNION ALL
    SELECT 'nhs_number_belongs_to_one_patient', (SELECT count(*) FROM shared_number), people
    FROM size
)
SELECT name, failing::BIGINT AS failing, looked_at::BIGINT AS looked_at FROM broken
