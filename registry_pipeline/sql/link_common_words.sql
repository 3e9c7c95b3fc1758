-- common_address_word: words (street, town, county) of so many addresses that they say nothing about the home; house
-- numbers stay. Counted once and then frozen. Reads: everybody. Number: $common_address_word, a share of all addresses.
CREATE OR REPLACE TEMP TABLE common_address_word AS
WITH addresses AS (SELECT address, count(*) AS records FROM everybody WHERE address IS NOT NULL GROUP BY address),
words AS (
    SELECT records, unnest(list_distinct(string_split(address, ' '))) AS word FROM addresses
)
SELECT word FROM words
WHERE NOT regexp_matches(word, '[0-9]')
GROUP BY word
HAVING sum(records) > $common_address_word * (SELECT sum(records) FROM addresses);
