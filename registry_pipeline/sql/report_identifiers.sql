-- How many records of each provider have a usable value of each identifier, in one pass. From `delivered_record`.
-- Ethnicity not stated (Z) and not known (99) are kept in the record; both are defaults.
SELECT
    provider,
    count(*) AS records,
    count(nhs_number) AS nhs_number,
    count(*) FILTER (is_nhs_number_verified) AS nhs_number_verified,
    count(given_name) AS given_name,
    count(family_name) AS family_name,
    count(birth_date) AS birth_date,
    count(sex) AS sex,
    count(ethnicity) FILTER (ethnicity NOT IN ('Z', '99')) AS ethnicity,
    count(ethnicity) FILTER (ethnicity IN ('Z', '99')) AS ethnicity_defaults,
    count(address) AS address,
    count(postcode) AS postcode,
    count(phone) AS phone,
    count(email) AS email,
    count(gp_practice) AS gp_practice,
    count(*) FILTER (is_sensitive) AS sensitive
FROM delivered_record
GROUP BY provider
ORDER BY provider
