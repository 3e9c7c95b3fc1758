-- What clustering reads where every record was linked. Reads: counted_record, new_part (what scoring wrote),
-- override_pair, prior_record. Number: $stay_weight.
CREATE OR REPLACE TEMP TABLE cluster_record AS
SELECT id, record_id, provider, setting, number_id, is_verified, given_name, birth_digits, death_date, is_infant, sex
FROM counted_record;

CREATE OR REPLACE TEMP VIEW judged_part AS SELECT * RENAME (decided_by AS judged_by, outcome AS judged_outcome) FROM new_part;

CREATE OR REPLACE TEMP TABLE override_link AS
SELECT override_id, kind, l.id AS id_l, r.id AS id_r
FROM override_pair
INNER JOIN cluster_record AS l ON l.record_id = record_id_l
INNER JOIN cluster_record AS r ON r.record_id = record_id_r;

-- Pairs that the night before may hold together on less evidence than joining needs.
CREATE OR REPLACE TEMP TABLE held_tonight AS
SELECT least(l.record_id, r.record_id) AS record_id_l, greatest(l.record_id, r.record_id) AS record_id_r
FROM (SELECT id_l, id_r FROM judged_part WHERE judged_outcome <> 'match' AND match_weight >= $stay_weight)
INNER JOIN cluster_record AS l ON l.id = id_l
INNER JOIN cluster_record AS r ON r.id = id_r
INNER JOIN prior_record AS prior_l ON prior_l.record_id = l.record_id
INNER JOIN prior_record AS prior_r ON prior_r.record_id = r.record_id
WHERE prior_l.patient_id = prior_r.patient_id;
