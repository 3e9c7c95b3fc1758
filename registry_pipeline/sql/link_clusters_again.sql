-- person_cluster where only changes were linked: the groups that were clustered again, and all others as they were.
-- Reads: what link_person_cluster reads, earlier_person_cluster, changed_record.
SELECT * FROM (/* tonight */)
UNION ALL BY NAME
SELECT * FROM earlier_person_cluster
ANTI JOIN cluster_record USING (record_id)
ANTI JOIN changed_record USING (record_id)
