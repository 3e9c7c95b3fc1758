"""Type 1 dissent and local objections: whose records stay out of which purposes."""

import json
import stat
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal, objections
from registry_pipeline.storage import Home
from tests.govern.small_registry import NIGHT, configuration, covering, left_out, number, person, publish, record

RECORDS = [
    record("G:1", 1, number(1)),
    record("H:1", 1, number(1)),
    record("R:1", 1, number(1)),
    record("G:2", 2, number(2)),
    record("R:2", 2, number(2)),
]
DISSENT, WITHDRAWN = "827241000000103", "827261000000102"
SPRING, SUMMER = date(2024, 4, 1), date(2024, 7, 1)


def honouring(*kinds, purpose="audit"):
    return {purpose: {"key": {"env": "NO_KEY"}, "objections": list(kinds)}}


@pytest.fixture
def system(tmp_path):
    publish(tmp_path, RECORDS)
    return configuration(tmp_path, outputs=honouring("type_1", "local") | honouring("local", purpose="planning"))


def kept_out(system, purpose="audit", records=RECORDS, conditions=()):
    connection = covering(Home(system.home), records, conditions)
    try:
        counts = objections.name_left_out(connection, system, purpose, NIGHT)
        return left_out(connection), counts
    finally:
        connection.close()


# ------------------------------------------------------------------------------------------------------- type 1 ---


@pytest.mark.parametrize("code", [DISSENT, "9Nu0", "9Nu0.", "9Nu0.00", "XaZ89", "XaZ8900"])
def test_dissent_keeps_every_gp_record_of_the_person_out_and_no_other(system, code):
    records, counts = kept_out(system, conditions=[{"record_id": "G:1", "code": code, "on": SPRING}])

    assert records == {"type_1": {"G:1", "H:1"}}
    assert counts == {"type_1": 1, "local": 0}


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ([(DISSENT, SPRING), (WITHDRAWN, SUMMER)], False),
        ([(WITHDRAWN, SPRING), (DISSENT, SUMMER)], True),
        ([(DISSENT, SPRING), (WITHDRAWN, SPRING)], True),
        ([(DISSENT, None), (WITHDRAWN, SUMMER)], True),
        ([(DISSENT, SPRING), (WITHDRAWN, None)], True),
        ([(DISSENT, SPRING), ("9Nu1.", SUMMER)], False),
        ([("XaZ89", SPRING), ("XaZ8A", SUMMER)], False),
        ([(WITHDRAWN, SUMMER)], False),
        ([("9nu0.", SUMMER), ("9Nu4.", SUMMER), ("38341003", SUMMER)], False),
    ],
)
def test_the_latest_word_decides_and_in_doubt_it_is_dissent(system, said, stands):
    conditions = [{"record_id": "G:1", "code": code, "on": on} for code, on in said]

    assert kept_out(system, conditions=conditions)[0] == ({"type_1": {"G:1", "H:1"}} if stands else {})


def test_a_withdrawal_at_the_new_practice_ends_the_dissent_at_the_old_one(system):
    conditions = [
        {"record_id": "G:1", "code": DISSENT, "on": SPRING},
        {"record_id": "H:1", "code": WITHDRAWN, "on": SUMMER},
    ]

    assert kept_out(system, conditions=conditions)[0] == {}


def test_a_code_that_no_practice_recorded_is_no_type_1_opt_out(system):
    assert kept_out(system, conditions=[{"record_id": "R:1", "code": DISSENT, "on": SPRING}])[0] == {}


def test_dissent_is_heard_also_where_the_practice_that_coded_it_is_not_covered(system):
    covered = [r for r in RECORDS if r["provider"] != "G"]

    records, _ = kept_out(system, records=covered, conditions=[{"record_id": "G:1", "code": DISSENT, "on": SPRING}])

    assert records == {"type_1": {"H:1"}}


WORDS = st.lists(
    st.tuples(st.sampled_from([DISSENT, WITHDRAWN]), st.dates(date(2020, 1, 1), date(2020, 1, 5))), max_size=6
)


