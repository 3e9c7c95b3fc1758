-- The steps that are evaluated. Parameters: one list for each column; spans in months, days and hours.
INSERT INTO care_step
SELECT
    unnest($step::INTEGER[]), unnest($protocol::VARCHAR[]), unnest($protocol_version::VARCHAR[]),
    unnest($name::VARCHAR[]), unnest($title::VARCHAR[]), unnest($done_by::VARCHAR[][]),
    unnest($is_seamless::BOOLEAN[]), unnest($fact::INTEGER[]), unnest($timing::VARCHAR[]),
    unnest($span::INTERVAL[]), unnest($window_hours::INTEGER[]), unnest($look_back::INTERVAL[]),
    unnest($first_span::INTERVAL[]), unnest($discharge_of::VARCHAR[][]);
