-- The pairs that are not found by blocking: the provider's own merges (rule 0), and one NHS number (rule 1).
-- Reads: everybody, touched (state). Adds to: found_pair. Each pair has a touched record.
CREATE OR REPLACE TEMP TABLE touched_person AS SELECT everybody.* FROM everybody SEMI JOIN touched USING (state);

INSERT INTO found_pair
SELECT least(gone.state, kept.state), greatest(gone.state, kept.state), 0
FROM (SELECT * FROM everybody WHERE merged_into IS NOT NULL) AS gone
INNER JOIN everybody AS kept ON kept.record_id = gone.merged_into
WHERE gone.state <> kept.state AND (gone.state IN (FROM touched) OR kept.state IN (FROM touched));

INSERT INTO found_pair
SELECT least(l.state, r.state), greatest(l.state, r.state), 1
FROM touched_person AS l
INNER JOIN everybody AS r ON l.number_id = r.number_id
WHERE l.state <> r.state;

DROP TABLE touched_person;
