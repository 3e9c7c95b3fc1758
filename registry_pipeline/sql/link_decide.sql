-- What becomes of each scored pair of a chunk. Scores alone would join households and twins (surname, home, phone and a
-- twin's birth date are not independent), so rules stand between the score and the join, each with a name.
-- Reads: scored (Splink's result: levels, match_weight), pair_to_score, counted_record, the variable `level` (comparison -> level -> number).
-- Numbers: $match_weight, $possible_match_weight, $kept_weight, $generation_years, $has_households, $family_rules.
-- Calibration (link/calibrate.py): $calibrated_groups, and to each in $calibrated_log_odds its log odds (base e) of being
-- true at the weights $calibrated_from, + 1, + 2, ... of the pair without its NHS numbers.
WITH pair AS (
    SELECT
        scored.* EXCLUDE (id_l, id_r, rule), each_pair.id_l, each_pair.id_r, each_pair.rule,
        l.is_verified AND r.is_verified AS both_verified,
        nhs_number_level >= getvariable('level').nhs_number.superseded AS nhs_agrees,
        nhs_number_level IN (getvariable('level').nhs_number.one_digit, getvariable('level').nhs_number.different) AS nhs_differs,
        given_name_level = getvariable('level').given_name.different AS given_differs,
        given_name_level IN (getvariable('level').given_name.same, getvariable('level').given_name.variant) AS given_is_sure,
        given_name_level >= getvariable('level').given_name.close AS given_agrees,
        given_name_level = getvariable('level').given_name.initial AS given_is_initial,
        given_name_level IN (-1, getvariable('level').given_name.initial) AS given_is_weak,
        middle_names_level = getvariable('level').middle_names.different AS middle_differs,
        family_name_level > getvariable('level').family_name.in_other_field AS family_agrees,
        family_name_level BETWEEN 0 AND getvariable('level').family_name.in_other_field AS family_differs,
        birth_date_level >= getvariable('level').birth_date.day_month_swapped AS birth_is_sure,
        birth_date_level >= getvariable('level').birth_date.two_parts AS birth_agrees,
        birth_date_level = getvariable('level').birth_date.different AS birth_differs,
        sex_level = getvariable('level').sex.different AS sex_differs,
        home_level >= getvariable('level').home.same_postcode OR home_level = getvariable('level').home.similar
            OR phone_level >= getvariable('level').phone.same AS same_household,
        email_level = getvariable('level').email.same AS email_agrees,
        abs(l.birth_digits[1:4]::INTEGER - r.birth_digits[1:4]::INTEGER) >= $generation_years AS other_generation,
        l.is_infant OR r.is_infant AS is_newborn,
        l.provider = r.provider AS same_provider
    FROM scored
    -- Records of one content were scored once.
    INNER JOIN pair_to_score AS each_pair ON each_pair.score_l = scored.id_l AND each_pair.score_r = scored.id_r
    INNER JOIN counted_record AS l ON l.id = each_pair.id_l
    INNER JOIN counted_record AS r ON r.id = each_pair.id_r
    -- What cannot be kept is left out before anything is joined to it.
    WHERE match_weight >= $kept_weight OR each_pair.rule = 0
        OR nhs_number_level >= getvariable('level').nhs_number.superseded
),
known AS (
    SELECT * REPLACE (
        coalesce(nhs_agrees, false) AS nhs_agrees, coalesce(nhs_differs, false) AS nhs_differs,
        coalesce(sex_differs, false) AS sex_differs, coalesce(same_household, false) AS same_household,
        coalesce(birth_differs, false) AS birth_differs, coalesce(other_generation, false) AS other_generation,
        coalesce(is_newborn, false) AS is_newborn, coalesce(email_agrees, false) AS email_agrees
    )
    FROM pair
),
-- What would decide if there were no NHS numbers: the rules that keep members of one family apart, else the weight.
without_number AS (
    SELECT
        *,
        CASE
            WHEN sex_differs AND NOT given_is_sure THEN 'different_sex_and_given_name'
            WHEN given_differs AND (NOT family_differs AND (same_household OR birth_agrees) OR same_household)
                THEN 'different_given_name_in_one_family'
            WHEN birth_differs AND other_generation THEN 'parent_and_child_of_one_name'
            -- An e-mail address made of the name alone is had by namesakes too.
            WHEN birth_differs AND NOT (email_agrees AND same_household) THEN 'different_birth_date'
            WHEN middle_differs AND NOT same_household AND NOT email_agrees THEN 'namesakes_of_other_middle_names'
            -- One provider gives two newborns two records; two providers know one newborn, unless a twin of it is known.
            WHEN given_is_weak AND is_newborn AND (same_provider OR NOT birth_is_sure) THEN 'newborn_without_given_name'
            WHEN given_is_weak AND NOT birth_is_sure THEN 'only_household_evidence'
            WHEN family_differs AND same_household AND NOT birth_is_sure THEN 'only_household_evidence'
            ELSE 'match_weight'
        END AS family_rule
    FROM known
),
in_families AS (
    -- In data that shows no families, a family's rules would only part what is one person.
    SELECT * REPLACE (
        CASE WHEN list_contains($family_rules, family_rule) AND NOT $has_households
            THEN 'match_weight' ELSE family_rule END AS family_rule
    )
    FROM without_number
),
ruled AS (
    SELECT
        *,
        CASE
            WHEN nhs_differs AND both_verified THEN 'different_verified_nhs_numbers'
            WHEN nhs_differs THEN 'different_nhs_numbers'
            WHEN rule = 0 THEN 'local_merge'
            WHEN NOT nhs_agrees THEN family_rule
            -- A number alone is not enough: numbers are keyed into the wrong record, above all between twins.
            WHEN given_differs AND sex_differs THEN 'different_sex_and_given_name'
            WHEN given_differs AND is_newborn AND NOT both_verified THEN 'nhs_number_of_somebody_else'
            WHEN birth_is_sure AND NOT (given_differs AND family_differs) THEN 'same_nhs_number'
            WHEN birth_agrees AND NOT given_differs AND NOT family_differs THEN 'same_nhs_number'
            WHEN given_agrees AND family_agrees AND NOT (birth_differs AND other_generation) THEN 'same_nhs_number'
            WHEN NOT birth_is_sure AND NOT given_agrees
                AND NOT (given_is_initial AND family_agrees AND NOT birth_differs) THEN 'nhs_number_of_somebody_else'
            WHEN family_rule IN ('different_sex_and_given_name', 'parent_and_child_of_one_name') THEN family_rule
            ELSE 'match_weight'
        END AS decided_by,
        CASE WHEN family_rule = 'match_weight' AND same_household THEN 'match_weight_in_one_household' ELSE family_rule END
            AS calibrated_group,
        coalesce(nhs_number_weight, 0) * ln(2) AS log_odds_of_number
    FROM in_families
),
curved AS (
    SELECT
        *,
        list_extract($calibrated_log_odds::DOUBLE[][], list_position($calibrated_groups::VARCHAR[], calibrated_group)) AS curve
    FROM ruled
),
placed AS (
    SELECT
        *,
        -- Between two points of the curve; beyond its ends it says what it says there.
        greatest(least(match_weight - coalesce(nhs_number_weight, 0) - $calibrated_from, len(curve) - 1.000001), 0) AS place
    FROM curved
),
calibrated AS (
    SELECT
        *,
        curve[floor(place)::INTEGER + 1]
            + (place - floor(place)) * (curve[floor(place)::INTEGER + 2] - curve[floor(place)::INTEGER + 1]) AS log_odds_of_rest,
        CASE
            -- A merge that the provider stated is no matter of weights.
            WHEN curve IS NULL OR decided_by = 'local_merge' THEN match_weight * ln(2)
            -- Where a rule overrules one number of two records, it is somebody else's: it adds nothing.
            WHEN nhs_agrees AND decided_by NOT IN ('same_nhs_number', 'match_weight') THEN log_odds_of_rest
            ELSE log_odds_of_rest + log_odds_of_number
        END AS log_odds
    FROM placed
)
SELECT
    id_l, id_r, rule, same_provider, decided_by,
    CASE
        WHEN decided_by IN ('same_nhs_number', 'local_merge') THEN 'match'
        WHEN decided_by = 'different_verified_nhs_numbers' THEN 'no_match'
        -- Relatives with a number each, not verified yet, are nothing to review; one person with two numbers is.
        WHEN decided_by = 'different_nhs_numbers' AND (given_differs OR birth_differs) THEN 'no_match'
        WHEN decided_by = 'match_weight' AND match_weight >= $match_weight THEN 'match'
        WHEN match_weight >= $possible_match_weight THEN 'possible_match'
        ELSE 'no_match'
    END AS outcome,
    1 / (1 + exp(-least(greatest(log_odds, -700), 700))) AS match_probability,
    COLUMNS('_(level|weight)$') -- match_weight among them
FROM calibrated
WHERE match_weight >= $kept_weight OR decided_by IN ('same_nhs_number', 'local_merge', 'nhs_number_of_somebody_else')
