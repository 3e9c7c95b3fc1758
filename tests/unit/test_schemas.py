"""The forms of published tables: their versions, what a change of them asks for, and what refuses another form."""

import copy
import json
import typing
from datetime import date

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.config import Setting
from registry_pipeline.consumer import MADE_BEFORE, READ_TABLES, RISK_BEFORE, name_made_before, refuse_other_form
from registry_pipeline.dictionary import code_lists
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.storage import Home, connect, write_table
from registry_pipeline.tables import (
    CONSUMER_TABLES,
    OUTPUT_TABLES,
    PUBLISHED,
    REGISTRY_TABLES,
    SCHEMA_VERSIONS,
    TABLES,
    Column,
    Table,
)
from registry_pipeline.validate import suites
from tests.unit import published_schemas as published

TABLE = "registry/patient_activity"


# The record ----------------------------------------------------------------------------------------------------------


def test_what_is_published_is_what_readers_were_promised():
    now = published.forms()
    assert published.faults(published.record(), now, published.CHANGELOG.read_text()) == []
    assert published.record() == now, f"The record is behind tables.py: renew it with {published.RENEW}"


def test_every_published_table_has_a_version_and_no_other():
    assert {family: set(tables) for family, tables in PUBLISHED.items()} == {
        family: set(versions) for family, versions in SCHEMA_VERSIONS.items()
    }
    for family, tables in PUBLISHED.items():
        assert {table.name: table.version for table in tables.values()} == dict(SCHEMA_VERSIONS[family])
    assert TABLES["person_record"].version is None


# What a change asks for: planted changes of one table ----------------------------------------------------------------


def column_gone(form):
    del form["columns"]["admission_method"]


def column_renamed(form):
    form["columns"]["method_of_admission"] = form["columns"].pop("admission_method")


def column_retyped(form):
    form["columns"]["duration_minutes"]["type"] = "DOUBLE"


def column_nullable(form):
    form["columns"]["activity_kind"]["nullable"] = True


def other_unit(form):
    form["columns"]["duration_minutes"]["unit"] = "hours"


def other_codes(form):
    form["columns"]["diagnoses"]["codes"] = "clinical_code"


def value_gone(form):
    form["columns"]["setting"]["values"].remove("acute")


def other_key(form):
    form["key"] = ["patient_id", "event_key"]


def other_row(form):
    form["one_row_per"] = "episode of a spell"


def column_added(form):
    form["columns"]["ward"] = {"type": "VARCHAR", "nullable": True}


def value_added(form):
    form["columns"]["activity_kind"]["values"].append("call")


def never_null_any_more(form):
    form["columns"]["start_time"]["nullable"] = False


BREAKING = {
    column_gone: "the column admission_method is gone, or has another name",
    column_renamed: "the column admission_method is gone, or has another name",
    column_retyped: "duration_minutes is DOUBLE, and was INTEGER",
    column_nullable: "activity_kind may be null, and never was",
    other_unit: "duration_minutes is in hours, and was in minutes",
    other_codes: "diagnoses is coded in clinical_code, and was in icd10",
    value_gone: "setting has another list of values (setting)",
    other_key: "the key is patient_id, event_key, and was event_key",
    other_row: "a row is a episode of a spell, and was a activity of a person",
}
ADDING = {column_added: "the column ward is new", value_added: "activity_kind has new values (activity_kind)"}
NAMES = {"ids": lambda change: change.__name__}


def before():
    """Today's forms, as if every one had been published as 1.3."""
    return {name: form | {"version": "1.3"} for name, form in copy.deepcopy(published.forms()).items()}


def after(change, version="1.3"):
    forms = before()
    change(forms[TABLE])
    forms[TABLE]["version"] = version
    return forms


@pytest.mark.parametrize("change", BREAKING, **NAMES)
def test_a_breaking_change_asks_for_a_major_version_and_says_how(change):
    (said,) = published.faults(before(), after(change), "")
    assert BREAKING[change] in said
    assert "from 1.3 to 2.0" in said
    assert published.RENEW in said
    assert len(published.faults(before(), after(change, "1.4"), f"- `{TABLE}` 1.4")) == 1


