-- Diagnoses and problems. From `event` (event_origin.sql over accepted_condition). Parameters: $night, and the
-- provider's own $values and $formats by column.
WITH
codes AS (
    SELECT * REPLACE (
        provider_value($values['code'], code) AS code,
        provider_value($values['coding_system'], coding_system) AS coding_system
    )
    FROM event
),
judged AS (
    SELECT
        * EXCLUDE (start_read, end_read),
        start_read,
        end_read,
        coding_system_of(coding_system, code) AS system_read,
        event_date_fault(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date'], start_read, $night::DATE)
            AS start_fault,
        coalesce(
            event_date_fault(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date'], end_read, $night::DATE),
            CASE WHEN is_before_start(end_read, start_read) THEN 'before_start' END
        ) AS end_fault
    FROM (
        SELECT
            *,
            timestamp_of(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date']) AS start_read,
            timestamp_of(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date']) AS end_read
        FROM codes
    )
)
SELECT
    event_key, record_id, provider, setting, local_id,
    CASE WHEN start_fault IS NULL THEN start_read::DATE END AS start_date,
    CASE WHEN end_fault IS NULL THEN end_read::DATE END AS end_date,
    -- Read codes tell upper from lower case, so only ICD-10 codes are put in a normal form.
    CASE WHEN system_read = 'icd10' THEN nullif(icd10_code(code), '') ELSE code END AS code,
    system_read AS coding_system,
    description,
    is_deleted,
    reasons([
        {'column_name': 'start_date', 'reason': start_fault},
        {'column_name': 'end_date', 'reason': end_fault},
        {'column_name': 'code', 'reason': CASE WHEN system_read = 'icd10' AND icd10_code(code) = ''
            THEN 'not_a_code' END},
        {'column_name': 'coding_system', 'reason': CASE WHEN coding_system IS NOT NULL AND system_read IS NULL
            THEN 'not_in_code_list' END}
    ]) AS null_reasons,
    night
FROM judged
WHERE left_out IS NULL
