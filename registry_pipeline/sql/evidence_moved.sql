-- What clustering reads to make the groups within reach of a moved threshold anew: those with a pair that only its weight
-- decided, of a weight that some move passes. What holds together at the lowest threshold are whole such groups, so that
-- nothing outside them changes. Reads: linked_pair, person_cluster, everybody, held_pair, night_override.
-- Numbers: $lowest and $highest weight that a threshold is moved to; $all_groups takes every group.
CREATE OR REPLACE TEMP TABLE moved_component AS
WITH reached AS (
    SELECT record_id_l, record_id_r FROM linked_pair
    WHERE judged_by = 'match_weight' AND match_weight >= $lowest AND match_weight < $highest
),
reached_record AS (
    SELECT record_id_l AS record_id FROM reached UNION SELECT record_id_r FROM reached
)
SELECT DISTINCT component_id FROM person_cluster SEMI JOIN reached_record USING (record_id)
UNION
SELECT DISTINCT component_id FROM person_cluster WHERE $all_groups;

CREATE OR REPLACE TEMP TABLE moved_record AS
SELECT (row_number() OVER (ORDER BY record_id) - 1)::INTEGER AS id, record_id, hash(cluster_id) AS cluster_then, cluster_id
FROM person_cluster
SEMI JOIN moved_component USING (component_id);

CREATE OR REPLACE TEMP TABLE cluster_record AS
SELECT
    id, record_id, provider, setting, number_id, is_settled AS is_verified, given_name,
    strftime(birth_date, '%Y%m%d') AS birth_digits, death_date, is_infant, sex
FROM moved_record
INNER JOIN everybody USING (record_id);

CREATE OR REPLACE TEMP TABLE override_link AS
SELECT override_id, kind, l.id AS id_l, r.id AS id_r
FROM night_override
INNER JOIN moved_record AS l ON l.record_id = record_id_l
INNER JOIN moved_record AS r ON r.record_id = record_id_r;

CREATE OR REPLACE TEMP TABLE pair_as_judged AS
SELECT
    least(l.id, r.id) AS id_l, greatest(l.id, r.id) AS id_r, judged_by, judged_outcome, match_weight, match_probability,
    held_pair.record_id_l IS NOT NULL AS is_held,
    everybody_l.provider = everybody_r.provider AS same_provider,
    coalesce(comparison_levels.given_name, -1)::INTEGER AS given_name_level,
    coalesce(comparison_levels.birth_date, -1)::INTEGER AS birth_date_level,
    coalesce(comparison_levels.sex, -1)::INTEGER AS sex_level
FROM linked_pair
INNER JOIN moved_record AS l ON l.record_id = linked_pair.record_id_l
INNER JOIN moved_record AS r ON r.record_id = linked_pair.record_id_r
INNER JOIN cluster_record AS everybody_l ON everybody_l.id = l.id
INNER JOIN cluster_record AS everybody_r ON everybody_r.id = r.id
LEFT JOIN held_pair ON held_pair.record_id_l = linked_pair.record_id_l AND held_pair.record_id_r = linked_pair.record_id_r;

-- Who is one person tonight counts as having been one person: groups that are frozen or too large stay as they are. Where
-- pairs that are too weak keep their name (evidence_judged), only of groups with a pair that stays joined tonight.
CREATE OR REPLACE TEMP TABLE prior_record AS
WITH holding AS (
    SELECT DISTINCT cluster_id
    FROM moved_record
    SEMI JOIN (SELECT record_id_l AS record_id FROM held_pair UNION SELECT record_id_r FROM held_pair) AS held USING (record_id)
)
SELECT record_id, cluster_id AS patient_id FROM moved_record WHERE NOT $all_groups OR cluster_id IN (FROM holding);
