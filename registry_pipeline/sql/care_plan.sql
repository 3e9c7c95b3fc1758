-- Care plans. From `event` (event_origin.sql over accepted_care_plan). Parameters: $night, and the provider's own
-- $values and $formats by column.
WITH
times AS (
    SELECT
        *,
        timestamp_of(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date']) AS start_read,
        timestamp_of(updated_date, ($formats::MAP(VARCHAR, VARCHAR))['updated_date']) AS updated_read,
        timestamp_of(review_date, ($formats::MAP(VARCHAR, VARCHAR))['review_date']) AS review_read,
        timestamp_of(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date']) AS end_read,
        provider_value($values['agreed'], agreed) AS agreed_code
    FROM event
),
judged AS (
    SELECT
        *,
        event_date_fault(start_date, ($formats::MAP(VARCHAR, VARCHAR))['start_date'], start_read, $night::DATE)
            AS start_fault,
        event_date_fault(
            updated_date, ($formats::MAP(VARCHAR, VARCHAR))['updated_date'], updated_read, $night::DATE
        ) AS updated_fault,
        event_date_fault(
            review_date, ($formats::MAP(VARCHAR, VARCHAR))['review_date'], review_read, $night::DATE
        ) AS review_fault,
        coalesce(
            event_date_fault(end_date, ($formats::MAP(VARCHAR, VARCHAR))['end_date'], end_read, $night::DATE),
            CASE WHEN is_before_start(end_read, start_read) THEN 'before_start' END
        ) AS end_fault,
        CASE WHEN agreed_code IS NOT NULL AND flag_of(agreed_code) IS NULL THEN 'not_a_flag' END AS agreed_fault
    FROM times
)
SELECT
    event_key, record_id, provider, setting, local_id,
    provider_value($values['plan_type'], plan_type) AS plan_type,
    CASE WHEN start_fault IS NULL THEN start_read::DATE END AS start_date,
    CASE WHEN updated_fault IS NULL THEN updated_read::DATE END AS updated_date,
    CASE WHEN review_fault IS NULL THEN review_read::DATE END AS review_date,
    CASE WHEN end_fault IS NULL THEN end_read::DATE END AS end_date,
    coordinator_id,
    flag_of(agreed_code) AS is_agreed,
    is_deleted,
    reasons([
        {'column_name': 'start_date', 'reason': start_fault},
        {'column_name': 'updated_date', 'reason': updated_fault},
        {'column_name': 'review_date', 'reason': review_fault},
        {'column_name': 'end_date', 'reason': end_fault},
        {'column_name': 'is_agreed', 'reason': agreed_fault}
    ]) AS null_reasons,
    night
FROM judged
WHERE left_out IS NULL
