-- content_pair: pairs of contents to score, each once, by the first record of each content; in the order of the contents'
-- digests, which is the same on every night. pair_to_score: every candidate pair with the pair of contents that it takes
-- its score from. Reads: candidate_pair (id_l, id_r, rule), counted_record.
CREATE OR REPLACE TEMP TABLE pair_to_score AS
WITH of_content AS (
    SELECT id, content, min(id) OVER (PARTITION BY content) AS first_id FROM counted_record
    SEMI JOIN (SELECT id_l AS id FROM candidate_pair UNION SELECT id_r FROM candidate_pair) AS paired USING (id)
)
SELECT
    id_l, id_r, rule,
    CASE WHEN l.content <= r.content THEN l.first_id ELSE r.first_id END AS score_l,
    CASE WHEN l.content <= r.content THEN r.first_id ELSE l.first_id END AS score_r
FROM candidate_pair
INNER JOIN of_content AS l ON l.id = id_l
INNER JOIN of_content AS r ON r.id = id_r;

CREATE OR REPLACE TEMP TABLE content_pair AS
SELECT DISTINCT score_l AS id_l, score_r AS id_r FROM pair_to_score;
