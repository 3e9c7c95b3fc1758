-- frozen_frequency: how many records hold each value that a level's term frequency rests on, by a digest of the value:
-- enough to weigh an agreement with, and no list of people's names. Values of one or two records are left out: they
-- weigh like a value that was never seen. frozen_total: records that hold any value. Counted once, then frozen.
-- Reads: everybody, and for the address keys address_form (all of everybody must be chosen).
CREATE OR REPLACE TEMP TABLE held_value AS
SELECT column_name, digest, records FROM (
    SELECT 'given_name' AS column_name, hash(given_name) AS digest, count(*) AS records FROM everybody WHERE given_name IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'family_name', hash(family_name), count(*) FROM everybody WHERE family_name IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'birth_digits', hash(strftime(birth_date, '%Y%m%d')), records
    FROM (SELECT birth_date, count(*) AS records FROM everybody WHERE birth_date IS NOT NULL GROUP BY ALL)
    UNION ALL
    SELECT 'postcode', hash(postcode), count(*) FROM everybody WHERE postcode IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'phone', hash(phone), count(*) FROM everybody WHERE phone IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'email', hash(email), count(*) FROM everybody WHERE email IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'current_nhs_number', hash(current_nhs_number), count(*) FROM everybody WHERE current_nhs_number IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT 'address_key', hash(address_key), count(*)
    FROM everybody INNER JOIN address_form USING (address) WHERE address_key IS NOT NULL GROUP BY ALL
);

CREATE OR REPLACE TEMP TABLE frozen_total AS
SELECT column_name, sum(records)::BIGINT AS records FROM held_value GROUP BY column_name;

CREATE OR REPLACE TEMP TABLE frozen_frequency AS
SELECT column_name, digest, records::INTEGER AS records FROM held_value WHERE records > 2;

DROP TABLE held_value;
