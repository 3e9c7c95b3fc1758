-- hidden_end: drawn records with their person's other records, those compared and those found without the number, records
-- of other people that would have been matched, and of these, those of such a weight that they are likelier one person
-- with two numbers. Reads: hidden_record, candidate_pair, judged_part. Number: $sure_weight.
CREATE OR REPLACE TEMP TABLE hidden_pair AS
SELECT
    candidate_pair.id_l, candidate_pair.id_r, candidate_pair.rule, l.unit = r.unit AS is_true,
    coalesce(outcome = 'match', false) AS is_found, decided_by, outcome, match_weight, match_probability
FROM candidate_pair
INNER JOIN hidden_record AS l ON l.id = candidate_pair.id_l
INNER JOIN hidden_record AS r ON r.id = candidate_pair.id_r
LEFT JOIN judged_part ON judged_part.id_l = candidate_pair.id_l AND judged_part.id_r = candidate_pair.id_r;

CREATE OR REPLACE TEMP TABLE hidden_end AS
WITH pair_end AS (
    SELECT unnest([id_l, id_r]) AS id, is_true, is_found, match_weight FROM hidden_pair
),
counted AS (
    SELECT
        id, count(*) FILTER (is_true) AS compared, count(*) FILTER (is_true AND is_found) AS found,
        count(*) FILTER (NOT is_true AND is_found) AS wrong,
        count(*) FILTER (NOT is_true AND is_found AND match_weight >= $sure_weight) AS two_numbers
    FROM pair_end
    GROUP BY id
),
sized AS (SELECT unit, count(*) AS records FROM hidden_record GROUP BY unit)
SELECT
    hidden_record.*, records - 1 AS true_ends, coalesce(compared, 0) AS compared_ends, coalesce(found, 0) AS found_ends,
    coalesce(wrong, 0) AS wrong_ends, coalesce(two_numbers, 0) AS two_number_ends
FROM hidden_record
INNER JOIN sized USING (unit)
LEFT JOIN counted USING (id)
WHERE is_drawn;
