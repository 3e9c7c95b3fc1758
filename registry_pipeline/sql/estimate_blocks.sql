-- state_pair: pairs that blocking brings together of a drawn record and any record whose hidden number says who it is, each
-- with the first rule that found it; and `compared`, the records that are looked at for them. Blocks are as large as they
-- are with everybody in them. Reads: seeking_key (rule, key, state: those of drawn records), kept_key (key, state: of all
-- records, also of states that no longer stand), cap_of_rule, hidden_state, known_everybody.
CREATE OR REPLACE TEMP TABLE drawn_key AS
SELECT DISTINCT rule, key, state, unit
FROM seeking_key
INNER JOIN hidden_state USING (state)
WHERE key IS NOT NULL AND is_drawn;

CREATE OR REPLACE TEMP TABLE member AS
SELECT DISTINCT key, state
FROM kept_key
SEMI JOIN drawn_key USING (key)
SEMI JOIN known_everybody USING (state);

-- Without the keys of blocks over the cap of their rule.
CREATE OR REPLACE TEMP TABLE drawn_key AS
WITH size_of AS (SELECT key, count(*) AS records FROM member GROUP BY key)
SELECT drawn_key.*
FROM drawn_key
INNER JOIN size_of USING (key)
INNER JOIN cap_of_rule USING (rule)
WHERE records BETWEEN 2 AND cap;

CREATE OR REPLACE TEMP TABLE state_pair AS
WITH found AS (
    SELECT rule, drawn_key.state AS one, member.state AS other
    FROM drawn_key
    INNER JOIN member USING (key)
    SEMI JOIN hidden_state ON hidden_state.state = member.state
    WHERE drawn_key.state <> member.state
    UNION ALL
    SELECT 0, gone.state, kept.state
    FROM (SELECT state, merged_into FROM known_everybody WHERE merged_into IS NOT NULL) AS gone
    INNER JOIN known_everybody AS kept ON kept.record_id = gone.merged_into
    INNER JOIN hidden_state AS hidden_gone ON hidden_gone.state = gone.state
    INNER JOIN hidden_state AS hidden_kept ON hidden_kept.state = kept.state
    WHERE (hidden_gone.is_drawn OR hidden_kept.is_drawn) AND gone.state <> kept.state
)
SELECT least(one, other) AS state_l, greatest(one, other) AS state_r, min(rule)::UTINYINT AS rule
FROM found
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE compared AS
SELECT state_l AS state FROM state_pair
UNION
SELECT state_r FROM state_pair
UNION
SELECT state FROM hidden_state WHERE is_drawn;

DROP TABLE member;
