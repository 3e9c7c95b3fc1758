-- What needs attention in the groups that were not clustered again is carried over.
-- Reads: earlier_needs_attention, cluster_record, changed_record. Number: $night.
-- Adds to: attention_tonight.
INSERT INTO attention_tonight BY NAME
SELECT earlier.* REPLACE ($night AS first_night)
FROM earlier_needs_attention AS earlier
ANTI JOIN cluster_record ON cluster_record.record_id = earlier.record_ids[1]
ANTI JOIN changed_record ON changed_record.record_id = earlier.record_ids[1]
ANTI JOIN attention_tonight USING (attention_id)
WHERE reason <> 'possible_match';
