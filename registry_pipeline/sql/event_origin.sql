-- What every event carries, whatever its table: keys, origin and the deleted flag. From `delivered`; the columns of
-- the table itself follow in its own file, which reads this as `event`. Parameters: $provider, $setting, $feed, $night
-- and the provider's own $values.
SELECT
    *,
    $provider || ':' || $feed || ':' || event_id AS event_key,
    $provider || ':' || local_id AS record_id,
    $provider AS provider,
    $setting AS setting,
    $night::DATE AS night,
    coalesce(flag_of(provider_value($values['deleted'], deleted)), false) AS is_deleted,
    CASE
        WHEN event_id IS NULL THEN 'no_event_id'
        WHEN local_id IS NULL THEN 'no_local_id'
        WHEN NOT $keep_deleted AND flag_of(provider_value($values['deleted'], deleted)) THEN 'deleted'
    END AS left_out
FROM delivered
