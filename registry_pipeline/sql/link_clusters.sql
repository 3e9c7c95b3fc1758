-- clustered: every linked record with the smallest record of its cluster. Reads: component, doubtful_record, rebuilt.
CREATE OR REPLACE TEMP TABLE clustered AS
SELECT id, min(id) OVER (PARTITION BY cluster_id) AS cluster FROM component ANTI JOIN doubtful_record USING (id)
UNION ALL
SELECT id, cluster FROM rebuilt;
