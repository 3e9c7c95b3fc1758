-- Social care services. From `event` (event_origin.sql over accepted_service). Parameters: $night, and the provider's
-- own $values and $formats by column.
WITH
judged AS (
    SELECT
        *,
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
        FROM event
    )
)
SELECT
    event_key, record_id, provider, setting, local_id,
    CASE WHEN start_fault IS NULL THEN start_read::DATE END AS start_date,
    CASE WHEN end_fault IS NULL THEN end_read::DATE END AS end_date,
    provider_value($values['service_type'], service_type) AS service_type,
    provider_value($values['service_component'], service_component) AS service_component,
    provider_value($values['delivery_mechanism'], delivery_mechanism) AS delivery_mechanism,
    provider_value($values['primary_support_reason'], primary_support_reason) AS primary_support_reason,
    provider_value($values['accommodation_status'], accommodation_status) AS accommodation_status,
    is_deleted,
    reasons([
        {'column_name': 'start_date', 'reason': start_fault},
        {'column_name': 'end_date', 'reason': end_fault}
    ]) AS null_reasons,
    night
FROM judged
WHERE left_out IS NULL
