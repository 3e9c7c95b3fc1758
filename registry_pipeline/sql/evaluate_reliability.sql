-- Units counted alike for each bin of the reported probability. Reads: known_pair. Parameter: $edges, rising.
WITH binned AS (
    SELECT unit, is_true, match_probability, len(list_filter($edges, lambda edge: edge <= match_probability)) AS bin
    FROM known_pair
    WHERE match_probability IS NOT NULL
),
unit_count AS (
    SELECT bin, unit, count(*) AS pairs, count(*) FILTER (is_true) AS true_pairs, sum(match_probability) AS expected
    FROM binned
    GROUP BY bin, unit
)
SELECT bin, pairs, true_pairs, count(*) AS units, sum(expected) AS expected FROM unit_count GROUP BY bin, pairs, true_pairs
