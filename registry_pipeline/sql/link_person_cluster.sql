-- person_cluster: every person record with its cluster, and the strongest link that holds it in.
-- Reads: link_record, clustered (id, cluster), match_edge.
WITH link_end AS (
    SELECT id_l AS id, id_r AS other, weight, probability, decided_by FROM match_edge
    UNION ALL
    SELECT id_r, id_l, weight, probability, decided_by FROM match_edge
),
held AS (
    SELECT
        link_end.id,
        arg_max(
            CASE WHEN mine.cluster = theirs.cluster
                THEN {'method': link_end.decided_by, 'probability': CASE link_end.decided_by WHEN 'match_weight' THEN probability ELSE 1 END} END,
            CASE link_end.decided_by WHEN 'same_nhs_number' THEN 2000 WHEN 'local_merge' THEN 1000 ELSE weight END
        ) FILTER (mine.cluster = theirs.cluster) AS strongest,
        bool_or(mine.cluster <> theirs.cluster) AS is_conflict_cut
    FROM link_end
    INNER JOIN clustered AS mine ON mine.id = link_end.id
    INNER JOIN clustered AS theirs ON theirs.id = link_end.other
    GROUP BY link_end.id
),
sized AS (
    SELECT cluster, count(*) AS cluster_size FROM clustered GROUP BY cluster
)
SELECT
    link_record.record_id,
    coalesce(first_record.record_id, link_record.record_id) AS cluster_id,
    coalesce(cluster_size, 1) AS cluster_size,
    coalesce(strongest.method, 'single') AS link_method,
    coalesce(strongest.probability, 1) AS link_probability,
    coalesce(is_conflict_cut, false) AS is_conflict_cut,
    coalesce(first_record.record_id, link_record.record_id) AS component_id
FROM link_record
LEFT JOIN clustered ON clustered.id = link_record.id
LEFT JOIN sized ON sized.cluster = clustered.cluster
LEFT JOIN link_record AS first_record ON first_record.id = clustered.cluster
LEFT JOIN held ON held.id = link_record.id
