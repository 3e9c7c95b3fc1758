-- judged_record: every record that the truth and the night both know, with its person, its cluster, how many records it
-- shares them with, and the groups that figures are told by. Counting at records instead of pairs keeps the work in
-- proportion to the records, however large a cluster is.
-- Reads: truth (record_id, person), person_cluster, night_record, link_record (id, record_id), known_person.
-- Parameters: $from_people (columns that the people file has), $night.
CREATE OR REPLACE TEMP TABLE judged AS
SELECT
    linked.id, linked.is_settled, record_id, person, hash(person) AS person_key, hash(cluster_id, 'cluster') AS cluster_key,
    night_record.* EXCLUDE (record_id)
FROM truth
INNER JOIN person_cluster USING (record_id)
INNER JOIN night_record USING (record_id)
INNER JOIN (SELECT id, record_id, is_settled FROM link_record) AS linked USING (record_id);

-- What most of a person's records say (of two values in as many records the smaller): the person's group.
CREATE OR REPLACE TEMP TABLE person_group AS
WITH said_of AS (
    SELECT
        person_key, any_value(person) AS person,
        mode(sex ORDER BY sex) AS sex,
        mode(birth_date ORDER BY birth_date) AS birth_date,
        mode(ethnicity ORDER BY ethnicity) FILTER (ethnicity NOT IN ('Z', '99')) AS ethnicity
    FROM judged
    GROUP BY person_key
)
SELECT
    person_key,
    coalesce(CASE CASE WHEN list_contains($from_people, 'sex') THEN known_person.sex ELSE said_of.sex END
        WHEN 'M' THEN 'male' WHEN '1' THEN 'male' WHEN 'F' THEN 'female' WHEN '2' THEN 'female'
        WHEN 'O' THEN 'other' WHEN '9' THEN 'other' END, 'not known') AS sex,
    evaluate_age_band(
        CASE WHEN list_contains($from_people, 'birth_date') THEN known_person.birth_date ELSE said_of.birth_date END, $night::DATE
    ) AS age_band,
    evaluate_ethnicity(
        CASE WHEN list_contains($from_people, 'ethnicity') THEN known_person.ethnicity ELSE said_of.ethnicity END
    ) AS ethnicity,
    CASE WHEN known_person.deprivation_decile BETWEEN 1 AND 10
        THEN format('{:02d}', known_person.deprivation_decile) ELSE 'not known' END AS deprivation_decile
FROM said_of
LEFT JOIN known_person USING (person);

CREATE OR REPLACE TEMP TABLE judged_record AS
WITH person_size AS (SELECT person_key, count(*) AS n_person FROM judged GROUP BY ALL),
cluster_size AS (SELECT cluster_key, count(*) AS n_cluster FROM judged GROUP BY ALL),
both_size AS (SELECT person_key, cluster_key, count(*) AS n_both FROM judged GROUP BY ALL)
SELECT
    id, is_settled, record_id, person_key, cluster_key, person_key AS unit, provider, setting,
    CASE WHEN has_number THEN 'with' ELSE 'without' END AS nhs_number,
    person_group.* EXCLUDE (person_key),
    n_person, n_cluster, n_both, 0::BIGINT AS n_blocked
FROM judged
INNER JOIN person_size USING (person_key)
INNER JOIN cluster_size USING (cluster_key)
INNER JOIN both_size USING (person_key, cluster_key)
INNER JOIN person_group USING (person_key);

DROP TABLE judged;
DROP TABLE person_group;
