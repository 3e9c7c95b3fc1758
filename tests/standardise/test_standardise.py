"""Whole feeds through standardise: each form of delivery, the order of steps, and laws that hold for every row."""

from __future__ import annotations

import itertools
import re
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.errors import RunFailed
from registry_pipeline.standardise import PERSON_STEPS, standardise_feed
from registry_pipeline.storage import Home, connect, load_sql, scan, write_table
from registry_pipeline.tables import FEEDS, TABLES, feed_table

NIGHT, NEXT = date(2026, 4, 1), date(2026, 4, 2)
CSV = {"kind": "csv", "path": "x.csv"}
NO_TEXT = {"local_id", "test_patient", "deleted", "withheld_identity_reason"}
TEXT_COLUMNS = [c for c in FEEDS["patient"].column_names if c not in NO_TEXT]


def provider(feed="patient", delivery="full", **columns):
    return Provider.model_validate(
        {
            "provider": "RX1",
            "setting": "acute",
            "delivery": delivery,
            "feeds": {feed: {"source": CSV, "columns": columns}},
        }
    )


@pytest.fixture
def run(tmp_path):
    """Accept rows (dicts of canonical columns), standardise them, and give back the outcome and the written rows."""
    home = Home(tmp_path)
    deployment = Deployment(synthetic_nhs_numbers=True, threads=1, memory_limit="1GB")
    configuration = Configuration(directory=tmp_path, home=tmp_path, deployment=deployment, providers={})

    def standardise(rows, *, of=None, feed="patient", night=NIGHT, previous=None):
        of = of or provider(feed)
        connection = connect(home, threads=1)
        table = feed_table("accepted", feed)
        columns = ", ".join(f"unnest($c_{c.name}::{c.type}[]) AS {c.name}" for c in table.columns)
        origin = {"source_file": "f.csv", "delivery": "RX1/f/v1"}
        full = [{"source_row": i + 1, "source_line": i + 2, **origin, **row} for i, row in enumerate(rows)]
        bound = {f"c_{c.name}": [row.get(c.name) for row in full] for c in table.columns}
        write_table(connection, f"SELECT {columns}", table, home.staged(f"accepted_{feed}", "RX1", night), bound)
        made = standardise_feed(configuration, of, feed, night, previous=previous)
        named = None if made.table == "person_record" else feed
        path = home.staged(made.table, "RX1", night, named)
        found = connection.execute(f"FROM {scan(path)} ORDER BY ALL")
        names = [d[0] for d in found.description]
        written = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        connection.close()
        assert tuple(names) == TABLES[made.table].column_names
        assert made.rows == len(written)
        return made, written

    return standardise


def test_the_steps_are_the_ctes_in_order():
    names = re.findall(r"^-- step: (\w+)\n(\w+) AS \(", load_sql("person_record"), flags=re.MULTILINE)
    assert [n for n, _ in names] == [cte for _, cte in names] == [s.name for s in PERSON_STEPS]
    for before, step in itertools.pairwise(PERSON_STEPS):
        assert f"FROM {before.name}\n" in step.sql or f"FROM {before.name})" in step.sql
        assert step.does
        assert step.why


def test_a_person_record_with_everything(run):
    row = {
        "local_id": " 7 ", "nhs_number": "943 476 5919", "nhs_number_status": "TRUE", "title": "Mrs",
        "given_name": "Zoë (Zo)", "middle_names": "Anne-Marie", "family_name": "Mc Donald née O'Brien",
        "birth_date": "29 Sep 1961", "death_date": "01 Mar 2026", "sex": "female", "ethnicity": "A",
        "address": "1, High St.", "postcode": "sw1a1aa", "phone": "+44 (0)7911 123456", "email": "Z@Example.org",
        "gp_practice": "A81001", "sensitive": "S", "merged_into": "8",
    }  # fmt: skip
    status = {"from": "a", "values": {"TRUE": "01", "FALSE": "02"}}
    of = provider(nhs_number_status=status, birth_date={"from": "b", "format": "%d %b %Y"},
                  death_date={"from": "c", "format": "%d %b %Y"})  # fmt: skip
    _, (record,) = run([row], of=of)
    expected = {
        "record_id": "RX1:7", "provider": "RX1", "setting": "acute", "local_id": "7", "nhs_number": "9434765919",
        "nhs_number_status": "01", "is_nhs_number_verified": True, "title": "Mrs", "given_name": "ZOE",
        "middle_names": "ANNE MARIE", "family_name": "MCDONALD", "previous_family_name": "OBRIEN",
        "given_name_display": "Zoë (Zo)", "middle_names_display": "Anne-Marie",
        "family_name_display": "Mc Donald née O'Brien", "previous_family_name_display": "OBRIEN",
        "alias_names": ["ZO"], "birth_date": date(1961, 9, 29), "death_date": date(2026, 3, 1), "sex": "F",
        "ethnicity": "A", "address": "1 HIGH ST", "address_display": "1, High St.", "postcode": "SW1A 1AA",
        "phone": "07911123456", "email": "z@example.org", "gp_practice": "A81001", "is_sensitive": True,
        "merged_into": "RX1:8", "null_reasons": {}, "night": NIGHT, "delivery": "RX1/f/v1", "source_file": "f.csv",
        "source_line": 2,
    }  # fmt: skip
    assert record == expected