@pytest.mark.parametrize("change", BREAKING, **NAMES)
def test_a_breaking_change_must_be_told_in_the_changelog(change):
    now = after(change, "2.0")
    assert published.faults(before(), now, f"- `{TABLE}` 2.0: what changed.") == []
    for changelog in (
        "",
        f"- `{TABLE}` has changed.",
        "- `registry/patient` 2.0",
        f"- `{TABLE}` 12.0",
        f"- `{TABLE}` 2.0.1",
        f"- `{TABLE}`\n- Something else is at 2.0",
    ):
        (said,) = published.faults(before(), now, changelog)
        assert "CHANGELOG.md has no entry" in said


@pytest.mark.parametrize("change", ADDING, **NAMES)
def test_an_addition_asks_for_a_minor_version(change):
    (said,) = published.faults(before(), after(change), "")
    assert ADDING[change] in said
    assert "from 1.3 to 1.4" in said
    assert published.faults(before(), after(change, "1.4"), "") == []


def test_what_breaks_nobody_asks_for_the_record_only():
    assert published.faults(before(), after(never_null_any_more), "") == []
    assert after(never_null_any_more) != before()


COLUMNS = tuple(TABLES["patient_activity"].column_names)


@settings(max_examples=60, deadline=None)
@given(
    gone=st.sets(st.sampled_from(COLUMNS)), added=st.sets(st.text("abc_", min_size=1).map("new_".__add__), max_size=4)
)
def test_what_went_breaks_and_what_came_adds(gone, added):
    """A law: each column that is gone is told once as breaking, each new one once as added, and nothing else is told."""
    was = before()[TABLE]
    now = copy.deepcopy(was)
    now["columns"] = {name: said for name, said in was["columns"].items() if name not in gone}
    now["columns"] |= {name: {"type": "VARCHAR", "nullable": True} for name in added}
    told = published.changes(was, now)
    assert set(told.breaking) == {f"the column {name} is gone, or has another name" for name in gone}
    assert set(told.added) == {f"the column {name} is new" for name in added}
    back = published.changes(now, was)
    assert (len(back.breaking), len(back.added)) == (len(added), len(gone))
    now["version"] = "1.3"
    faults = published.faults({TABLE: was}, {TABLE: now}, "")
    assert len(faults) == (1 if gone or added else 0)
    assert ("to 2.0" in "".join(faults)) is bool(gone)


def test_a_version_only_rises():
    (said,) = published.faults(before(), after(never_null_any_more, "1.2"), "")
    assert "a version only rises" in said


def test_a_draft_may_change():
    was, now = before(), after(column_gone, "0.2")
    was[TABLE]["version"] = "0.1"
    assert published.faults(was, now, "") == []


def test_a_table_that_is_published_no_more_is_told():
    now = before()
    del now[TABLE]
    (said,) = published.faults(before(), now, "")
    assert TABLE in said
    assert published.faults(before(), now, f"- `{TABLE}` is removed.") == []


