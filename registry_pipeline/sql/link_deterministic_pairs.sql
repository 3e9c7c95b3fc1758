-- The pairs that are not found by blocking: the provider's own merges (rule 0), and one NHS number (rule 1).
-- Reads: link_record. Adds to: found_pair.
INSERT INTO found_pair
SELECT least(gone.id, kept.id), greatest(gone.id, kept.id), 0
FROM link_record AS gone
INNER JOIN link_record AS kept ON kept.record_id = gone.merged_into
WHERE gone.id <> kept.id;

INSERT INTO found_pair
SELECT l.id, r.id, 1
FROM link_record AS l
INNER JOIN link_record AS r ON l.number_id = r.number_id AND l.id < r.id;
