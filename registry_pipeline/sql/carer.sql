-- Unpaid carers. From `event` (event_origin.sql over accepted_carer). Parameters: $night, and the provider's own
-- $values and $formats by column.
WITH
times AS (
    SELECT
        *,
        timestamp_of(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date']) AS start_read,
        timestamp_of(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date']) AS end_read,
        timestamp_of(assessment_date, ($formats::MAP(VARCHAR, VARCHAR))['assessment_date']) AS assessment_read
    FROM event
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
            assessment_date, ($formats::MAP(VARCHAR, VARCHAR))['assessment_date'], assessment_read,
            $night::DATE
        ) AS assessment_fault
    FROM times
)
SELECT
    event_key, record_id, provider, setting, local_id,
    carer_local_id,
    provider_value($values['relationship'], relationship) AS relationship,
    CASE WHEN start_fault IS NULL THEN start_read::DATE END AS start_date,
    CASE WHEN end_fault IS NULL THEN end_read::DATE END AS end_date,
    CASE WHEN assessment_fault IS NULL THEN assessment_read::DATE END AS assessment_date,
    is_deleted,
    reasons([
        {'column_name': 'start_date', 'reason': start_fault},
        {'column_name': 'end_date', 'reason': end_fault},
        {'column_name': 'assessment_date', 'reason': assessment_fault}
    ]) AS null_reasons,
    night
FROM judged
WHERE left_out IS NULL
