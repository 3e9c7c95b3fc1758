-- What the records of a person hold, as standardised and as delivered: one row a value.
-- Input: tables gone_record (record_id) and gone_local (provider, local_id); views staged_record and staged_raw.
WITH standardised AS (
    SELECT * FROM staged_record SEMI JOIN gone_record USING (record_id)
),
delivered AS (
    SELECT * FROM staged_raw WHERE (provider, trimmed(local_id)) IN (SELECT (provider, local_id) FROM gone_local)
),
named AS (
    SELECT given_name_display AS given, family_name_display AS family, birth_date::VARCHAR AS birth FROM standardised
    UNION
    SELECT given_name, family_name, birth_date::VARCHAR FROM standardised
    UNION
    SELECT given_name_display, previous_family_name_display, birth_date::VARCHAR FROM standardised
    UNION
    SELECT given_name, family_name, birth_date FROM delivered
)
SELECT 'nhs_number' AS kind, nhs_number AS value, NULL AS family, NULL AS birth FROM standardised
UNION SELECT 'nhs_number', nhs_number_digits(trimmed(nhs_number)), NULL, NULL FROM delivered
UNION SELECT 'phone', phone, NULL, NULL FROM standardised
UNION SELECT 'phone', phone, NULL, NULL FROM delivered
UNION SELECT 'email', lower(email), NULL, NULL FROM standardised
UNION SELECT 'email', lower(trimmed(email)), NULL, NULL FROM delivered
UNION SELECT 'address', lower(address), NULL, NULL FROM standardised
UNION SELECT 'address', lower(address_display), NULL, NULL FROM standardised
UNION SELECT 'address', lower(address), NULL, NULL FROM delivered
UNION SELECT 'name_and_birth_date', lower(given), lower(family), birth FROM named
ORDER BY ALL
