-- Counted things summed by month for each group of each dimension. From `audit_fact`, which holds what the statements of
-- the measures count, one row a person or event.
INSERT INTO audit_cell BY NAME
SELECT
    world, measure, month, band,
    /* dimension */ AS dimension, /* value */ AS value,
    sum(n)::DOUBLE AS n, sum(d)::DOUBLE AS d, sum(cases)::DOUBLE AS cases, sum(at_risk)::DOUBLE AS at_risk,
    sum(n2)::DOUBLE AS n2, sum(d2)::DOUBLE AS d2, sum(nd)::DOUBLE AS nd
FROM audit_fact JOIN audit_person USING (person)
WHERE month BETWEEN 0 AND $months - 1
GROUP BY world, measure, month, band, GROUPING SETS (/* sets */)
