-- may_stay: pairs that are too weak to join and strong enough to stay joined, and nothing but the weight speaks against them.
-- Reads: judged_part. Numbers: $stay_weight, $has_households, and of levels $given_different, $birth_different, $sex_different.
CREATE OR REPLACE TEMP TABLE may_stay AS
SELECT id_l, id_r
FROM judged_part
WHERE judged_by = 'match_weight' AND judged_outcome <> 'match' AND match_weight >= $stay_weight
    -- Below the threshold no rule has been asked, so what makes rules keep a pair apart is asked here.
    AND NOT ($has_households AND (
        given_name_level = $given_different OR birth_date_level = $birth_different OR sex_level = $sex_different
    ));

-- match_edge: links between records. A certain link was made by a rule and not by a score; one that only stays is of two
-- records that were one person the night before.
-- Reads further: cluster_record, prior_record, left_over. Numbers: $certain, $given_initial.
CREATE OR REPLACE TEMP TABLE match_edge AS
WITH asked AS (
    SELECT id_l AS id FROM may_stay UNION SELECT id_r FROM may_stay
),
was AS MATERIALIZED (
    SELECT id, patient_id FROM asked INNER JOIN cluster_record USING (id) INNER JOIN prior_record USING (record_id)
),
late AS (
    SELECT id_l, id_r, 'left_over' AS decided_by, false AS only_stays FROM left_over
    UNION ALL
    SELECT id_l, id_r, 'stays_joined', true
    FROM may_stay
    INNER JOIN was AS was_l ON was_l.id = id_l
    INNER JOIN was AS was_r ON was_r.id = id_r
    ANTI JOIN left_over USING (id_l, id_r)
    WHERE was_l.patient_id = was_r.patient_id
),
link AS (
    SELECT id_l, id_r, judged_by AS decided_by, false AS only_stays,
        match_weight, match_probability, given_name_level, birth_date_level
    FROM judged_part
    WHERE judged_outcome = 'match'
    UNION ALL
    SELECT id_l, id_r, decided_by, only_stays, match_weight, match_probability, given_name_level, birth_date_level
    FROM judged_part
    INNER JOIN late USING (id_l, id_r)
    WHERE judged_outcome <> 'match'
)
SELECT
    id_l, id_r, decided_by, only_stays, list_contains($certain, decided_by) AS is_certain,
    coalesce(match_weight, 0) AS weight, match_probability AS probability,
    given_name_level NOT IN (-1, $given_initial) AS says_given, birth_date_level <> -1 AS says_birth
FROM link;
