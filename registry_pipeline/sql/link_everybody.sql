-- everybody: one row per person record of the night, with what linkage looks at and nothing that depends on other
-- records but two flags: a number or a telephone of very many records is no evidence. `state` is a digest of all of it
-- and of the record's key: the same state on two nights means that nothing about the record changed for linkage.
-- Reads: person_record (every provider's share), replaced_number (nhs_number, current_number).
-- Numbers: $most_records_of_a_number, $most_records_of_a_phone, $newborn_days (see link/model.py).
CREATE OR REPLACE TEMP TABLE crowded_number AS
SELECT coalesce(current_number, nhs_number) AS current_nhs_number, count(*) AS records
FROM person_record
LEFT JOIN replaced_number USING (nhs_number)
WHERE nhs_number IS NOT NULL
GROUP BY coalesce(current_number, nhs_number)
HAVING count(*) > $most_records_of_a_number;

CREATE OR REPLACE TEMP TABLE crowded_phone AS
SELECT phone, count(*) AS records
FROM person_record
WHERE phone IS NOT NULL
GROUP BY phone
HAVING count(*) > $most_records_of_a_phone;

-- What the night's checks tell of them: the rule that they would have blocked by, and counts.
CREATE OR REPLACE TEMP TABLE crowded_value AS
SELECT 'same_nhs_number' AS rule, count(*) AS values, max(records) AS most_records FROM crowded_number
UNION ALL
SELECT 'phone', count(*), max(records) FROM crowded_phone;

CREATE OR REPLACE TEMP TABLE everybody AS
WITH resolved AS (
    SELECT
        * REPLACE (
            nullif(alias_names, []) AS alias_names,
            CASE WHEN sex IN ('M', 'F') THEN sex END AS sex,
            coalesce(is_nhs_number_verified, false) AS is_nhs_number_verified
        ),
        coalesce(current_number, nhs_number) AS any_number
    FROM person_record
    LEFT JOIN replaced_number USING (nhs_number)
),
flagged AS (
    SELECT
        resolved.* EXCLUDE (any_number, current_number),
        CASE WHEN crowded_number.current_nhs_number IS NULL THEN any_number END AS current_nhs_number,
        crowded_phone.phone IS NULL AS is_phone_of_few,
        coalesce(birth_date > night - to_days($newborn_days::INTEGER), false) AS is_infant
    FROM resolved
    LEFT JOIN crowded_number ON crowded_number.current_nhs_number = any_number
    LEFT JOIN crowded_phone ON crowded_phone.phone = resolved.phone
)
SELECT
    *,
    -- Ten digits, which join fast as a number; whatever else may stand there is digested.
    CASE WHEN current_nhs_number IS NOT NULL
        THEN coalesce(TRY_CAST(current_nhs_number AS BIGINT), (hash(current_nhs_number) >> 1)::BIGINT) END AS number_id,
    -- Two records with a verified number each need no comparison: the numbers say whether they are one person.
    is_nhs_number_verified AND current_nhs_number IS NOT NULL AS is_settled,
    hash(
        record_id, provider, setting, given_name, middle_names, family_name, previous_family_name, alias_names, birth_date,
        death_date, sex, address, postcode, gp_practice, phone, email, nhs_number, current_nhs_number, is_nhs_number_verified, merged_into,
        is_phone_of_few, is_infant
    ) AS state,
    -- Records of one content compare with any other in one and the same way: they are scored once.
    hash(
        given_name, middle_names, family_name, previous_family_name, alias_names, birth_date, sex, address, postcode,
        gp_practice, phone, email, nhs_number, current_nhs_number
    ) AS content
FROM flagged;

DROP TABLE crowded_number;
DROP TABLE crowded_phone;
