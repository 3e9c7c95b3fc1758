-- Months are numbered from 0, the first that audit looks at; months before it are negative. Parameters are written into
-- these macros once a run: the first month's year and month, and how many months there are.
CREATE OR REPLACE TEMP MACRO audit_month_of(day) AS
    (year(day) * 12 + month(day) - /* first */)::INTEGER;

-- The months from one to another, both within, as bits: bit 0 is the first month that audit looks at.
CREATE OR REPLACE TEMP MACRO audit_months(first_month, last_month) AS
    CASE
        -- least() and greatest() pass over what is null.
        WHEN first_month IS NULL OR last_month IS NULL THEN NULL
        WHEN least(last_month, /* months */ - 1) < greatest(first_month, 0) THEN 0::HUGEINT
        ELSE ((1::HUGEINT << (least(last_month, /* months */ - 1) - greatest(first_month, 0) + 1)::INTEGER) - 1)
            << greatest(first_month, 0)::INTEGER
    END;

-- Whether a month's bit is set, as 1 or 0.
CREATE OR REPLACE TEMP MACRO audit_in(months, month) AS ((months >> month) & 1)::INTEGER;

-- Completed years on a day.
CREATE OR REPLACE TEMP MACRO audit_age(birth_date, day) AS date_sub('year', birth_date, day);

-- Five years of age, from 0 (0 to 4) to 18 (90 and over), of somebody's completed months of age; who is born in the
-- month itself is in the first.
CREATE OR REPLACE TEMP MACRO audit_band(months_of_age) AS
    CASE WHEN months_of_age IS NOT NULL THEN greatest(0, least(18, months_of_age // 60)) END;

-- The five groups of ethnic category 2001 (Data Dictionary), and those that say nothing.
CREATE OR REPLACE TEMP MACRO audit_ethnicity(code) AS
    CASE
        WHEN code IN ('A', 'B', 'C') THEN 'White'
        WHEN code IN ('D', 'E', 'F', 'G') THEN 'Mixed'
        WHEN code IN ('H', 'J', 'K', 'L') THEN 'Asian'
        WHEN code IN ('M', 'N', 'P') THEN 'Black'
        WHEN code IN ('R', 'S') THEN 'Other'
        ELSE 'not known'
    END;

-- Fifths of deprivation of national deciles; 1 is the most deprived.
CREATE OR REPLACE TEMP MACRO audit_fifth(decile) AS coalesce(((decile + 1) // 2)::VARCHAR, 'not known');

-- Other hospitals, as source of admission and as destination (Data Dictionary), and admission methods of births and
-- maternity.
CREATE OR REPLACE TEMP MACRO audit_is_from_hospital(method, source) AS
    coalesce(method = '2B', false) OR coalesce(source IN ('49', '50', '51', '52', '53', '87'), false);
CREATE OR REPLACE TEMP MACRO audit_is_to_hospital(destination) AS
    coalesce(destination IN ('49', '50', '51', '52', '53', '84', '87'), false);
CREATE OR REPLACE TEMP MACRO audit_is_maternity(method) AS coalesce(method IN ('31', '32', '82', '83'), false);

-- Seen: 5 on time, 6 late but seen. A contact whose status nobody states is taken to have been held.
CREATE OR REPLACE TEMP MACRO audit_is_attended(status) AS coalesce(status IN ('5', '6'), true);
