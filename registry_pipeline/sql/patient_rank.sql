-- One number for a record's rank in a rule, the highest wins: four criteria of 12 bits each, the weightiest first, and
-- the tie-breaker. One integer, so that one pass over the records finds every field's winner without a sort.
CREATE OR REPLACE TEMP MACRO survivorship_rank(first, second, third, fourth, tie) AS
    (((first::BIGINT * 4096 + second::BIGINT) * 4096 + third::BIGINT) * 4096 + fourth::BIGINT) * 4096 + least(tie, 4095);

-- A survivor's source for field_sources.
CREATE OR REPLACE TEMP MACRO survivor_source(field, value, record_id, rule) AS
    if(value IS NULL, NULL, {'key': field, 'value': {'record_id': record_id, 'rule': rule}});

CREATE OR REPLACE TEMP MACRO text_length(value) AS least(coalesce(length(value), 0), 4095);
