-- Records by provider, setting, how they are held in, and the record's own NHS number: those of a person with another
-- record, and all. From `report_member` and `report_person`.
SELECT provider, setting, link_method, nhs_number_status, count(*) FILTER (report_person.records > 1) AS linked, count(*) AS records
FROM report_member
JOIN report_person USING (patient_id)
GROUP BY ALL
