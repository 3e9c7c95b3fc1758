-- People by world. World 0 is the registry as published. For each move of the linkage threshold there are two more: the
-- people whom the move touches as published (odd), and as they would be (even), so that what a move changes is the
-- difference of the two. Somebody made by a split takes age, death and groups of the person that the records leave.
-- Reads patient, patient_record, linkage_alternative, postcode_area, audit_neighbourhood. Parameter: $first.
CREATE OR REPLACE TEMP TABLE audit_move AS
SELECT threshold_move, row_number() OVER (ORDER BY threshold_move) AS number
FROM (SELECT DISTINCT threshold_move FROM linkage_alternative WHERE patient_id <> alternative_patient_id);

CREATE OR REPLACE TEMP TABLE audit_moved_record AS
SELECT audit_move.number, record_id, patient_id, alternative_patient_id
FROM linkage_alternative JOIN audit_move USING (threshold_move)
WHERE patient_id <> alternative_patient_id;

-- Every record of everybody touched, with whose it is and whose it would be.
CREATE OR REPLACE TEMP TABLE audit_touched_record AS
WITH touched AS (
    SELECT number, patient_id FROM audit_moved_record
    UNION
    SELECT number, alternative_patient_id FROM audit_moved_record
)
SELECT
    number, record_id, touched.patient_id,
    coalesce(audit_moved_record.alternative_patient_id, touched.patient_id) AS other_patient_id
FROM touched
JOIN patient_record ON patient_record.patient_id = touched.patient_id
LEFT JOIN audit_moved_record USING (number, record_id);

CREATE OR REPLACE TEMP TABLE audit_person AS
WITH known AS (
    SELECT
        patient_id, birth_date, death_date,
        coalesce(gp_practice, 'not known') AS practice,
        coalesce(audit_neighbourhood.neighbourhood, 'none named') AS neighbourhood,
        coalesce(postcode_area.lsoa, 'not known') AS lsoa,
        audit_ethnicity(ethnicity) AS ethnicity,
        audit_fifth(postcode_area.deprivation_decile) AS deprivation
    FROM patient
    LEFT JOIN audit_neighbourhood ON audit_neighbourhood.practice = patient.gp_practice
    LEFT JOIN postcode_area ON postcode_area.postcode = patient.postcode
),
in_world AS (
    SELECT 2 * number - 1 AS world, patient_id, patient_id AS like_patient_id FROM audit_touched_record
    UNION
    SELECT
        2 * number,
        other_patient_id,
        coalesce(any_value(patient_id) FILTER (patient_id = other_patient_id), min(patient_id))
    FROM audit_touched_record
    GROUP BY ALL
),
-- Somebody whom records join takes after their own entry, where the registry has one.
after_whom AS (
    SELECT world, in_world.patient_id, coalesce(own.patient_id, min(like_patient_id)) AS like_patient_id
    FROM in_world LEFT JOIN patient AS own ON own.patient_id = in_world.patient_id
    GROUP BY world, in_world.patient_id, own.patient_id
)
SELECT row_number() OVER ()::INTEGER AS person, *
FROM (
    SELECT 0 AS world, * FROM known
    UNION ALL
    SELECT world, after_whom.patient_id, known.* EXCLUDE (patient_id)
    FROM after_whom JOIN known ON known.patient_id = after_whom.like_patient_id
);

-- Whose a touched record is in each world.
CREATE OR REPLACE TEMP TABLE audit_touched_person AS
SELECT record_id, person
FROM (
    SELECT record_id, 2 * number - 1 AS world, patient_id FROM audit_touched_record
    UNION ALL
    SELECT record_id, 2 * number, other_patient_id FROM audit_touched_record
)
JOIN audit_person USING (world, patient_id);
CREATE OR REPLACE TEMP TABLE audit_published_person AS SELECT patient_id, person FROM audit_person WHERE world = 0;
