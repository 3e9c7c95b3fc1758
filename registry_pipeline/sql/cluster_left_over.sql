-- left_over: pairs that match because both records found nobody else. Where each of two providers knows a person once, two
-- records that both found nobody at the other provider are more likely one person than any two records are. How much
-- more, the pairs that are left say themselves: as many of them are expected to be true as their probabilities add up to,
-- among all pairs that are left. It rests on all records of the night, as nothing else of clustering does.
-- Reads: judged_part, cluster_record. Numbers: $match_weight, $prior_odds, $rival_weight.
CREATE OR REPLACE TEMP TABLE left_over AS
WITH match_end AS (
    SELECT id_l AS id, id_r AS other FROM judged_part WHERE judged_outcome = 'match'
    UNION ALL
    SELECT id_r, id_l FROM judged_part WHERE judged_outcome = 'match'
),
taken AS (
    SELECT DISTINCT match_end.id, o.provider AS other_provider
    FROM match_end
    INNER JOIN cluster_record AS o ON o.id = other
),
left_pair AS (
    SELECT id_l, id_r, l.provider AS provider_l, r.provider AS provider_r, match_weight, match_probability
    FROM judged_part
    INNER JOIN cluster_record AS l ON l.id = id_l
    INNER JOIN cluster_record AS r ON r.id = id_r
    ANTI JOIN taken AS taken_l ON taken_l.id = id_l AND taken_l.other_provider = r.provider
    ANTI JOIN taken AS taken_r ON taken_r.id = id_r AND taken_r.other_provider = l.provider
    WHERE judged_by = 'match_weight' AND NOT same_provider
),
size_of AS (
    SELECT provider, count(*) AS records FROM cluster_record GROUP BY provider
),
taken_of AS (
    SELECT provider, other_provider, count(*) AS taken FROM taken INNER JOIN cluster_record USING (id) GROUP BY ALL
),
expected AS (
    SELECT provider_l, provider_r, sum(match_probability) AS true_pairs
    FROM left_pair
    GROUP BY ALL
),
odds AS (
    SELECT
        provider_l, provider_r,
        true_pairs / ((l.records - coalesce(taken_l.taken, 0)) * (r.records - coalesce(taken_r.taken, 0))) AS share
    FROM expected
    INNER JOIN size_of AS l ON l.provider = provider_l
    INNER JOIN size_of AS r ON r.provider = provider_r
    LEFT JOIN taken_of AS taken_l ON taken_l.provider = provider_l AND taken_l.other_provider = provider_r
    LEFT JOIN taken_of AS taken_r ON taken_r.provider = provider_r AND taken_r.other_provider = provider_l
),
weighed AS (
    SELECT id_l, id_r, match_weight, match_weight + log2(least(share, 0.5) / (1 - least(share, 0.5)) / $prior_odds) AS weight_left
    FROM left_pair
    INNER JOIN odds USING (provider_l, provider_r)
),
-- Of both ends: which of its ends a record is in a pair hangs on how the night numbered the records.
weighed_end AS (
    SELECT id_l AS id, id_l, id_r, match_weight FROM weighed
    UNION ALL
    SELECT id_r, id_l, id_r, match_weight FROM weighed
),
rivalled_end AS (
    SELECT id_l, id_r, count(*) OVER near AS rivals
    FROM weighed_end
    WINDOW near AS (PARTITION BY id ORDER BY match_weight RANGE BETWEEN $rival_weight PRECEDING AND UNBOUNDED FOLLOWING)
)
SELECT id_l, id_r
FROM weighed
ANTI JOIN (FROM rivalled_end WHERE rivals > 1) AS rivalled USING (id_l, id_r)
WHERE weight_left >= $match_weight AND match_weight < $match_weight;