NULLED = [
    ("nhs_number", "1234567890", "modulus_11"),
    ("nhs_number_status", "17", "not_in_code_list"),
    ("given_name", "Baby of Jane", "placeholder_name"),
    ("given_name", "Twin 1", "placeholder_name"),
    ("given_name", "Mr", "title_only"),
    ("family_name", "Unknown", "placeholder_name"),
    ("family_name", "...", "no_letters"),
    ("previous_family_name", "not known", "placeholder_name"),
    ("birth_date", "1900-01-01", "placeholder_date"),
    ("birth_date", "1970-01-01", "placeholder_date"),
    ("birth_date", "1894-12-31", "too_early"),
    ("birth_date", "2026-04-02", "in_future"),
    ("birth_date", "1961-09", "month_only"),
    ("birth_date", "29/09/1961", "not_a_date"),
    ("death_date", "9999-12-31", "placeholder_date"),
    ("sex", "9", "not_known"),
    ("sex", "Q", "not_in_code_list"),
    ("ethnicity", "I", "not_in_code_list"),
    ("postcode", "ZZ99 3VZ", "no_fixed_abode"),
    ("postcode", "00100", "not_a_uk_postcode"),
    ("address", "No fixed abode", "no_fixed_abode"),
    ("phone", "123", "too_short"),
    ("email", "none", "not_an_email"),
    ("gp_practice", "V81997", "not_registered"),
]


def test_what_is_set_to_null_says_why_and_is_counted(run):
    made, records = run([{"local_id": f"{i:02}", column: value} for i, (column, value, _) in enumerate(NULLED)])
    for (column, _, reason), record in zip(NULLED, records, strict=True):
        assert record[column] is None
        assert record["null_reasons"] == {column: reason}
    assert sum(made.null_reasons.values()) == len(NULLED)
    assert made.null_reasons["birth_date: placeholder_date"] == 2


def test_a_death_before_the_birth_goes_and_the_birth_stays(run):
    _, (record,) = run([{"local_id": "1", "birth_date": "1961-09-29", "death_date": "1950-01-02"}])
    assert (record["birth_date"], record["death_date"]) == (date(1961, 9, 29), None)
    assert record["null_reasons"] == {"death_date": "before_birth"}


def test_a_two_digit_year_is_not_ahead(run):
    of = provider(birth_date={"from": "b", "format": "%d/%m/%y"})
    _, (record,) = run([{"local_id": "1", "birth_date": "29/09/61"}], of=of)
    assert record["birth_date"] == date(1961, 9, 29)


def test_one_name_field_is_parted(run):
    _, (record,) = run([{"local_id": "1", "family_name": "SMITH, Mr John"}])
    assert (record["title"], record["given_name"], record["family_name"]) == ("MR", "JOHN", "SMITH")


def test_a_local_id_alone_is_a_record(run):
    _, (record,) = run([{"local_id": "1"}])
    assert record["record_id"] == "RX1:1"
    assert record["null_reasons"] == {}
    assert record["is_sensitive"] is False


def test_test_patients_and_deleted_records_go_no_further(run):
    made, records = run([
        {"local_id": "1", "family_name": "Tester"},
        {"local_id": "2", "family_name": "ZZTEST"},
        {"local_id": "3", "test_patient": "Y"},
        {"local_id": "4", "deleted": "true"},
    ])  # fmt: skip
    assert [r["local_id"] for r in records] == ["1"]
    assert made.left_out == {"test_patient": 2, "deleted": 1}


