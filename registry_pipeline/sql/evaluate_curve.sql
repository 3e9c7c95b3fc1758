-- Known pairs by match weight, in steps of $step. Reads: known_pair.
SELECT
    floor(match_weight / $step) * $step AS weight, count(*) FILTER (is_true), count(*) FILTER (NOT is_true)
FROM known_pair
GROUP BY weight
ORDER BY weight DESC
