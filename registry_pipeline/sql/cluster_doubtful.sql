-- Connected groups that must not stand as they are. Everything here asks a group's own records, pairs and overrides only.
-- Reads: component (id, component), cluster_record, judged_part, match_edge, override_link, prior_record.
-- Numbers: $rules and the $fields in which they tell people apart, $has_households, $generation_years, $same_death_days, $large_group,
-- $most_in_a_group, $sure_weight, $records_in_a_batch, $given_different.

CREATE OR REPLACE TEMP TABLE sized AS
SELECT
    component,
    -- The numbers of records differ from night to night; their record_ids do not.
    arg_min(id, record_id) AS first,
    count(*) AS records,
    coalesce(min(number_id) <> max(number_id), false) AS has_two_numbers,
    coalesce(max(death_date) - min(death_date) > $same_death_days, false) AS has_two_deaths,
    coalesce(min(given_name) FILTER (is_infant) <> max(given_name) FILTER (is_infant), false) AS has_two_infants,
    coalesce(bool_or(given_name IS NULL OR length(given_name) = 1), false) AS lacks_given,
    coalesce(bool_or(birth_digits IS NULL), false) AS lacks_birth
FROM component
INNER JOIN cluster_record USING (id)
GROUP BY component;

-- Two people: a rule says so of the pair; or they are two infants of two names; or they would meet only through records
-- that lack what tells them apart: the given names of one birth date, or the birth dates of two generations.
CREATE OR REPLACE TEMP TABLE apart_pair AS
WITH by_rule AS (
    SELECT id_l, id_r, l.component, $fields[list_position($rules, judged_by)] AS differs_in
    FROM judged_part
    INNER JOIN component AS l ON l.id = id_l
    INNER JOIN component AS r ON r.id = id_r
    WHERE list_contains($rules, judged_by) AND judged_outcome <> 'match' AND l.component = r.component
),
looked_into AS (
    SELECT component, has_two_infants, $has_households AND lacks_given AS lacks_given, $has_households AND lacks_birth AS lacks_birth
    FROM sized
    WHERE (has_two_infants OR ($has_households AND (lacks_given OR lacks_birth))) AND records BETWEEN 2 AND $most_in_a_group
),
member AS (
    SELECT
        component, id, has_two_infants, lacks_given, lacks_birth, is_infant, number_id, birth_digits,
        CASE WHEN length(given_name) > 1 THEN given_name END AS given_name,
        birth_digits[1:4]::INTEGER AS birth_year
    FROM looked_into
    INNER JOIN component USING (component)
    INNER JOIN cluster_record USING (id)
),
met AS (
    SELECT
        least(l.id, r.id) AS id_l, greatest(l.id, r.id) AS id_r, l.component,
        l.given_name AS given_name_l, r.given_name AS given_name_r,
        coalesce(l.is_infant AND r.is_infant, false) AS are_infants,
        coalesce(abs(l.birth_year - r.birth_year) >= $generation_years, false) AS are_generations
    FROM member AS l
    INNER JOIN member AS r ON l.component = r.component AND l.id < r.id
    WHERE NOT coalesce(l.number_id = r.number_id, false) AND (
        (l.given_name <> r.given_name AND (
            (l.has_two_infants AND l.is_infant AND r.is_infant) OR (l.lacks_given AND l.birth_digits = r.birth_digits)
        ))
        OR (l.lacks_birth AND abs(l.birth_year - r.birth_year) >= $generation_years)
    )
),
unseen AS (
    SELECT
        met.id_l, met.id_r, component,
        CASE WHEN are_generations THEN 'birth_date' ELSE 'given_name' END AS differs_in,
        NOT are_infants AS is_soft
    FROM met
    LEFT JOIN judged_part USING (id_l, id_r)
    ANTI JOIN (SELECT id_l, id_r FROM match_edge WHERE NOT only_stays) AS linked USING (id_l, id_r)
    ANTI JOIN by_rule USING (id_l, id_r)
    WHERE CASE
        WHEN are_generations THEN true
        WHEN judged_part.judged_by IS NOT NULL THEN given_name_level = $given_different
        -- Pairs that were never scored: the names as they are written must leave no doubt.
        ELSE jaro_winkler_similarity(given_name_l, given_name_r) < 0.88
            AND NOT list_has_any(string_split(given_name_l, ' '), string_split(given_name_r, ' '))
    END
)
SELECT id_l, id_r, component, differs_in, false AS is_soft FROM by_rule
UNION ALL
SELECT id_l, id_r, component, differs_in, is_soft FROM unseen;

CREATE OR REPLACE TEMP TABLE doubtful_component AS
WITH doubtful AS (
    SELECT component FROM sized WHERE has_two_numbers OR has_two_deaths OR records >= $large_group
    UNION
    SELECT component FROM apart_pair
    UNION
    SELECT component FROM override_link INNER JOIN component ON component.id IN (id_l, id_r)
    UNION
    -- Such a link joins a record to a group, but no two groups.
    SELECT component
    FROM match_edge
    INNER JOIN component ON component.id = id_l
    INNER JOIN sized USING (component)
    WHERE NOT is_certain AND weight < $sure_weight AND records >= 4
)
SELECT
    component, first, records,
    ((sum(records) OVER (ORDER BY component) - records) // $records_in_a_batch)::INTEGER AS batch
FROM doubtful
INNER JOIN sized USING (component);

CREATE OR REPLACE TEMP TABLE doubtful_record AS
SELECT component, first, id, record_id, number_id, death_date, patient_id::VARCHAR AS prior
FROM doubtful_component
INNER JOIN component USING (component)
INNER JOIN cluster_record USING (id)
LEFT JOIN prior_record USING (record_id);

-- Of a group that no person could look through, only what is certain and what was together is followed.
CREATE OR REPLACE TEMP TABLE doubtful_link AS
SELECT
    l.component, id_l, id_r, weight, match_edge.decided_by, is_certain, says_given, says_birth, only_stays,
    records <= $most_in_a_group OR is_certain OR coalesce(l.prior = r.prior, false) AS is_followed
FROM match_edge
INNER JOIN doubtful_record AS l ON l.id = id_l
INNER JOIN doubtful_record AS r ON r.id = id_r
INNER JOIN doubtful_component ON doubtful_component.component = l.component;

CREATE OR REPLACE TEMP TABLE doubtful_override AS
SELECT l.component, override_id, kind = 'must_link' AS is_must, id_l, id_r
FROM override_link
INNER JOIN doubtful_record AS l ON l.id = id_l
INNER JOIN doubtful_record AS r ON r.id = id_r
WHERE l.component = r.component;
