-- The pairs of one blocking rule that have a touched record, and the blocks that crossed the rule's cap since last night.
-- Reads: seeking (state), seeking_key (key: theirs), kept_key (key, state, number_id, is_settled; also of states that no
-- longer stand), everybody, before (state), crowded_before. Adds to: found_pair, crowded_key, crossing.
-- A block can only grow over its cap by a new record, and only fall below it where it was above.
CREATE OR REPLACE TEMP TABLE touched_key AS
SELECT DISTINCT key FROM seeking_key WHERE key IS NOT NULL
UNION
SELECT key FROM crowded_before WHERE $counts_crossings AND rule = $rule;

CREATE OR REPLACE TEMP TABLE member AS
SELECT DISTINCT key, state, number_id, is_settled FROM kept_key SEMI JOIN touched_key USING (key);

CREATE OR REPLACE TEMP TABLE member_state AS
WITH state_of AS (SELECT DISTINCT state FROM member)
SELECT state, everybody.state IS NOT NULL AS is_now, before.state IS NOT NULL AS is_before, seeking.state IS NOT NULL AS is_touched
FROM state_of
LEFT JOIN everybody USING (state)
LEFT JOIN before USING (state)
LEFT JOIN seeking USING (state);

CREATE OR REPLACE TEMP TABLE sized_key AS
SELECT
    key, count_if(is_now) AS records, count_if(is_before) AS records_before,
    bool_or(NOT is_settled AND is_now) AS is_open, bool_or(NOT is_settled) AS was_open
FROM member
INNER JOIN member_state USING (state)
GROUP BY key;

INSERT INTO found_pair
WITH usable AS (
    SELECT member.*, is_touched FROM member
    INNER JOIN member_state USING (state)
    SEMI JOIN (SELECT key FROM sized_key WHERE records BETWEEN 2 AND $cap AND is_open) AS small USING (key)
    WHERE is_now
)
SELECT least(l.state, r.state), greatest(l.state, r.state), $rule
FROM (SELECT * FROM usable WHERE is_touched) AS l
INNER JOIN usable AS r ON l.key = r.key
WHERE l.state <> r.state AND NOT (l.is_settled AND r.is_settled) AND NOT coalesce(l.number_id = r.number_id, false);

INSERT INTO crossing
SELECT DISTINCT state FROM member
SEMI JOIN (
    SELECT key FROM sized_key WHERE was_open AND (records <= $cap) <> (records_before <= $cap)
) AS crossed USING (key)
WHERE $counts_crossings;

INSERT INTO crowded_key
SELECT $rule, key, records FROM sized_key WHERE $counts_crossings AND records > $cap AND is_open
UNION ALL
SELECT rule, key, records FROM crowded_before ANTI JOIN touched_key USING (key) WHERE $counts_crossings AND rule = $rule;

DROP TABLE touched_key;
DROP TABLE member;
DROP TABLE member_state;
DROP TABLE sized_key;
