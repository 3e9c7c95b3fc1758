-- People whose records say what cannot be true of one person, and people by records. From `report_person`.
SELECT
    count(*) AS people,
    count(*) FILTER (records > 1) AS people_linked,
    count(*) FILTER (has_two_deaths) AS two_deaths,
    count(*) FILTER (has_two_sexes) AS two_sexes,
    count(*) FILTER (has_two_birth_dates) AS two_birth_dates,
    count(*) FILTER (has_two_practices) AS two_practices,
    count(*) FILTER (has_two_nhs_numbers) AS two_nhs_numbers,
    count(*) FILTER (
        has_two_deaths OR has_two_sexes OR has_two_birth_dates OR has_two_practices OR has_two_nhs_numbers
    ) AS any_of_them
FROM report_person
