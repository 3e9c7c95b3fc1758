-- A supplied electronic frailty index as a share of 36 deficits: an index from 0 to 1, or a whole number of deficits where
-- the unit says so; null for anything else. A bare 1 may be one deficit (fit) as well as all 36 (nobody lives with all).
CREATE OR REPLACE TEMP MACRO frailty_index_of(value, unit) AS
    CASE
        WHEN regexp_matches(lower(unit), 'deficit|/ *36|of 36') THEN
            CASE WHEN value BETWEEN 0 AND 36 AND value = floor(value) THEN value / 36 END
        WHEN value BETWEEN 0 AND 1 AND (value < 1 OR lower(unit) = 'ratio') AND NOT coalesce(contains(unit, '%'), false)
            THEN value
    END;

-- Clegg's categories. They part counts of deficits as 0 to 4, 5 to 8, 9 to 12 and 13 up; a supplied 0.36 is 13 of 36,
-- rounded, for no other count comes near it.
CREATE OR REPLACE TEMP MACRO frailty_category_of(index) AS
    CASE WHEN index <= 0.12 THEN 'fit' WHEN index <= 0.24 THEN 'mild' WHEN index < 0.36 THEN 'moderate'
        WHEN index IS NOT NULL THEN 'severe' END;

CREATE OR REPLACE TEMP MACRO hospital_frailty_category_of(score) AS
    CASE WHEN score < 5 THEN 'low' WHEN score <= 15 THEN 'intermediate' WHEN score IS NOT NULL THEN 'high' END;
