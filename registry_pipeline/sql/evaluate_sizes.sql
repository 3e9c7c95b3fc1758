-- People and clusters with a record in each group of /* by */; split people, mixed clusters. Reads: judged_record.
WITH person AS (
    SELECT /* by */ AS by_group, person_key, any_value(n_both < n_person) AS is_split, any_value(n_person > 1) AS is_met_again
    FROM judged_record
    GROUP BY by_group, person_key
),
cluster AS (
    SELECT /* by */ AS by_group, cluster_key, any_value(n_both < n_cluster) AS is_mixed
    FROM judged_record
    GROUP BY by_group, cluster_key
),
people AS (
    SELECT by_group, count(*) AS people, count(*) FILTER (is_met_again) AS met_again, count(*) FILTER (is_split) AS split
    FROM person
    GROUP BY by_group
),
clusters AS (
    SELECT by_group, count(*) AS clusters, count(*) FILTER (is_mixed) AS mixed FROM cluster GROUP BY by_group
)
SELECT by_group, people, met_again, split, clusters, mixed FROM people INNER JOIN clusters USING (by_group)