def test_a_delta_folds_into_the_whole_state(run):
    of = provider(delivery="delta")
    run([{"local_id": i, "family_name": "Old"} for i in "abcd"], of=of)
    made, records = run(
        [
            {"local_id": "b", "family_name": "First"},
            {"local_id": "b", "family_name": "Last"},
            {"local_id": "c", "deleted": "Y"},
            {"local_id": "e", "family_name": "New"},
        ],
        of=of, night=NEXT, previous=NIGHT,
    )  # fmt: skip
    assert {r["local_id"]: r["family_name"] for r in records} == {"a": "OLD", "b": "LAST", "d": "OLD", "e": "NEW"}
    assert {r["local_id"]: r["night"] for r in records}["a"] == NIGHT
    assert made.left_out == {"deleted": 1, "repeated_key": 1}


def test_a_delta_without_its_state_says_what_to_do(run):
    with pytest.raises(RunFailed, match="run 2026-04-01 again"):
        run([{"local_id": "a"}], of=provider(delivery="delta"), night=NEXT, previous=NIGHT)


@pytest.mark.parametrize("delivery", ["full", "delta"])
def test_spells(run, delivery):
    made, records = run(
        [
            {"event_id": "1", "local_id": "7", "start_date": "2026-01-02T10:30:00", "end_date": "2026-01-05",
             "admission_method": "2A", "diagnoses": "I10X; E11.9", "procedures": "W37.1"},
            {"event_id": "2", "local_id": "7", "start_date": "2026-01-02", "end_date": "2025-01-05",
             "admission_method": "2C", "deleted": "TRUE"},
            {"event_id": "3", "start_date": "2026-01-02"},
        ],
        feed="spell", of=provider("spell", delivery),
    )  # fmt: skip
    first = records[0]
    assert first["event_key"] == "RX1:spell:1"
    assert first["record_id"] == "RX1:7"
    assert first["start_time"] == datetime(2026, 1, 2, 10, 30)  # noqa: DTZ001  # times of care are local
    assert (first["is_emergency"], first["diagnoses"], first["procedures"]) == (True, ["I10", "E119"], ["W371"])
    if delivery == "delta":
        assert records[1]["is_deleted"]
        assert records[1]["is_emergency"] is False
        assert records[1]["null_reasons"] == {"end_time": "before_start"}
        assert made.left_out == {"no_local_id": 1}
    else:
        assert made.left_out == {"deleted": 1, "no_local_id": 1}


@pytest.mark.parametrize(
    ("feed", "given_row", "expected"),
    [
        ("attendance", {"start_date": "2026-01-02", "arrival_mode": "1", "department_type": "01"},
         {"is_emergency": True, "source": "1", "specialty": "01"}),
        ("contact", {"duration_minutes": "x", "attendance_status": "5"},
         {"duration_minutes": None, "attendance_status": "5", "null_reasons": {"duration_minutes": "not_a_count"}}),
        ("referral", {"referral_source": "03", "team_type": "T1"}, {"source": "03", "specialty": "T1"}),
        ("medication", {"code": "39113611000001102", "repeat": "Y"},
         {"code": "39113611000001102", "is_repeat": True, "is_emergency": False}),
        ("condition", {"code": "I10.X", "coding_system": "ICD-10", "start_date": "2020-01-02 10:00:00"},
         {"code": "I10", "coding_system": "icd10", "start_date": date(2020, 1, 2)}),
        ("care_plan", {"plan_type": "10", "review_date": "2027-01-01", "agreed": "N"},
         {"review_date": date(2027, 1, 1), "is_agreed": False}),
        ("service", {"service_type": "Long Term Support: Community", "start_date": "1900-01-01"},
         {"start_date": None, "null_reasons": {"start_date": "placeholder_date"}}),
        ("observation", {"code": "60621009", "value": "27.5", "unit": "kg/m2", "start_date": "2026-01-02 10:00:00"},
         {"code": "60621009", "coding_system": "snomed", "value": 27.5, "unit": "kg/m2", "start_date": date(2026, 1, 2)}),
        ("carer", {"carer_local_id": "9", "relationship": "02"}, {"carer_local_id": "9", "relationship": "02"}),
    ],
)  # fmt: skip
def test_events_of_every_feed(run, feed, given_row, expected):
    _, (record,) = run([{"event_id": "1", "local_id": "7", **given_row}], feed=feed)
    assert {name: record[name] for name in expected} == expected
    assert record["event_key"] == f"RX1:{feed}:1"


A_RESULT = {"event_id": "1", "local_id": "7", "code": "999791000000106", "unit": "mmol/mol"}


