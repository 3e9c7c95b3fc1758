-- People and records by the settings that know them (a bit each, as in report_person) and by records a person.
SELECT settings, least(records, $most) AS records_a_person, count(*) AS people, sum(records)::BIGINT AS records
FROM report_person
GROUP BY ALL
