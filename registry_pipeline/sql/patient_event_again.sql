-- Events of nights after a feed's first, each with the latest night that delivered it: few beside the first load.
SELECT event_key, max(night) AS night
FROM later_event
GROUP BY event_key
