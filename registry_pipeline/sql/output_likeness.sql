-- Of groups of people alike: how many there are, how many people the smallest has, how many are in groups of fewer than
-- $smallest, and how many there are in all. Reads: alike (size).
SELECT
    count(*)::BIGINT AS groups,
    coalesce(min(size), 0)::BIGINT AS smallest_group,
    coalesce(sum(size) FILTER (size < $smallest), 0)::BIGINT AS people_below,
    coalesce(sum(size), 0)::BIGINT AS people
FROM alike
