-- The pairs of some blocking rules that have a touched record, and the blocks that crossed a cap since last night.
-- Reads: what block_touched made (touched_key, member, member_state, sized_key), cap_of_rule, crowded_before.
-- Adds to: found_pair, crowded_key, crossing.
INSERT INTO found_pair
WITH usable AS (
    SELECT member.*, is_touched, rule FROM member
    INNER JOIN member_state USING (state)
    INNER JOIN (SELECT rule, key FROM sized_key WHERE records BETWEEN 2 AND cap AND is_open) AS small USING (key)
    WHERE is_now
)
SELECT least(l.state, r.state), greatest(l.state, r.state), l.rule
FROM (SELECT * FROM usable WHERE is_touched) AS l
INNER JOIN usable AS r ON l.key = r.key
WHERE l.state <> r.state AND NOT (l.is_settled AND r.is_settled) AND NOT coalesce(l.number_id = r.number_id, false);

INSERT INTO crossing
SELECT DISTINCT state FROM member
SEMI JOIN (
    SELECT key FROM sized_key WHERE was_open AND (records <= cap) <> (records_before <= cap)
) AS crossed USING (key)
WHERE $counts_crossings;

INSERT INTO crowded_key
SELECT rule, key, records FROM sized_key WHERE $counts_crossings AND records > cap AND is_open
UNION ALL
SELECT rule, key, records FROM crowded_before
SEMI JOIN cap_of_rule USING (rule)
ANTI JOIN touched_key USING (key)
WHERE $counts_crossings;

DROP TABLE touched_key;
DROP TABLE open_key;
DROP TABLE member;
DROP TABLE member_state;
DROP TABLE sized_key;
