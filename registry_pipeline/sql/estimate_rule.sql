-- True pairs that each blocking rule brings together by itself, whatever the others do. Reads: drawn_key (without those of
-- blocks over the cap).
SELECT rule, count(*)
FROM (
    SELECT DISTINCT l.rule, l.state AS state_l, r.state AS state_r
    FROM drawn_key AS l
    INNER JOIN drawn_key AS r ON l.unit = r.unit AND l.key = r.key AND l.state < r.state
)
GROUP BY rule
