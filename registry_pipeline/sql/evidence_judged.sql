-- Pairs as they would be judged at another threshold. What is too weak for it and does not stay joined tonight goes by
-- another name, so that it does not stay joined for having been joined. Reads: pair_as_judged.
SELECT * REPLACE (
    CASE
        WHEN judged_by = 'match_weight' AND match_weight < /* threshold */ AND NOT is_held AND NOT /* all_groups */
            THEN 'below_threshold'
        ELSE judged_by
    END AS judged_by,
    CASE
        WHEN judged_by <> 'match_weight' THEN judged_outcome
        WHEN match_weight >= /* threshold */ THEN 'match'
        WHEN match_weight >= /* possible */ THEN 'possible_match'
        ELSE 'no_match'
    END AS judged_outcome
)
FROM pair_as_judged
