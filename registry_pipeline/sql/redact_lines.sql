-- On which lines of a part the rows to take out or to blank begin, and where the next row begins.
-- Input: tables file_row and file_cell, view part_line (part_row, part_line, is_aside). Parameter: $part.
WITH bounded AS (
    SELECT part_row, part_line, is_aside, lead(part_line) OVER (ORDER BY part_row) AS next_line FROM part_line
),
blanked AS (
    SELECT part_row, list(DISTINCT position ORDER BY position) AS positions
    FROM file_cell
    WHERE part = $part
    GROUP BY part_row
)
SELECT
    bounded.part_line,
    bounded.next_line,
    CASE
        WHEN bounded.is_aside THEN 'aside'
        WHEN file_row.part_row IS NOT NULL THEN 'out'
        ELSE 'blank'
    END AS what,
    blanked.positions
FROM bounded
LEFT JOIN (SELECT part_row FROM file_row WHERE part = $part) AS file_row USING (part_row)
LEFT JOIN blanked USING (part_row)
WHERE bounded.is_aside OR file_row.part_row IS NOT NULL OR blanked.part_row IS NOT NULL
ORDER BY bounded.part_line
