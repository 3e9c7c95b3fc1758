-- Spells, attendances, contacts, referrals and medications in one shape. From `event` (event_origin.sql over the
-- accepted rows of one feed; columns that the feed does not have are null). Parameters: $feed, $night, and the
-- provider's own $values and $formats by column.
WITH
codes AS (
    SELECT
        * REPLACE (
            upper(provider_value($values['admission_method'], admission_method)) AS admission_method,
            provider_value($values['admission_source'], admission_source) AS admission_source,
            provider_value($values['discharge_method'], discharge_method) AS discharge_method,
            provider_value($values['discharge_destination'], discharge_destination) AS discharge_destination,
            provider_value($values['patient_classification'], patient_classification)
                AS patient_classification,
            provider_value($values['specialty'], specialty) AS specialty,
            provider_value($values['team_type'], team_type) AS team_type,
            provider_value($values['department_type'], department_type) AS department_type,
            provider_value($values['site'], site) AS site,
            provider_value($values['attendance_status'], attendance_status) AS attendance_status,
            provider_value($values['consultation_mechanism'], consultation_mechanism)
                AS consultation_mechanism,
            provider_value($values['staff_group'], staff_group) AS staff_group,
            provider_value($values['priority'], priority) AS priority,
            provider_value($values['referral_source'], referral_source) AS referral_source,
            provider_value($values['arrival_mode'], arrival_mode) AS arrival_mode,
            provider_value($values['reason'], reason) AS reason,
            provider_value($values['code'], code) AS code,
            provider_value($values['repeat'], repeat) AS repeat
        )
    FROM event
),
times AS (
    SELECT
        *,
        timestamp_of(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date']) AS start_read,
        timestamp_of(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date']) AS end_read,
        timestamp_of(clinically_ready_date, ($formats::MAP(VARCHAR, VARCHAR))['clinically_ready_date']) AS ready_read,
        count_of(duration_minutes) AS minutes_read,
        flag_of(repeat) AS repeat_read
    FROM codes
),
judged AS (
    SELECT
        *,
        event_date_fault(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date'], start_read, $night::DATE)
            AS start_fault,
        coalesce(
            event_date_fault(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date'], end_read, $night::DATE),
            CASE WHEN is_before_start(end_read, start_read) THEN 'before_start' END
        ) AS end_fault,
        event_date_fault(
            clinically_ready_date, ($formats::MAP(VARCHAR, VARCHAR))['clinically_ready_date'], ready_read, $night::DATE
        ) AS ready_fault,
        CASE WHEN duration_minutes IS NOT NULL AND minutes_read IS NULL THEN 'not_a_count' END AS minutes_fault,
        CASE WHEN repeat IS NOT NULL AND repeat_read IS NULL THEN 'not_a_flag' END AS repeat_fault
    FROM times
)
SELECT
    event_key, record_id, provider, setting, local_id,
    $feed AS activity_kind,
    CASE WHEN start_fault IS NULL THEN start_read END AS start_time,
    CASE WHEN end_fault IS NULL THEN end_read END AS end_time,
    admission_method,
    CASE $feed
        WHEN 'spell' THEN is_emergency_admission(admission_method)
        WHEN 'attendance' THEN true
        ELSE false
    END AS is_emergency,
    admission_source, discharge_method, discharge_destination, patient_classification,
    coalesce(specialty, team_type, department_type) AS specialty,
    icd10_codes(diagnoses) AS diagnoses,
    opcs4_codes(procedures) AS procedures,
    CASE WHEN ready_fault IS NULL THEN ready_read::DATE END AS clinically_ready_date,
    site, attendance_status, consultation_mechanism, staff_group,
    minutes_read AS duration_minutes,
    priority,
    coalesce(referral_source, arrival_mode) AS source,
    reason, code, description,
    repeat_read AS is_repeat,
    is_deleted,
    CASE
        WHEN coalesce(start_fault, end_fault, ready_fault, minutes_fault, repeat_fault) IS NULL THEN MAP {}
        ELSE reasons([
            {'column_name': 'start_time', 'reason': start_fault},
            {'column_name': 'end_time', 'reason': end_fault},
            {'column_name': 'clinically_ready_date', 'reason': ready_fault},
            {'column_name': 'duration_minutes', 'reason': minutes_fault},
            {'column_name': 'is_repeat', 'reason': repeat_fault}
        ])
    END AS null_reasons,
    night
FROM judged
WHERE left_out IS NULL
