-- sized_key: the blocks of some blocking rules that have a touched record, and how large they are now and were before.
-- Reads: seeking (state), seeking_key (rule, key: theirs), kept_key (key, state, number_id, is_settled; also of states that
-- no longer stand), cap_of_rule (rule, cap), everybody, before (state), crowded_before.
-- A block can only grow over its cap by a new record, and only fall below it where it was above.
CREATE OR REPLACE TEMP TABLE touched_key AS
SELECT DISTINCT rule, key FROM seeking_key WHERE key IS NOT NULL
UNION
SELECT rule, key FROM crowded_before SEMI JOIN cap_of_rule USING (rule) WHERE $counts_crossings;

-- Settled records need each other never: only a block with an unsettled record makes pairs.
CREATE OR REPLACE TEMP TABLE open_key AS
SELECT DISTINCT key FROM kept_key SEMI JOIN touched_key USING (key) WHERE NOT is_settled;

CREATE OR REPLACE TEMP TABLE member AS
SELECT DISTINCT key, state, number_id, is_settled FROM kept_key SEMI JOIN open_key USING (key);

CREATE OR REPLACE TEMP TABLE member_state AS
WITH state_of AS (SELECT DISTINCT state FROM member)
SELECT state, everybody.state IS NOT NULL AS is_now, before.state IS NOT NULL AS is_before, seeking.state IS NOT NULL AS is_touched
FROM state_of
LEFT JOIN everybody USING (state)
LEFT JOIN before USING (state)
LEFT JOIN seeking USING (state);

CREATE OR REPLACE TEMP TABLE sized_key AS
SELECT
    rule, key, cap, count_if(is_now) AS records, count_if(is_before) AS records_before,
    count_if(is_touched AND is_now) AS touched, bool_or(NOT is_settled AND is_now) AS is_open,
    bool_or(NOT is_settled) AS was_open
FROM member
INNER JOIN member_state USING (state)
INNER JOIN touched_key USING (key)
INNER JOIN cap_of_rule USING (rule)
GROUP BY rule, key, cap;
