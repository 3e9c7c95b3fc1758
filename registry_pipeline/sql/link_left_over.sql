-- decided_again: pairs whose outcome rests on what became of other pairs, with what decides them now.
-- Reads: judged_part (the judged pairs), apart_edge, link_record, the variable `level`.
-- Numbers: $match_weight, $prior_odds, $rival_weight, $is_one_each, $certain.
CREATE OR REPLACE TEMP TABLE decided_again (id_l INTEGER, id_r INTEGER, decided_by VARCHAR, outcome VARCHAR);

CREATE OR REPLACE TEMP TABLE end_of_match AS
WITH match_end AS (
    SELECT id_l AS id, id_r AS other, match_weight, decided_by, given_name_level FROM judged_part WHERE outcome = 'match'
    UNION ALL
    SELECT id_r, id_l, match_weight, decided_by, given_name_level FROM judged_part WHERE outcome = 'match'
)
SELECT match_end.*, o.provider AS other_provider, o.number_id AS other_number
FROM match_end
INNER JOIN link_record AS o ON o.id = other;

-- A record without a given name, or with an initial only, that fits two people of whom it is known that they are two
-- (two NHS numbers, or a rule keeps them apart), and neither much better than the other: it may be either, as of twins.
INSERT INTO decided_again
WITH weak AS (
    SELECT * FROM end_of_match
    WHERE NOT list_contains($certain, decided_by) AND given_name_level IN (-1, getvariable('level').given_name.initial)
),
torn AS (
    SELECT a.id, a.other
    FROM weak AS a
    INNER JOIN end_of_match AS b ON a.id = b.id AND a.other <> b.other
    LEFT JOIN apart_edge ON apart_edge.id_l = least(a.other, b.other) AND apart_edge.id_r = greatest(a.other, b.other)
    WHERE (a.other_number <> b.other_number OR apart_edge.id_l IS NOT NULL)
        AND NOT list_contains($certain, b.decided_by) AND a.match_weight - b.match_weight < $rival_weight
)
SELECT DISTINCT least(id, other), greatest(id, other), 'fits_two_people', 'possible_match' FROM torn;

-- Who is left over: where each of two providers knows a person once, two records that both found nobody else at the other
-- provider are more likely one person than any two records are. How much more, the pairs that are left say themselves:
-- as many of them are expected to be true as their probabilities add up to, among all pairs that are left.
INSERT INTO decided_again
WITH taken AS (
    SELECT DISTINCT id, other_provider FROM end_of_match
),
left_pair AS (
    SELECT id_l, id_r, l.provider AS provider_l, r.provider AS provider_r, match_weight, match_probability
    FROM judged_part
    INNER JOIN link_record AS l ON l.id = id_l
    INNER JOIN link_record AS r ON r.id = id_r
    ANTI JOIN taken AS taken_l ON taken_l.id = id_l AND taken_l.other_provider = r.provider
    ANTI JOIN taken AS taken_r ON taken_r.id = id_r AND taken_r.other_provider = l.provider
    WHERE $is_one_each AND judged_part.decided_by = 'match_weight' AND NOT same_provider
),
size_of AS (
    SELECT provider, count(*) AS records FROM link_record WHERE $is_one_each GROUP BY provider
),
taken_of AS (
    SELECT provider, other_provider, count(*) AS taken FROM taken INNER JOIN link_record USING (id) GROUP BY ALL
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
rivalled AS (
    SELECT
        *, count(*) OVER near_l AS near_l, count(*) OVER near_r AS near_r
    FROM weighed
    WINDOW
        near_l AS (PARTITION BY id_l ORDER BY match_weight RANGE BETWEEN $rival_weight PRECEDING AND UNBOUNDED FOLLOWING),
        near_r AS (PARTITION BY id_r ORDER BY match_weight RANGE BETWEEN $rival_weight PRECEDING AND UNBOUNDED FOLLOWING)
)
SELECT id_l, id_r, 'left_over', 'match'
FROM rivalled
WHERE weight_left >= $match_weight AND match_weight < $match_weight AND near_l = 1 AND near_r = 1;
