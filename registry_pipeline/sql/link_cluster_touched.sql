-- What clustering reads where only changes were linked: whole connected groups that something happened to. A group is
-- made again when a record of it is new, changed or gone, when a new pair may join it, and when an override or a pair
-- held from the night before speaks of it differently than last night. All others keep their clusters.
-- Reads: everybody, touched, gone, before, new_pair, earlier_* (last night's tables), override_pair, prior_record.
-- Numbers: $stay_weight, $all_groups (where what is left over of one group may decide another).
CREATE OR REPLACE TEMP TABLE changed_record AS
SELECT record_id FROM everybody SEMI JOIN touched USING (state)
UNION
SELECT record_id FROM before SEMI JOIN gone USING (state);

CREATE OR REPLACE TEMP VIEW pair_tonight AS
SELECT * FROM new_pair
UNION ALL BY NAME
SELECT * FROM earlier_linked_pair
ANTI JOIN changed_record AS changed_l ON changed_l.record_id = record_id_l
ANTI JOIN changed_record AS changed_r ON changed_r.record_id = record_id_r;

CREATE OR REPLACE TEMP TABLE held_tonight AS
WITH may_hold AS (
    SELECT record_id_l, record_id_r FROM pair_tonight WHERE judged_outcome <> 'match' AND match_weight >= $stay_weight
),
prior AS (
    SELECT record_id, patient_id FROM prior_record
    SEMI JOIN (SELECT record_id_l AS record_id FROM may_hold UNION SELECT record_id_r FROM may_hold) AS asked USING (record_id)
)
SELECT record_id_l, record_id_r
FROM may_hold
INNER JOIN prior AS prior_l ON prior_l.record_id = record_id_l
INNER JOIN prior AS prior_r ON prior_r.record_id = record_id_r
WHERE prior_l.patient_id = prior_r.patient_id;

CREATE OR REPLACE TEMP TABLE stirred_record AS
WITH held_otherwise AS (
    (SELECT record_id_l, record_id_r FROM held_tonight EXCEPT SELECT record_id_l, record_id_r FROM earlier_held_pair)
    UNION ALL
    (SELECT record_id_l, record_id_r FROM earlier_held_pair EXCEPT SELECT record_id_l, record_id_r FROM held_tonight)
),
pair AS (
    SELECT record_id_l, record_id_r FROM new_pair WHERE judged_outcome = 'match' OR match_weight >= $stay_weight
    UNION ALL
    SELECT record_id_l, record_id_r FROM held_otherwise
    UNION ALL
    SELECT record_id_l, record_id_r FROM override_pair
    UNION ALL
    SELECT record_id_l, record_id_r FROM earlier_override_pair
)
SELECT record_id FROM changed_record
UNION
-- Groups that hold something doubtful may rest on what they were the night before: they are few.
SELECT record_ids[1] FROM earlier_needs_attention WHERE reason <> 'possible_match'
UNION
SELECT record_id_l FROM pair
UNION
SELECT record_id_r FROM pair;

CREATE OR REPLACE TEMP TABLE cluster_record AS
WITH component AS (
    SELECT DISTINCT component_id FROM earlier_person_cluster SEMI JOIN stirred_record USING (record_id)
),
chosen AS (
    SELECT record_id FROM earlier_person_cluster SEMI JOIN component USING (component_id)
    UNION
    SELECT record_id FROM stirred_record
)
SELECT
    row_number() OVER ()::INTEGER AS id, record_id, provider, setting, number_id, is_nhs_number_verified AS is_verified,
    given_name, strftime(birth_date, '%Y%m%d') AS birth_digits, death_date, is_infant, sex
FROM everybody
WHERE $all_groups OR record_id IN (FROM chosen);

CREATE OR REPLACE TEMP TABLE override_link AS
SELECT override_id, kind, l.id AS id_l, r.id AS id_r
FROM override_pair
INNER JOIN cluster_record AS l ON l.record_id = record_id_l
INNER JOIN cluster_record AS r ON r.record_id = record_id_r;
