-- What people are grouped by when figures are told by group.
CREATE OR REPLACE TEMP MACRO evaluate_age_band(birth_date, night) AS CASE
    WHEN birth_date IS NULL OR birth_date > night THEN 'not known'
    WHEN date_sub('year', birth_date, night) < 1 THEN '00'
    WHEN date_sub('year', birth_date, night) < 5 THEN '01 to 04'
    WHEN date_sub('year', birth_date, night) < 18 THEN '05 to 17'
    WHEN date_sub('year', birth_date, night) < 40 THEN '18 to 39'
    WHEN date_sub('year', birth_date, night) < 65 THEN '40 to 64'
    WHEN date_sub('year', birth_date, night) < 80 THEN '65 to 79'
    ELSE '80 and over' END;

-- Ethnic category 2001 (NHS Data Dictionary); other words than its codes stay as they are.
CREATE OR REPLACE TEMP MACRO evaluate_ethnicity(code) AS CASE code
    WHEN 'A' THEN 'A British' WHEN 'B' THEN 'B Irish' WHEN 'C' THEN 'C other White'
    WHEN 'D' THEN 'D White and Black Caribbean' WHEN 'E' THEN 'E White and Black African'
    WHEN 'F' THEN 'F White and Asian' WHEN 'G' THEN 'G other mixed'
    WHEN 'H' THEN 'H Indian' WHEN 'J' THEN 'J Pakistani' WHEN 'K' THEN 'K Bangladeshi' WHEN 'L' THEN 'L other Asian'
    WHEN 'M' THEN 'M Caribbean' WHEN 'N' THEN 'N African' WHEN 'P' THEN 'P other Black'
    WHEN 'R' THEN 'R Chinese' WHEN 'S' THEN 'S any other'
    WHEN 'Z' THEN 'not known' WHEN '99' THEN 'not known' WHEN '' THEN 'not known'
    ELSE coalesce(code, 'not known') END;

-- Pairs between so many records on one side and so many on the other, or among the same.
CREATE OR REPLACE TEMP MACRO evaluate_pairs(is_same, a, b) AS CASE WHEN is_same THEN a * (a - 1) // 2 ELSE a * b END;
