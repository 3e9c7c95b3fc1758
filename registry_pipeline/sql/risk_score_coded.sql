-- What the codes of conditions, hospital stays and observations mean by the lists of the scores: for each person, kind of
-- record and item, when it was first and last recorded, and when it last ended. Records without a date count as known.
-- Parameters: $night, $lists.
CREATE OR REPLACE TEMP TABLE risk_score_coded AS
SELECT
    coded_event.patient_id,
    coded_event.kind,
    code_meaning.list,
    code_meaning.item,
    min(coded_event.day) AS first_day,
    max(coded_event.day) AS last_day,
    max(coalesce(coded_event.end_day, 'infinity'::DATE)) AS last_end,
    bool_or(coded_event.coding_system = 'icd10') AS is_icd10
FROM coded_event
JOIN code_meaning USING (coding_system, code)
WHERE
    coded_event.kind IN ('condition', 'spell', 'observation')
    AND code_meaning.list IN (SELECT unnest($lists::VARCHAR[]))
    AND (coded_event.day IS NULL OR coded_event.day <= $night::DATE)
GROUP BY ALL
