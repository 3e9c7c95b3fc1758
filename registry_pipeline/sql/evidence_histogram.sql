-- Kept pairs by whole units of match weight; what lies beyond the ends counts in the first or last bin.
-- Reads: linked_pair. Parameters: $from, $to, $numbers (what decides by an NHS number or a merge and not by weight).
SELECT
    greatest(least(floor(match_weight), $to - 1), $from)::DOUBLE AS bin,
    count(*) FILTER (outcome = 'match' AND list_contains($numbers, decided_by)) AS match_by_number,
    count(*) FILTER (outcome = 'match' AND NOT list_contains($numbers, decided_by)) AS match_by_weight,
    count(*) FILTER (outcome = 'possible_match') AS possible_match,
    count(*) FILTER (outcome = 'no_match') AS no_match
FROM linked_pair
WHERE match_weight IS NOT NULL
GROUP BY bin
ORDER BY bin
