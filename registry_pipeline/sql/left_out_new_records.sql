-- Record keys under which forgotten people came in, and the number by which each was known again.
SELECT DISTINCT $provider || ':' || trim(local_id, E' \t\n\r' || chr(160)), regexp_replace(nhs_number, '[^0-9]', '', 'g')
FROM number_row
WHERE NOT is_known AND local_id IS NOT NULL
ORDER BY ALL