@pytest.mark.parametrize(
    ("delivered", "value"),
    [
        ("53", 53), (" 7.5 ", 7.5), ("-0.4", -0.4), ("+12", 12), (".5", 0.5), ("5.", 5), ("1.2E3", 1200), ("0", 0),
        ("7,5", None), ("<5", None), ("> 90", None), ("see letter", None), ("120/80", None), ("5 mmol/L", None),
        ("1_000", None), ("inf", None), ("NaN", None), ("1e99", None), ("0x1F", None), ("٥", None),
    ],
)  # fmt: skip
def test_a_measured_value_is_a_number_or_says_why_not(run, delivered, value):
    made, [written] = run([{**A_RESULT, "value": delivered}], feed="observation")
    assert written["value"] == value
    assert written["unit"] == "mmol/mol"
    assert written["null_reasons"] == ({} if value is not None else {"value": "not_a_number"})
    assert made.null_reasons == ({} if value is not None else {"value: not_a_number": 1})


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet="0123456789.,<>eE+-/ x", max_size=7), min_size=30, max_size=60))
def test_whatever_is_delivered_as_a_value_it_is_that_number_or_null_with_a_reason(run, texts):
    _, written = run(
        [{**A_RESULT, "event_id": f"{n:02}", "value": text} for n, text in enumerate(texts)], feed="observation"
    )
    for text, row in zip(texts, written, strict=True):
        number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", text.strip(" "))
        expected = float(text) if number and abs(float(text)) <= 1e15 else None
        assert row["value"] == (pytest.approx(expected) if expected is not None else None), text
        assert row["null_reasons"] == ({"value": "not_a_number"} if text.strip(" ") and expected is None else {}), text


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        (
            {"start_date": "2026-03-28", "code": "401191002", "coding_system": "snomed", "value": "  "},
            {"code": "401191002", "coding_system": "snomed", "value": None, "null_reasons": {}},
        ),
        (
            {"code": "E11.9", "coding_system": "ICD-10", "value": "1"},
            {"code": "E119", "coding_system": "icd10", "value": 1.0, "start_date": None, "null_reasons": {}},
        ),
        (
            {"start_date": "31/02/2026", "code": "x", "coding_system": "opcs", "value": "1,000"},
            {
                "coding_system": None,
                "value": None,
                "null_reasons": {
                    "start_date": "not_a_date", "coding_system": "not_in_code_list", "value": "not_a_number",
                },
            },
        ),
        ({"code": "9N0..", "coding_system": "read2"}, {"code": "9N0..", "coding_system": "read2", "unit": None}),
    ],
    ids=["a process without a value", "a diagnosis among observations", "everything wrong", "a Read code"],
)  # fmt: skip
def test_observations(run, delivered, expected):
    _, [written] = run([{"event_id": "1", "local_id": "7", **delivered}], feed="observation")
    assert {name: written[name] for name in expected} == expected
    assert written["event_key"] == "RX1:observation:1"


def test_replacements_of_nhs_numbers(run):
    made, records = run(
        [
            {"nhs_number": "943 476 5919", "replaced_by": "4010232137", "start_date": "2026-01-01"},
            {"nhs_number": "9434765918", "replaced_by": "4010232137"},
            {"nhs_number": "4010232137", "replaced_by": "4010232137"},
        ],
        feed="nhs_number_replacement",
    )
    assert [(r["nhs_number"], r["replaced_by"], r["start_date"]) for r in records] == [
        ("9434765919", "4010232137", date(2026, 1, 1))
    ]
    assert made.left_out == {"invalid_nhs_number": 1, "replaced_by_itself": 1}


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({}, optional={
    c: st.text(alphabet="AaBy ZoëŁ0123459-/'().,@王x", min_size=1, max_size=12) for c in TEXT_COLUMNS
}), min_size=20, max_size=40))  # fmt: skip
def test_a_null_has_a_reason_exactly_when_there_was_a_value(run, rows):
    full = [{"local_id": f"{i:03}", **row} for i, row in enumerate(rows)]
    _, records = run(full)
    by_id = {r["local_id"]: r for r in records}
    two_names = [r for r in full if r["local_id"] in by_id]
    for row in two_names:
        record = by_id[row["local_id"]]
        for column in set(TEXT_COLUMNS) - {"title", "sensitive", "merged_into", "given_name", "family_name"}:
            delivered = (row.get(column) or "").strip(" ")
            was_nulled = bool(delivered) and record[column] is None
            assert (column in record["null_reasons"]) == was_nulled, (column, row.get(column), record[column])
        for column in ("given_name", "middle_names", "family_name", "previous_family_name", "address"):
            assert record[column] is None or not re.search(r"[a-z]|  |^ | $", record[column])
