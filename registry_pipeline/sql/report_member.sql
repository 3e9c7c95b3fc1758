-- One row per person record of the snapshot: whose it is, and what is told of it. A superseded NHS number is the one that
-- replaced it, and a number in very many records is nobody's. From `crosswalk`, `delivered_record`, `patient_nhs_number`,
-- `crowded_number`. Numbers stand as numbers: comparing them takes a third of the time.
SELECT
    crosswalk.patient_id,
    crosswalk.provider,
    crosswalk.setting,
    crosswalk.link_method,
    delivered_record.birth_date,
    delivered_record.death_date,
    delivered_record.sex,
    CASE WHEN crosswalk.setting = 'gp' THEN delivered_record.gp_practice END AS registered_practice,
    try_cast(coalesce(replaced.current_nhs_number, delivered_record.nhs_number) AS BIGINT) AS nhs_number,
    CASE
        WHEN delivered_record.record_id IS NULL THEN 'not known'
        WHEN delivered_record.is_nhs_number_verified THEN 'verified'
        WHEN delivered_record.nhs_number IS NOT NULL THEN 'present, not verified'
        ELSE 'none'
    END AS nhs_number_status
FROM crosswalk
LEFT JOIN (
    SELECT * REPLACE (CASE WHEN nhs_number NOT IN (SELECT nhs_number FROM crowded_number) THEN nhs_number END AS nhs_number)
    FROM delivered_record
) AS delivered_record USING (record_id)
LEFT JOIN patient_nhs_number AS replaced ON replaced.nhs_number = delivered_record.nhs_number
