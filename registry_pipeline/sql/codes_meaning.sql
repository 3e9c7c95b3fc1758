-- What the codes that occur mean by some lists. Parameters: $list, $item, $weight, $coding_system and $code,
-- their entries.
INSERT INTO code_meaning
WITH
entry AS (
    SELECT
        unnest($list::VARCHAR[]) AS list,
        unnest($item::VARCHAR[]) AS item,
        unnest($weight::DOUBLE[]) AS weight,
        unnest($coding_system::VARCHAR[]) AS coding_system,
        unnest($code::VARCHAR[]) AS code
),
-- ICD-10 matches by prefix, and its codes have three to five characters; all others match whole.
compared AS (
    SELECT coding_system, code, compared FROM code_occurring WHERE coding_system <> 'icd10'
    UNION ALL
    SELECT coding_system, code, left(compared, length)
    FROM code_occurring, (SELECT unnest([3, 4, 5]) AS length)
    WHERE coding_system = 'icd10' AND length(compared) >= length
)
SELECT entry.list, entry.item, entry.weight, compared.coding_system, compared.code
FROM compared
JOIN entry ON entry.coding_system = compared.coding_system AND entry.code = compared.compared
QUALIFY row_number() OVER (
    PARTITION BY entry.list, entry.item, compared.coding_system, compared.code ORDER BY length(entry.code) DESC
) = 1;
