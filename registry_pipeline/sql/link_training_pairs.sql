-- Pairs that agree on one key, for training: whole keys are left out by their hash until about $most pairs are left,
-- and keys of more than 1,000 records always (they would be all of the sample). The same records give the same pairs.
-- Reads: training_key (key, id). Makes: training_pair.
CREATE OR REPLACE TEMP TABLE sampled_key AS
WITH sized AS (
    SELECT key, count(*) * (count(*) - 1) / 2 AS pairs FROM training_key GROUP BY key HAVING count(*) BETWEEN 2 AND 1000
),
running AS (
    SELECT key, sum(pairs) OVER (ORDER BY hash(key), key ROWS UNBOUNDED PRECEDING) AS pairs_so_far FROM sized
)
SELECT key FROM running WHERE pairs_so_far <= $most;

CREATE OR REPLACE TEMP TABLE training_pair AS
WITH kept AS (SELECT training_key.* FROM training_key SEMI JOIN sampled_key USING (key))
SELECT l.id AS id_l, r.id AS id_r, 0::UTINYINT AS rule
FROM kept AS l
INNER JOIN kept AS r ON l.key = r.key AND l.id < r.id;
