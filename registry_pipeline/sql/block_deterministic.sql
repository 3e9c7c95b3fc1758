-- The pairs that are not found by blocking: the provider's own merges (rule 0), and one NHS number (rule 1).
-- Reads: everybody, seeking (state). Adds to: found_pair. Each pair has a touched record.
INSERT INTO found_pair
SELECT least(gone.state, kept.state), greatest(gone.state, kept.state), 0
FROM (SELECT * FROM everybody WHERE merged_into IS NOT NULL) AS gone
INNER JOIN everybody AS kept ON kept.record_id = gone.merged_into
WHERE gone.state <> kept.state AND (gone.state IN (FROM seeking) OR kept.state IN (FROM seeking));

INSERT INTO found_pair
SELECT least(l.state, r.state), greatest(l.state, r.state), 1
FROM (SELECT state, number_id FROM everybody SEMI JOIN seeking USING (state) WHERE number_id IS NOT NULL) AS l
INNER JOIN everybody AS r ON l.number_id = r.number_id
WHERE l.state <> r.state;
