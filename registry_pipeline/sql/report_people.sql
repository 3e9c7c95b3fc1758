-- People of the snapshot: all, flagged sensitive, with nothing but stale records, and without an NHS number. From `patient`.
SELECT
    count(*) AS people,
    count(*) FILTER (is_sensitive) AS sensitive,
    count(*) FILTER (is_stale) AS stale,
    count(*) FILTER (nhs_number IS NULL) AS without_nhs_number,
    count(*) FILTER (death_date IS NOT NULL) AS dead
FROM patient
