-- What a person has to decide, as linking left it, with the people concerned by their ids of tonight, and with the first
-- night on which it stood. An entry without an attention_id gets the digest of its reason and records; should two parts
-- of linking say the same of the same records, it is said once.
WITH entry AS (
    SELECT
        * REPLACE (coalesce(attention_id, md5(reason || chr(10) || array_to_string(list_sort(record_ids), chr(10)))) AS attention_id)
    FROM linked_attention
),
told AS (
    SELECT
        attention_id,
        any_value(reason) AS reason,
        list_sort(any_value(record_ids)) AS record_ids,
        any_value(decided_by) AS decided_by,
        max(match_weight) AS match_weight,
        list_sort(list_distinct(flatten(list(coalesce(override_ids, []::BIGINT[]))))) AS override_ids
    FROM entry
    GROUP BY attention_id
),
concerned AS (
    SELECT attention_id, list_sort(list(DISTINCT patient_record.patient_id::VARCHAR)) AS patient_ids
    FROM (SELECT attention_id, unnest(record_ids) AS record_id FROM told)
    JOIN patient_record USING (record_id)
    GROUP BY attention_id
)
SELECT
    told.attention_id,
    told.reason,
    told.record_ids,
    coalesce(concerned.patient_ids, []::VARCHAR[]) AS patient_ids,
    told.decided_by,
    told.match_weight,
    told.override_ids,
    least(before.first_night, $night::DATE) AS first_night
FROM told
LEFT JOIN concerned USING (attention_id)
LEFT JOIN attention_before AS before USING (attention_id)