@pytest.mark.parametrize("version", ["2.0", "1.3"])
def test_the_record_is_renewed_only_after_what_has_to_be_done(version, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(published, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(published, "CHANGELOG", tmp_path / "CHANGELOG.md")
    (tmp_path / "CHANGELOG.md").write_text(f"- `{TABLE}` 2.0\n")
    (tmp_path / "record.json").write_text(json.dumps(before()))
    now = after(column_gone, version)
    monkeypatch.setattr(published, "forms", lambda: now)
    assert published.main() == (0 if version == "2.0" else 1)
    assert (published.record() == now) is (version == "2.0")
    assert ("raise its version" in capsys.readouterr().err) is (version != "2.0")


# What is said of columns holds ---------------------------------------------------------------------------------------

CHECKED = (*REGISTRY_TABLES, *CONSUMER_TABLES)


@pytest.mark.parametrize("name", CHECKED)
def test_a_column_is_never_null_just_where_the_suite_sees_to_it(name):
    table = CONSUMER_TABLES.get(name) or TABLES[name]
    held = {
        rule.kwargs["column"]
        for rule in suites.load_suite(name).rules
        if rule.type == "expect_column_values_to_not_be_null" and rule.severity == "critical"
    }
    assert {column.name for column in table.columns if not column.is_nullable} == held


@pytest.mark.parametrize("name", CHECKED)
def test_suites_and_dictionary_name_the_same_columns_and_values(name):
    table = CONSUMER_TABLES.get(name) or TABLES[name]
    rules = {rule.name: rule for rule in suites.load_suite(name).rules}
    assert rules["columns_are_as_described"].kwargs["column_set"] == list(table.column_names)
    listed = {column.name: code_lists.load()[column.codes] for column in table.columns if column.codes}
    for column, codes in listed.items():
        rule = rules.get(f"{column}_is_known")
        if codes.closed and rule is not None and rule.type == "expect_column_values_to_be_in_set":
            assert set(rule.kwargs["value_set"]) in (set(codes.values), {True})


def test_keys_are_never_null():
    for tables in PUBLISHED.values():
        for table in tables.values():
            columns = {column.name: column for column in table.columns}
            optional = {"other_patient_id"}  # part of a key as SQL's NULLS NOT DISTINCT has it
            assert not {name for name in table.key if columns[name].is_nullable} - optional, table.name


def test_every_list_is_used_and_every_used_list_is_there():
    used = {column.codes for tables in PUBLISHED.values() for t in tables.values() for column in t.columns}
    lists = code_lists.load()
    assert used - {None} == set(lists)
    for name, codes in lists.items():
        assert codes.title, name
        assert codes.source, name
        assert codes.values or not codes.closed, name


def test_lists_that_the_code_has_too_are_the_same():
    from registry_pipeline.link.cluster import REASONS
    from registry_pipeline.tables import FEEDS

    lists = code_lists.load()
    assert tuple(lists["setting"].values) == typing.get_args(Setting)
    assert set(lists["attention_reason"].values) == set(REASONS)
    assert set(lists["activity_kind"].values) == {feed.name for feed in FEEDS.values() if feed.becomes == "activity"}


@pytest.mark.parametrize(
    ("column", "feed"),
    [("admission_method", "spell"), ("discharge_method", "spell"), ("patient_classification", "spell"),
     ("attendance_status", "contact"), ("priority", "referral")],
)  # fmt: skip
def test_national_lists_have_every_code_that_is_let_in_unremarked(column, feed):
    (codes,) = {c.codes for c in TABLES["patient_activity"].columns if c.name == column}
    (rule,) = [r for r in suites.load_suite(f"raw_{feed}").rules if r.name == f"{column}_is_known_code"]
    unexplained = {"admission_method": {"84", "89"}}.get(column, set())  # the raw suite's, of no list at hand
    assert set(rule.kwargs["value_set"]) - unexplained <= set(code_lists.load()[codes].values)


# Files carry it ------------------------------------------------------------------------------------------------------


def empty(folder, table):
    """A file of a table without rows."""
    columns = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in table.columns)
    connection = connect(Home(folder), macros=False)
    try:
        write_table(connection, f"SELECT {columns} LIMIT 0", table, folder / f"{table.name}.parquet")
    finally:
        connection.close()
    return folder / f"{table.name}.parquet"


def test_a_file_says_its_version_and_what_its_columns_are(tmp_path):
    schema = pq.read_schema(empty(tmp_path, TABLES["patient_activity"]))
    assert schema.metadata[b"schema_version"].decode() == SCHEMA_VERSIONS["registry"]["patient_activity"]
    minutes, setting = schema.field("duration_minutes").metadata, schema.field("setting").metadata
    assert (minutes[b"unit"], b"nullable" in minutes) == (b"minutes", False)
    assert (setting[b"codes"], setting[b"nullable"]) == (b"setting", b"false")
    assert pq.read_metadata(tmp_path / "patient_activity.parquet").metadata[b"schema_version"] == b"1.0"


def test_a_table_of_the_same_name_has_its_familys_version(tmp_path):
    assert OUTPUT_TABLES["patient"].version == SCHEMA_VERSIONS["output"]["patient"]
    assert b"schema_version" not in pq.read_schema(empty(tmp_path, TABLES["person_record"])).metadata


# A snapshot of another form ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "2026-04-01.1"
    folder.mkdir()
    for name in READ_TABLES:
        empty(folder, TABLES[name])
    return folder


@pytest.fixture
def snapshot(whole, tmp_path):
    folder = tmp_path / whole.name
    folder.mkdir()
    for file in whole.glob("*.parquet"):
        (folder / file.name).hardlink_to(file)
    return folder


def rewritten(snapshot, change):
    """`patient` of the snapshot in another form."""
    table = TABLES["patient"]
    (snapshot / "patient.parquet").unlink()
    empty(snapshot, change(table))


def reformed(table, columns=None, version="1.0"):
    return Table(table.name, table.one_row_per, table.key, columns or table.columns, version)


def test_a_snapshot_of_this_form_is_read(snapshot):
    refuse_other_form(snapshot)


def lacks_table(snapshot):
    (snapshot / "patient_observation.parquet").unlink()


def lacks_column(snapshot):
    rewritten(snapshot, lambda table: reformed(table, tuple(c for c in table.columns if c.name != "is_stale")))


def has_retyped_column(snapshot):
    retyped = {"birth_date": Column("birth_date", "VARCHAR", "Date of birth")}
    rewritten(snapshot, lambda table: reformed(table, tuple(retyped.get(c.name, c) for c in table.columns)))


def has_older_form(snapshot):
    rewritten(snapshot, lambda table: reformed(table, version="0.9"))


def has_newer_form(snapshot):
    rewritten(snapshot, lambda table: reformed(table, version="2.1"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lacks_table,
            ["has no table patient_observation", "patient_observation.parquet", "older form", "registry run"],
        ),
        (lacks_column, ["has no column is_stale in patient", "patient.parquet", "older form"]),
        (has_retyped_column, ["holds the column birth_date of patient as VARCHAR, not as DATE", "patient.parquet"]),
        (has_older_form, ["holds patient in the form 0.x, not 1.x", "patient.parquet", "older form"]),
        (has_newer_form, ["in the form 2.x", "reads form 1.x", "newer form", "patient.parquet"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_snapshot_of_another_form_is_refused_in_one_sentence(change, words, snapshot):
    change(snapshot)
    with pytest.raises(BadInput) as refused:
        refuse_other_form(snapshot)
    said = str(refused.value)
    assert all(word in said for word in ["2026-04-01.1", *words]), said
    assert said.endswith(".")
    assert "\n" not in said


def without_version(snapshot):
    rewritten(snapshot, lambda table: reformed(table, version=None))


def newer_minor(snapshot):
    more = (*TABLES["patient"].columns, Column("ward", "VARCHAR", "Added later"))
    rewritten(snapshot, lambda table: reformed(table, more, "1.7"))


@pytest.mark.parametrize("change", [without_version, newer_minor], ids=lambda change: change.__name__)
def test_a_snapshot_that_has_all_that_is_read_is_read(change, snapshot):
    change(snapshot)
    refuse_other_form(snapshot)


def test_a_file_that_cannot_be_read_is_said_to_be_damaged(snapshot):
    (snapshot / "patient.parquet").unlink()
    (snapshot / "patient.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(RunFailed, match=r"patient\.parquet cannot be read"):
        refuse_other_form(snapshot)


# What another version made of a snapshot -----------------------------------------------------------------------------


def absent_of(home, night):
    connection = connect(home, macros=False)
    try:
        absent = name_made_before(connection, home, f"{night}.1", night)
        return absent, connection.sql(f"SELECT long_term_conditions FROM {RISK_BEFORE}").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("form", ["this", "another"])
def test_what_is_of_another_form_is_as_if_it_had_not_been_made(form, tmp_path):
    home, table = Home(tmp_path), CONSUMER_TABLES["risk_stratification"]
    if form == "another":
        table = reformed(table, tuple(c for c in table.columns if c.name != "long_term_conditions"), table.version)
    before, night = date(2026, 3, 1), date(2026, 4, 1)
    for folder in (home.consumer(table.name, f"{before}.1"), home.consumer(table.name, f"{night}.1")):
        folder.mkdir(parents=True)
        empty(folder, table)
    expected = {"linkage_alternative", *MADE_BEFORE, RISK_BEFORE}
    if form == "this":
        expected -= {table.name, RISK_BEFORE}
    assert absent_of(home, night) == (expected, [])
