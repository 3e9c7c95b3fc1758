-- True pairs that one blocking rule brings together, whatever the others do: a shared key whose block is under the cap.
-- Reads: record_key, crowded_key, hidden_record. Parameter: $rule.
WITH key_of AS (SELECT state, /* key */ AS key FROM record_key),
usable AS (
    SELECT hidden_record.id, unit, key
    FROM key_of
    INNER JOIN hidden_record USING (state)
    ANTI JOIN (SELECT key FROM crowded_key WHERE rule = $rule) AS crowded USING (key)
    WHERE is_drawn AND key IS NOT NULL
)
SELECT count(*) FROM (
    SELECT DISTINCT l.id, r.id FROM usable AS l INNER JOIN usable AS r ON l.unit = r.unit AND l.key = r.key AND l.id < r.id
)
