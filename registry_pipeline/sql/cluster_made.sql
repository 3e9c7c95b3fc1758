-- What clustering leaves behind. Reads: cluster_record, component, sized, match_edge, rebuilt (id, cluster, component),
-- cut_link (id_l, id_r, reason), frozen_record (id), override_link, may_stay, left_over, judged_part.

-- clustered: every record, with the record of smallest record_id of its cluster and of its connected group.
CREATE OR REPLACE TEMP TABLE clustered AS
SELECT
    cluster_record.id,
    coalesce(rebuilt.cluster, first, cluster_record.id) AS cluster,
    coalesce(rebuilt.component, first, cluster_record.id) AS component
FROM cluster_record
LEFT JOIN component USING (id)
LEFT JOIN sized ON sized.component = component.component
LEFT JOIN rebuilt ON rebuilt.id = cluster_record.id;

-- overridden: pairs that a person laid down something of, with what came of it.
CREATE OR REPLACE TEMP TABLE overridden AS
WITH laid_down AS (
    SELECT
        least(id_l, id_r) AS id_l, greatest(id_l, id_r) AS id_r,
        bool_or(kind = 'must_link') AS is_must, bool_or(kind = 'cannot_link') AS is_cannot,
        min(override_id) AS override_id
    FROM override_link
    GROUP BY ALL
)
SELECT
    laid_down.id_l, laid_down.id_r, override_id,
    l.cluster = r.cluster AS is_together,
    CASE
        WHEN is_together AND is_must AND NOT is_cannot THEN 'must_link'
        WHEN NOT is_together AND is_cannot AND NOT is_must THEN 'cannot_link'
        ELSE 'frozen'
    END AS decided_by,
    CASE WHEN is_together THEN 'match' WHEN is_must THEN 'possible_match' ELSE 'no_match' END AS outcome
FROM laid_down
INNER JOIN clustered AS l ON l.id = laid_down.id_l
INNER JOIN clustered AS r ON r.id = laid_down.id_r;

-- stays_joined: what is enough to stay joined, between records that are one person: by the night before, or by other links.
CREATE OR REPLACE TEMP TABLE stays_joined AS
SELECT may_stay.id_l, may_stay.id_r
FROM may_stay
INNER JOIN clustered AS l ON l.id = may_stay.id_l
INNER JOIN clustered AS r ON r.id = may_stay.id_r
WHERE l.cluster = r.cluster;

-- decided_again: pairs whose outcome rests on more than their two records.
CREATE OR REPLACE TEMP TABLE decided_again AS
WITH cut AS (
    SELECT id_l, id_r, CASE WHEN reason = 'fits_two_people' THEN reason ELSE 'cut_' || reason END AS decided_by
    FROM cut_link
    ANTI JOIN overridden USING (id_l, id_r)
),
late AS (
    SELECT id_l, id_r, 'left_over' AS decided_by FROM left_over
    UNION ALL
    SELECT id_l, id_r, 'stays_joined' FROM stays_joined ANTI JOIN left_over USING (id_l, id_r)
)
SELECT id_l, id_r, decided_by, outcome, override_id FROM overridden
UNION ALL
SELECT id_l, id_r, decided_by, 'possible_match', NULL FROM cut
UNION ALL
SELECT id_l, id_r, decided_by, 'match', NULL
FROM late ANTI JOIN cut USING (id_l, id_r) ANTI JOIN overridden USING (id_l, id_r);

CREATE OR REPLACE TEMP VIEW judged_pair AS
SELECT
    judged_part.*,
    coalesce(decided_again.decided_by, judged_by) AS decided_by,
    coalesce(decided_again.outcome, judged_outcome) AS outcome,
    decided_again.override_id::BIGINT AS override_id
FROM judged_part
LEFT JOIN decided_again USING (id_l, id_r);

-- held_in: every linked record with the strongest link that holds it in its cluster. Overrides rank above certain links,
-- and these above weights; what a frozen group holds is held by its overrides.
CREATE OR REPLACE TEMP TABLE held_in AS
WITH held_link AS (
    SELECT id_l, id_r, probability,
        CASE decided_by WHEN 'same_nhs_number' THEN 2000 WHEN 'local_merge' THEN 1000 ELSE weight END AS rank
    FROM match_edge
    ANTI JOIN cut_link USING (id_l, id_r)
    WHERE NOT only_stays
    UNION ALL
    SELECT id_l, id_r, match_probability, match_weight
    FROM stays_joined
    INNER JOIN judged_part USING (id_l, id_r)
    ANTI JOIN left_over USING (id_l, id_r)
),
link_end AS (
    SELECT id_l AS id, rank, probability, false AS is_cut FROM held_link
    UNION ALL
    SELECT id_r, rank, probability, false FROM held_link
    UNION ALL
    SELECT id_l, NULL, NULL, true FROM cut_link
    UNION ALL
    SELECT id_r, NULL, NULL, true FROM cut_link
    UNION ALL
    SELECT unnest([id_l, id_r]), 3000, 1, false FROM overridden WHERE decided_by = 'must_link'
    UNION ALL
    SELECT frozen_record.id, 3000, 1, false
    FROM frozen_record
    INNER JOIN clustered USING (id)
    WHERE cluster IN (SELECT cluster FROM clustered SEMI JOIN frozen_record USING (id) GROUP BY cluster HAVING count(*) > 1)
),
strongest AS (
    SELECT
        id, max(rank) AS rank, bool_or(is_cut) AS is_conflict_cut,
        max(probability) FILTER (rank < 1000) AS probability
    FROM link_end
    GROUP BY id
)
SELECT
    id,
    CASE
        WHEN rank IS NULL THEN 'single'
        WHEN rank >= 3000 THEN 'must_link'
        WHEN rank >= 2000 THEN 'same_nhs_number'
        WHEN rank >= 1000 THEN 'local_merge'
        ELSE 'match_weight'
    END AS link_method,
    CASE WHEN rank < 1000 THEN probability ELSE 1 END AS link_probability,
    is_conflict_cut
FROM strongest;
