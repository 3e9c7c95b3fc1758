-- People counted alike, for each group of /* by */. Reads: hidden_end.
WITH unit_count AS (
    SELECT
        /* by */ AS by_group, unit, sum(true_ends)::BIGINT AS true_ends, sum(compared_ends)::BIGINT AS compared_ends,
        sum(found_ends)::BIGINT AS found_ends, sum(wrong_ends)::BIGINT AS wrong_ends,
        sum(found_ends + wrong_ends)::BIGINT AS matched_ends, sum(two_number_ends)::BIGINT AS two_number_ends,
        count(*) AS records
    FROM hidden_end
    GROUP BY by_group, unit
)
SELECT
    by_group, true_ends, compared_ends, found_ends, wrong_ends, matched_ends, two_number_ends,
    true_ends + two_number_ends AS one_person_ends, wrong_ends - two_number_ends AS likely_wrong_ends, records,
    count(*) AS units
FROM unit_count
GROUP BY ALL
