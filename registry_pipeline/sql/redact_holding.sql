-- Pieces of text that could not be read as rows and hold a forgotten person's record key or NHS number.
-- Input: view piece (number, content). Parameters: $provider, $shortest_key, $records, $numbers, $inner, $outer.
-- A piece is parted at anything that parts cells; NHS numbers are ten digits with any blanks and hyphens between.
WITH cell AS (
    SELECT DISTINCT number, trim(unnest(regexp_split_to_array(content, '[,;|\t"'':=<>\[\]{}\r\n]'))) AS content FROM piece
),
digits AS (
    SELECT DISTINCT
        number,
        regexp_replace(unnest(regexp_extract_all(content, '[0-9](?:[-\s\x{00A0}]{0,2}[0-9]){9}')), '[^0-9]', '', 'g')
            AS content
    FROM piece
),
named AS (
    SELECT number, 'record:' || $provider || ':' || content AS message
    FROM cell
    WHERE strlen(content) BETWEEN $shortest_key AND 200
    UNION ALL
    SELECT number, 'nhs_number:' || content FROM digits
),
known AS (
    SELECT unnest($records) AS digest
    UNION ALL
    SELECT unnest($numbers)
),
message AS (
    SELECT DISTINCT message FROM named
),
found AS (
    SELECT message
    FROM message
    WHERE sha256($outer || unhex(sha256($inner || encode(message)))) IN (SELECT digest FROM known)
)
SELECT DISTINCT number FROM named SEMI JOIN found USING (message) ORDER BY number
