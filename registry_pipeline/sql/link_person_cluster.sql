-- person_cluster: every person record with its cluster, and the strongest link that holds it in.
-- Reads: cluster_record, clustered (id, cluster, component), held_in.
WITH cluster AS (
    SELECT clustered.cluster, count(*) AS cluster_size, any_value(component) AS component FROM clustered GROUP BY cluster
),
named AS (
    SELECT cluster, cluster_size, component, record_id AS cluster_id
    FROM cluster
    INNER JOIN cluster_record ON cluster_record.id = cluster
),
cut_out AS (
    SELECT cluster, record_id AS component_id
    FROM cluster
    INNER JOIN cluster_record ON cluster_record.id = component
    WHERE cluster <> component
)
SELECT
    cluster_record.record_id,
    cluster_id,
    cluster_size,
    coalesce(link_method, 'single') AS link_method,
    coalesce(link_probability, 1) AS link_probability,
    coalesce(is_conflict_cut, false) AS is_conflict_cut,
    coalesce(component_id, cluster_id) AS component_id
FROM clustered
INNER JOIN cluster_record ON cluster_record.id = clustered.id
INNER JOIN named ON named.cluster = clustered.cluster
LEFT JOIN cut_out ON cut_out.cluster = clustered.cluster
LEFT JOIN held_in ON held_in.id = clustered.id
