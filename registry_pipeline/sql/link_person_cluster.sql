-- person_cluster: every person record with its cluster, and the strongest link that holds it in.
-- Reads: cluster_record, clustered (id, cluster, component), held_in.
WITH sized AS (
    SELECT cluster, count(*) AS cluster_size FROM clustered GROUP BY cluster
)
SELECT
    cluster_record.record_id,
    first_record.record_id AS cluster_id,
    cluster_size,
    coalesce(link_method, 'single') AS link_method,
    coalesce(link_probability, 1) AS link_probability,
    coalesce(is_conflict_cut, false) AS is_conflict_cut,
    first_of_component.record_id AS component_id
FROM clustered
INNER JOIN sized USING (cluster)
INNER JOIN cluster_record ON cluster_record.id = clustered.id
INNER JOIN cluster_record AS first_record ON first_record.id = clustered.cluster
INNER JOIN cluster_record AS first_of_component ON first_of_component.id = clustered.component
LEFT JOIN held_in ON held_in.id = clustered.id
