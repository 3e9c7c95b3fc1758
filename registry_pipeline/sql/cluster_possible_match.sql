-- Pairs for a person to review, in the shape of `attention`: possible matches whose records are not one person already.
-- A pair whose link was cut, or that fits two people, has a row of its own reason. Reads: judged_pair, cluster_record, clustered.
SELECT
    mine.component,
    'possible_match' AS reason,
    [least(l.record_id, r.record_id), greatest(l.record_id, r.record_id)] AS record_ids,
    decided_by,
    match_weight,
    []::BIGINT[] AS override_ids
FROM judged_pair
INNER JOIN cluster_record AS l ON l.id = id_l
INNER JOIN cluster_record AS r ON r.id = id_r
INNER JOIN clustered AS mine ON mine.id = id_l
INNER JOIN clustered AS theirs ON theirs.id = id_r
WHERE outcome = 'possible_match' AND mine.cluster <> theirs.cluster
    AND NOT starts_with(decided_by, 'cut_') AND decided_by NOT IN ('fits_two_people', 'frozen');
