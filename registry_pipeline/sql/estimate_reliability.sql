-- People counted alike, for each bin of the probability that kept pairs report: pairs and true pairs, each counted at its
-- drawn records (a pair of two people is drawn twice as likely as one of one person). Reads: hidden_pair, hidden_record.
-- Parameter: $edges (where bins begin).
WITH pair_end AS (
    SELECT unnest([id_l, id_r]) AS id, is_true, match_probability FROM hidden_pair WHERE match_probability IS NOT NULL
),
unit_count AS (
    SELECT
        len(list_filter($edges::DOUBLE[], lambda edge: edge <= match_probability)) AS bin, unit,
        count(*) AS pairs, count(*) FILTER (is_true) AS true_pairs, sum(match_probability) AS reported
    FROM pair_end
    INNER JOIN hidden_record USING (id)
    WHERE is_drawn
    GROUP BY ALL
)
SELECT bin, pairs, true_pairs, count(*) AS units, sum(reported) AS reported FROM unit_count GROUP BY bin, pairs, true_pairs ORDER BY ALL
