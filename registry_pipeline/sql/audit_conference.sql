-- People discussed in case conferences, each once a month. Reads audit_done.
SELECT DISTINCT 'people_discussed' AS measure, person, NULL::VARCHAR AS provider, month, NULL::INTEGER AS band,
    1 AS n, 0 AS d, 1 AS cases
FROM audit_done WHERE list = 'case_conference' AND month >= 0
