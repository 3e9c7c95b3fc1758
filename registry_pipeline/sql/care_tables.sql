-- Tables of this connection in which protocols are worked out. Parameter: none.
CREATE OR REPLACE TEMP MACRO care_never() AS DATE '9999-12-31';

-- Attended, or from a provider that does not say so of its contacts.
CREATE OR REPLACE TEMP MACRO care_is_attended(attendance_status) AS coalesce(attendance_status IN ('5', '6'), true);

-- A stay in hospital: neither a day case nor a regular attender.
CREATE OR REPLACE TEMP MACRO care_is_stay(patient_classification) AS
    coalesce(patient_classification NOT IN ('2', '3', '4'), true);

-- Whether a setting is among those that are named; all are where none is.
CREATE OR REPLACE TEMP MACRO care_is_named(named, value) AS len(named) = 0 OR coalesce(list_contains(named, value), false);

-- In force on a day: begun, as far as is known, and not ended.
CREATE OR REPLACE TEMP MACRO care_is_in_force(start_date, end_date, day) AS
    coalesce(start_date <= day, true) AND coalesce(end_date > day, true);

-- Who is in what: criteria of protocols, by number; `since` is null where nobody says since when.
CREATE OR REPLACE TEMP TABLE care_fact (fact INTEGER, patient_id UUID, since DATE);

-- Steps that are evaluated, and for whom (the number of a fact). Intervals are null where a step has none.
CREATE OR REPLACE TEMP TABLE care_step (
    step INTEGER, protocol VARCHAR, protocol_version VARCHAR, name VARCHAR, title VARCHAR, done_by VARCHAR[],
    is_seamless BOOLEAN, fact INTEGER, timing VARCHAR, span INTERVAL, window_hours INTEGER, look_back INTERVAL,
    first_span INTERVAL, discharge_of VARCHAR[]
);

-- What counts as done for a step, and whether that is where it is expected (the first of them); empty lists take any.
CREATE OR REPLACE TEMP TABLE care_count (
    step INTEGER, is_expected BOOLEAN, kind VARCHAR, list VARCHAR, settings VARCHAR[], manner VARCHAR, reasons VARCHAR[],
    teams VARCHAR[], mechanisms VARCHAR[], staff VARCHAR[]
);

-- What was done for whom: on which day, and through which day that is enough.
CREATE OR REPLACE TEMP TABLE care_done (
    step INTEGER, patient_id UUID, day DATE, through DATE, setting VARCHAR, provider VARCHAR
);