@settings(max_examples=25, deadline=None)
@given(said=WORDS)
def test_law_dissent_stands_unless_something_later_than_all_dissent_withdrew_it(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("law")
    system = configuration(folder, outputs=honouring("type_1"))
    conditions = [{"record_id": "G:1", "code": code, "on": on} for code, on in said]

    dissent = [on for code, on in said if code == DISSENT]
    withdrawn = [on for code, on in said if code == WITHDRAWN]
    stands = bool(dissent) and (not withdrawn or max(withdrawn) <= max(dissent))

    assert bool(kept_out(system, conditions=conditions)[0]) == stands


# ------------------------------------------------------------------------------------------------ local objections ---


@pytest.mark.parametrize("objecting", ["R:1", person(1)])
def test_an_objection_keeps_every_record_of_the_person_out_of_its_purposes_only(system, objecting):
    made = objections.object_to(system, objecting, ["audit"], who="IG", why="letter of 1 April")

    assert made.number == 1
    assert kept_out(system) == ({"local": {"G:1", "H:1", "R:1"}}, {"type_1": 0, "local": 1})
    assert kept_out(system, "planning")[0] == {}


def test_an_objection_follows_the_person_when_records_part_and_when_one_leaves(system, tmp_path):
    objections.object_to(system, "H:1", ["audit"], who="IG", why="letter")
    apart = [r if r["record_id"] != "H:1" else {**r, "patient_id": person(9)} for r in RECORDS]
    gone = next(r for r in RECORDS if r["record_id"] == "H:1")
    left = [r for r in RECORDS if r["record_id"] != "H:1"]

    assert kept_out(system, records=apart)[0] == {"local": {"H:1"}}
    publish(tmp_path, left, former=[gone])
    assert kept_out(system, records=left)[0] == {"local": {"G:1", "R:1"}}


def test_a_withdrawn_objection_counts_no_longer_and_both_lines_stay(system):
    objections.object_to(system, person(2), ["audit", "planning"], who="IG", why="letter")
    objections.withdraw(system, 1, who="IG", why="second letter")

    assert kept_out(system)[0] == {}
    assert [line.kind for line in objections.register(Home(system.home))] == ["objection", "withdrawal"]
    with pytest.raises(BadInput, match="No objection 1 is in force"):
        objections.withdraw(system, 1, who="IG", why="again")
    with pytest.raises(BadInput, match="No objection 2 is in force"):
        objections.withdraw(system, 2, who="IG", why="a withdrawal is no objection")


def test_an_objection_is_in_the_journal_by_its_number_and_the_register_is_the_owners_alone(system):
    objections.object_to(system, person(2), ["audit"], who="IG", why="letter")

    [entry] = journal.entries(Home(system.home), ["objection"])
    file = Home(system.home).govern / "objections.jsonl"
    assert (entry.who, entry.why) == ("IG", "letter")
    assert entry.what == {"number": 1, "kind": "objection", "withdraws": None, "purposes": ["audit"], "records": 2}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "G:2" not in Home(system.home).journal.read_text()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"purposes": ["direct_care"]}, "provider to restrict the record"),
        ({"purposes": ["reserch"]}, "'reserch' is no purpose"),
        ({"purposes": []}, "No purpose is given"),
        ({"who": " "}, "--who is empty"),
        ({"why": ""}, "--why is empty"),
        ({"why": f"asked by {number(1)}"}, "--why holds what looks like an NHS number"),
        ({"person": "G:999"}, "neither a record key"),
        ({"person": number(1)}, "neither a record key"),
    ],
)
def test_what_cannot_be_objected_to_is_refused_and_nothing_written(system, asked, said):
    given = {"person": "G:1", "purposes": ["audit"], "who": "IG", "why": "letter", **asked}

    with pytest.raises(BadInput, match=said) as caught:
        objections.object_to(system, given["person"], given["purposes"], who=given["who"], why=given["why"])

    assert number(1) not in str(caught.value)
    assert objections.register(Home(system.home)) == []
    assert journal.entries(Home(system.home)) == []


def test_a_register_that_was_damaged_stops_every_output_that_honours_it(system):
    objections.object_to(system, "G:1", ["audit"], who="IG", why="letter")
    file = Home(system.home).govern / "objections.jsonl"
    file.write_text(file.read_text() + '{"number": 2, "kind')

    with pytest.raises(RunFailed, match="line 2: the register of objections is damaged"):
        kept_out(system)


def test_a_forgotten_record_leaves_the_register_and_the_numbers_stay(system):
    objections.object_to(system, person(1), ["audit"], who="IG", why="letter")
    objections.object_to(system, "G:2", ["audit"], who="IG", why="letter")

    assert objections.forget(Home(system.home), [], ["G:1", "H:1", "R:1"]) == 1

    text = (Home(system.home).govern / "objections.jsonl").read_text()
    assert [json.loads(line)["records"] for line in text.splitlines()] == [[], ["G:2"]]


# ------------------------------------------------------------------------------------------------------ for whom ---


def test_no_objection_of_any_kind_applies_to_direct_care_whatever_is_configured(tmp_path):
    publish(tmp_path, RECORDS)
    system = configuration(tmp_path, outputs=honouring("national", "type_1", "local", purpose="direct_care"))

    assert kept_out(system, "direct_care", conditions=[{"record_id": "G:1", "code": DISSENT}]) == ({}, {})


def test_a_kind_counts_only_for_purposes_that_honour_it(tmp_path):
    publish(tmp_path, RECORDS)
    system = configuration(tmp_path, outputs=honouring("local"))

    assert kept_out(system, conditions=[{"record_id": "G:1", "code": DISSENT}]) == ({}, {"local": 0})
