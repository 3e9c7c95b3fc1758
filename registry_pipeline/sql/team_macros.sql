-- What everything that tells of a person's last 12 months agrees on.

-- Whether something lies within the 12 months up to the night: it began in them, or is a stay that lasted into them.
CREATE OR REPLACE TEMP MACRO team_is_of_last_year(kind, start_time, end_time, night) AS
    start_time < night + INTERVAL 1 DAY
    AND (
        start_time >= night - INTERVAL 12 MONTH + INTERVAL 1 DAY
        OR (kind = 'spell' AND (end_time IS NULL OR end_time >= night - INTERVAL 12 MONTH + INTERVAL 1 DAY))
    );
