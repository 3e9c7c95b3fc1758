-- One row per row delivered, readable or not, with the rules that it broke (null: none): the share of rows set aside.
SELECT source_row, broken_row.broken_rules FROM raw LEFT JOIN broken_row USING (source_row)
UNION ALL
SELECT source_row, [reason] AS broken_rules FROM unreadable
