-- Every coded thing whose meaning the fitted model or a segment uses, with that meaning: made once, since activity has
-- millions of rows and few of them mean anything here. A value of the electronic frailty index is a share of 36 deficits,
-- as the score reads it, and null where it is none. Parameters: $lists.
SELECT
    coded_event.patient_id, coded_event.kind, coded_event.day, coded_event.end_day,
    CASE
        WHEN code_meaning.list = 'electronic_frailty_index' THEN frailty_index_of(coded_event.value, coded_event.unit)
        ELSE coded_event.value
    END AS value,
    code_meaning.list, code_meaning.item, code_meaning.weight
FROM coded_event
JOIN code_meaning USING (coding_system, code)
WHERE code_meaning.list IN (SELECT unnest($lists::VARCHAR[])) AND coded_event.kind <> 'procedure'
