-- touched: states that were not there the night before (new records and changed ones); gone: states that are no longer
-- there (records that left, and what changed ones were). Reads: everybody, before (record_id, state).
CREATE OR REPLACE TEMP TABLE touched AS SELECT state FROM everybody ANTI JOIN before USING (state);

CREATE OR REPLACE TEMP TABLE gone AS SELECT state FROM before ANTI JOIN everybody USING (state);
