-- The records of people that have more than one: what survivorship chooses from.
-- `tie` numbers a person's records so that equal ranks are broken by record_id: the smallest has the highest number.
WITH several AS (
    SELECT patient_id FROM patient_record GROUP BY patient_id HAVING count(*) > 1
)
SELECT
    patient_record.patient_id,
    person_record.record_id,
    row_number() OVER (PARTITION BY patient_record.patient_id ORDER BY person_record.record_id DESC) AS tie,
    4095 - least(greatest(date_diff('day', share.night, $night::DATE), 0), 4095) AS newness,
    -- A GP practice keeps the registration; an extract past its provider's staleness limit has no authority over others.
    CASE WHEN share.is_stale THEN 0 WHEN person_record.setting = 'gp' THEN 2 ELSE 1 END AS authority,
    person_record.setting = 'gp' AS is_gp,
    coalesce(replaced.current_nhs_number, person_record.nhs_number) AS nhs_number,
    replaced.nhs_number IS NOT NULL AS is_superseded,
    -- A number that was verified before it was replaced says nothing of the one that replaced it.
    coalesce(person_record.is_nhs_number_verified, false) AND replaced.nhs_number IS NULL AS is_verified,
    person_record.title,
    person_record.given_name_display,
    person_record.middle_names_display,
    person_record.family_name_display,
    person_record.previous_family_name_display,
    person_record.birth_date,
    person_record.death_date,
    person_record.sex,
    person_record.ethnicity,
    person_record.address_display,
    person_record.postcode,
    person_record.phone,
    person_record.email,
    person_record.gp_practice
FROM patient_record
SEMI JOIN several USING (patient_id)
JOIN person_record USING (record_id)
JOIN share ON share.provider = person_record.provider
LEFT JOIN patient_nhs_number AS replaced ON replaced.nhs_number = person_record.nhs_number
