-- What becomes of each scored pair of a chunk. Scores alone would join households and twins (surname, home, phone and a
-- twin's birth date are not independent), so rules stand between the score and the join, each with a name.
-- Reads: scored (Splink's result: levels, match_weight), pair_to_score, counted_record, the variable `level` (comparison -> level -> number).
-- Numbers: $match_weight, $possible_match_weight, $kept_weight, $generation_years, $has_households, $family_rules.
WITH pair AS (
    SELECT
        scored.* EXCLUDE (id_l, id_r, rule), each_pair.id_l, each_pair.id_r, each_pair.rule,
        l.is_verified AND r.is_verified AS both_verified,
        nhs_number_level = getvariable('level').nhs_number.same AS nhs_agrees,
        nhs_number_level IN (getvariable('level').nhs_number.one_digit, getvariable('level').nhs_number.different) AS nhs_differs,
        given_name_level = getvariable('level').given_name.different AS given_differs,
        given_name_level IN (getvariable('level').given_name.same, getvariable('level').given_name.variant) AS given_is_sure,
        given_name_level >= getvariable('level').given_name.close AS given_agrees,
        given_name_level IN (-1, getvariable('level').given_name.initial) AS given_is_weak,
        family_name_level > getvariable('level').family_name.in_other_field AS family_agrees,
        family_name_level BETWEEN 0 AND getvariable('level').family_name.in_other_field AS family_differs,
        birth_date_level >= getvariable('level').birth_date.day_month_swapped AS birth_is_sure,
        birth_date_level > getvariable('level').birth_date.different AS birth_agrees,
        birth_date_level = getvariable('level').birth_date.different AS birth_differs,
        sex_level = getvariable('level').sex.different AS sex_differs,
        home_level >= getvariable('level').home.similar OR phone_level = getvariable('level').phone.same AS same_household,
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
    WHERE match_weight >= $kept_weight OR each_pair.rule = 0 OR nhs_number_level = getvariable('level').nhs_number.same
),
ruled AS (
    SELECT
        *,
        CASE
            WHEN nhs_differs AND both_verified THEN 'different_verified_nhs_numbers'
            WHEN nhs_differs THEN 'different_nhs_numbers'
            WHEN rule = 0 THEN 'local_merge'
            -- A number alone is not enough: numbers are keyed into the wrong record, above all between twins.
            WHEN nhs_agrees AND given_differs AND sex_differs THEN 'different_sex_and_given_name'
            WHEN nhs_agrees AND birth_is_sure AND NOT (given_differs AND family_differs) THEN 'same_nhs_number'
            WHEN nhs_agrees AND birth_agrees AND NOT given_differs AND NOT family_differs THEN 'same_nhs_number'
            WHEN nhs_agrees AND given_agrees AND family_agrees AND NOT (birth_differs AND other_generation)
                THEN 'same_nhs_number'
            WHEN nhs_agrees AND NOT birth_is_sure AND NOT given_agrees THEN 'nhs_number_of_somebody_else'
            WHEN match_weight < $match_weight THEN 'match_weight'
            WHEN sex_differs AND NOT given_is_sure THEN 'different_sex_and_given_name'
            WHEN given_differs AND NOT nhs_agrees AND (NOT family_differs AND (same_household OR birth_agrees) OR same_household)
                THEN 'different_given_name_in_one_family'
            WHEN birth_differs AND other_generation THEN 'parent_and_child_of_one_name'
            WHEN birth_differs AND NOT nhs_agrees AND NOT email_agrees THEN 'different_birth_date'
            WHEN given_is_weak AND is_newborn AND NOT nhs_agrees THEN 'newborn_without_given_name'
            WHEN given_is_weak AND NOT birth_is_sure AND NOT nhs_agrees THEN 'only_household_evidence'
            WHEN family_differs AND same_household AND NOT birth_is_sure AND NOT nhs_agrees THEN 'only_household_evidence'
            ELSE 'match_weight'
        END AS rule_name
    FROM (
        SELECT * REPLACE (
            coalesce(nhs_agrees, false) AS nhs_agrees, coalesce(nhs_differs, false) AS nhs_differs,
            coalesce(sex_differs, false) AS sex_differs, coalesce(same_household, false) AS same_household,
            coalesce(birth_differs, false) AS birth_differs, coalesce(other_generation, false) AS other_generation,
            coalesce(is_newborn, false) AS is_newborn, coalesce(email_agrees, false) AS email_agrees
        ) FROM pair
    )
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
    -- A pair that is one person by rule keeps the score that the comparisons gave it.
    match_probability, COLUMNS('_(level|weight)$') -- match_weight among them
FROM (
    -- In data that shows no families, a family's rules would only part what is one person.
    SELECT *, CASE WHEN list_contains($family_rules, rule_name) AND NOT $has_households
        THEN 'match_weight' ELSE rule_name END AS decided_by
    FROM ruled
)
WHERE match_weight >= $kept_weight OR decided_by IN ('same_nhs_number', 'local_merge', 'nhs_number_of_somebody_else')
