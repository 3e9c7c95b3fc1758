-- Rows that may not go on, with every rule that they broke; rows that could not be read as rows have their reason alone.
SELECT raw.*, broken_row.broken_rules FROM raw JOIN broken_row USING (source_row)
UNION ALL BY NAME
SELECT source_row, source_file, source_line, delivery, [reason] AS broken_rules FROM unreadable
