-- hidden_record: the compared records with the person that their hidden number says, and what figures are told by.
-- Reads: counted_record, hidden_state, night_record, area_record (record_id, deprivation_decile). Parameter: $night.
CREATE OR REPLACE TEMP TABLE hidden_record AS
SELECT
    id, state, record_id, unit, is_drawn, night_record.provider, night_record.setting,
    CASE night_record.sex WHEN 'M' THEN 'male' WHEN 'F' THEN 'female' WHEN 'O' THEN 'other' ELSE 'not known' END AS sex,
    evaluate_age_band(night_record.birth_date, $night::DATE) AS age_band,
    evaluate_ethnicity(night_record.ethnicity) AS ethnicity,
    coalesce(deprivation_decile, 'not known') AS deprivation_decile
FROM counted_record
INNER JOIN hidden_state USING (state)
INNER JOIN night_record USING (record_id)
LEFT JOIN area_record USING (record_id);
