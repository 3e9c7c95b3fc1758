-- What counts as done for each step. Parameters: one list for each column.
INSERT INTO care_count
SELECT
    unnest($step::INTEGER[]), unnest($is_expected::BOOLEAN[]), unnest($kind::VARCHAR[]), unnest($list::VARCHAR[]),
    unnest($settings::VARCHAR[][]), unnest($manner::VARCHAR[]), unnest($reasons::VARCHAR[][]), unnest($teams::VARCHAR[][]),
    unnest($mechanisms::VARCHAR[][]), unnest($staff::VARCHAR[][]);
