-- Measurements, examinations and other care processes. From `event` (event_origin.sql over accepted_observation).
-- Parameters: $night, and the provider's own $values and $formats by column.
WITH
codes AS (
    SELECT * REPLACE (
        provider_value($values['code'], code) AS code,
        provider_value($values['coding_system'], coding_system) AS coding_system,
        provider_value($values['unit'], unit) AS unit
    )
    FROM event
),
judged AS (
    SELECT
        *,
        coding_system_of(coding_system, code) AS system_read,
        number_of(value) AS value_read,
        event_date_fault(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date'], start_read, $night::DATE)
            AS start_fault
    FROM (
        SELECT *, timestamp_of(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date']) AS start_read
        FROM codes
    )
)
SELECT
    event_key, record_id, provider, setting, local_id,
    CASE WHEN start_fault IS NULL THEN start_read::DATE END AS start_date,
    CASE WHEN system_read = 'icd10' THEN nullif(icd10_code(code), '') ELSE code END AS code,
    system_read AS coding_system,
    description,
    value_read AS value,
    unit,
    is_deleted,
    reasons([
        {'column_name': 'start_date', 'reason': start_fault},
        {'column_name': 'code', 'reason': CASE WHEN system_read = 'icd10' AND icd10_code(code) = ''
            THEN 'not_a_code' END},
        {'column_name': 'coding_system', 'reason': CASE WHEN coding_system IS NOT NULL AND system_read IS NULL
            THEN 'not_in_code_list' END},
        {'column_name': 'value', 'reason': CASE WHEN value IS NOT NULL AND value_read IS NULL
            THEN 'not_a_number' END}
    ]) AS null_reasons,
    night
FROM judged
WHERE left_out IS NULL
