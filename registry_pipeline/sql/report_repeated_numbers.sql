-- Records whose NHS number another record of the same provider has too, by provider. From `report_member`.
SELECT provider, sum(records)::BIGINT AS records
FROM (
    SELECT provider, nhs_number, count(*) AS records
    FROM report_member
    WHERE nhs_number IS NOT NULL
    GROUP BY provider, nhs_number
    HAVING count(*) > 1
)
GROUP BY provider
