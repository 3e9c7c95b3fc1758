-- People before and now. Only people whom a provider that still delivers knew before count: a provider that left by
-- agreement takes its people with it, and that is no fall.
SELECT
    (
        SELECT count(DISTINCT patient_id)
        FROM before
        SEMI JOIN share USING (provider)
    ) AS people_before,
    (SELECT count(*) FROM patient) AS people_now
