-- Rows that may go on: every row that broke no critical row rule.
SELECT raw.* FROM raw ANTI JOIN broken_row USING (source_row)
