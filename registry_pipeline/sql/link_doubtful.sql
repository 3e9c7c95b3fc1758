-- Components that must not stand as they are: two NHS numbers, a pair kept apart by a rule, or so large that one weak
-- link may join two groups (of any two groups, where the link is one below $sure_weight). Reads: component (cluster_id, id), link_record, match_edge, apart_edge.
CREATE OR REPLACE TEMP TABLE doubtful_component AS
SELECT cluster_id
FROM component
INNER JOIN link_record USING (id)
GROUP BY cluster_id
HAVING count(DISTINCT number_id) > 1 OR count(*) >= $large_cluster
UNION
SELECT component.cluster_id
FROM match_edge
INNER JOIN component ON component.id = match_edge.id_l
INNER JOIN (SELECT cluster_id, count(*) AS records FROM component GROUP BY cluster_id) AS sized USING (cluster_id)
WHERE NOT is_certain AND weight < $sure_weight AND records >= 4
UNION
SELECT l.cluster_id
FROM apart_edge
INNER JOIN component AS l ON l.id = apart_edge.id_l
INNER JOIN component AS r ON r.id = apart_edge.id_r
WHERE l.cluster_id = r.cluster_id;

CREATE OR REPLACE TEMP TABLE doubtful_record AS
SELECT id, cluster_id FROM component SEMI JOIN doubtful_component USING (cluster_id);

CREATE OR REPLACE TEMP TABLE doubtful_edge AS
SELECT id_l, id_r, weight, is_certain FROM match_edge SEMI JOIN doubtful_record ON doubtful_record.id = match_edge.id_l;

CREATE OR REPLACE TEMP TABLE doubtful_number AS
SELECT id, number_id FROM link_record SEMI JOIN doubtful_record USING (id) WHERE number_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE doubtful_apart AS
SELECT id_l, id_r
FROM apart_edge
INNER JOIN doubtful_record AS l ON l.id = apart_edge.id_l
INNER JOIN doubtful_record AS r ON r.id = apart_edge.id_r
WHERE l.cluster_id = r.cluster_id;
