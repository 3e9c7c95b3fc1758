"""What codes in the data mean by a list: prefixes, padding, case, and which tables they stand in."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest

from registry_pipeline import codes
from registry_pipeline.errors import BadInput
from tests.codes.small_reading import (
    attendance,
    condition,
    configuration,
    medicine,
    observation,
    patient,
    person,
    reading_of,
    spell,
)

LIST = """coding_system,code,term,item,weight
icd10,I10,Hypertension,heart,1
icd10,E11,Diabetes,diabetes,2
icd10,E112,Diabetic kidney disease,diabetes,3
icd10,E112,Diabetic kidney disease,kidney,4
icd10,G30,Alzheimer,dementia,5
snomed,44054006,Type 2 diabetes,diabetes,6
dmd,372594008,Sertraline,mood,7
read2,C10F.,Type 2 diabetes,diabetes,8
read2,c10f.,Another code,other,9
opcs4,W371,Hip,hip,10
"""
SIDECAR = "title: T\nversion: '1'\nsource: S\nlicence: L\n"

# coding system and code of a condition, and (item, weight) that it means
CASES = [
    ("icd10", "I10", {("heart", 1)}),
    ("icd10", "I10X", {("heart", 1)}),
    ("icd10", "I10XD", {("heart", 1)}),
    ("icd10", "i10", {("heart", 1)}),
    ("icd10", "I1", set()),
    ("icd10", "E11", {("diabetes", 2)}),
    ("icd10", "E11X", {("diabetes", 2)}),
    ("icd10", "E119", {("diabetes", 2)}),
    ("icd10", "E11.9", {("diabetes", 2)}),
    ("icd10", "E112", {("diabetes", 3), ("kidney", 4)}),
    ("icd10", "E112D", {("diabetes", 3), ("kidney", 4)}),
    ("icd10", "E1121", {("diabetes", 3), ("kidney", 4)}),
    ("icd10", "G301A", {("dementia", 5)}),
    ("icd10", "G30.1+", {("dementia", 5)}),
    ("icd10", "E12", set()),
    ("snomed", "44054006", {("diabetes", 6)}),
    ("snomed", "440540061", set()),
    ("snomed", "4405400", set()),
    ("snomed", " 44054006", {("diabetes", 6)}),
    ("read2", "C10F.", {("diabetes", 8)}),
    ("read2", "C10F.00", {("diabetes", 8)}),
    ("read2", "c10f.", {("other", 9)}),
    ("ctv3", "C10F.", set()),
    ("snomed", "I10", set()),
    (None, "I10", set()),
]


@pytest.fixture
def configured(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.csv").write_text(LIST, encoding="utf-8")
    (tmp_path / "lists" / "mine.yaml").write_text(SIDECAR, encoding="utf-8")
    return configuration(tmp_path, code_lists=Path("lists"))


def test_codes_of_conditions_mean_what_the_list_says(configured):
    rows = [condition(f"p{number}", code, system=system) for number, (system, code, _) in enumerate(CASES)]
    with reading_of(configured, *rows) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        found = reading.connection.sql(
            "SELECT patient_id, item, weight FROM coded_event JOIN code_meaning USING (coding_system, code)"
        ).fetchall()
    meant = [{(item, weight) for p, item, weight in found if p == person(f"p{n}")} for n in range(len(CASES))]
    assert dict(zip(((s, c) for s, c, _ in CASES), meant, strict=True)) == {(s, c): m for s, c, m in CASES}


def test_each_kind_of_event_has_its_codes(configured):
    day = date(2026, 1, 1)
    rows = [
        condition("a", "44054006", day, end=date(2026, 2, 1)),
        spell("b", "I10 E119", day, procedures=["W371"]),
        attendance("c", "44054006 E112", day),
        observation("d", "44054006", 52.0, day, unit="mmol/mol"),
        medicine("e", "372594008", day),
        medicine("f", None, day, description="not coded"),
    ]
    with reading_of(configured, *rows) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        found = reading.connection.sql(
            "SELECT kind, day, coding_system, code, value, unit, is_main, item FROM coded_event"
            " JOIN code_meaning USING (coding_system, code) ORDER BY ALL"
        ).fetchall()
        columns = reading.connection.sql("SELECT * FROM coded_event LIMIT 0").columns
    assert found == [
        ("attendance", day, "icd10", "E112", None, None, False, "diabetes"),
        ("attendance", day, "icd10", "E112", None, None, False, "kidney"),
        ("attendance", day, "snomed", "44054006", None, None, True, "diabetes"),
        ("condition", day, "snomed", "44054006", None, None, None, "diabetes"),
        ("medication", day, "snomed", "372594008", None, None, None, "mood"),
        ("observation", day, "snomed", "44054006", 52.0, "mmol/mol", None, "diabetes"),
        ("procedure", day, "opcs4", "W371", None, None, None, "hip"),
        ("spell", day, "icd10", "E119", None, None, False, "diabetes"),
        ("spell", day, "icd10", "I10", None, None, True, "heart"),
    ]
    assert columns == [
        "patient_id", "event_key", "record_id", "provider", "setting", "kind", "day", "end_day", "coding_system",
        "code", "value", "is_main", "unit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("I10", "icd10"), ("I10X", "icd10"), ("e119", "icd10"), ("E11.9", "icd10"), ("G30D", "icd10"), ("G30*", "icd10"),
        ("E11 9", "icd10"), ("U071", "icd10"), ("44054006", "snomed"), ("C10E", None), ("C10E.", None), ("XE0Uc", None),
        ("C10AA05", None), ("E1", None), ("12345", None), ("", None),
    ],
)  # fmt: skip
def test_a_diagnosis_tells_its_system_by_its_form(configured, code, system):
    with reading_of(configured, patient("a")) as reading:
        codes.name_coded_events(reading.connection)
        assert reading.connection.execute("SELECT code_system_of_form($1)", [code]).fetchall() == [(system,)]


def test_a_medicine_of_another_classification_is_no_diagnosis(configured):
    # C10AA05 is a statin (ATC), and ICD-10's E11 would be diabetes.
    with reading_of(configured, medicine("a", "E11AA05"), medicine("b", "I10"), spell("c", "I10")) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        found = reading.connection.sql(
            "SELECT patient_id FROM coded_event JOIN code_meaning USING (coding_system, code)"
        ).fetchall()
    assert found == [(person("c"),)]


def test_names_add_up_and_a_list_named_twice_stands_once(configured):
    with reading_of(configured, condition("a", "44054006")) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        codes.name_meanings(reading.connection, configured, ["diabetes", "mine"])
        found = reading.connection.sql("SELECT list, item FROM code_meaning ORDER BY list").fetchall()
    assert found == [("diabetes", None), ("mine", "diabetes")]


def test_no_lists_mean_nothing(configured):
    with reading_of(configured, condition("a", "44054006")) as reading:
        assert codes.name_meanings(reading.connection, configured, []) == {}
        assert reading.connection.sql("FROM code_meaning").fetchall() == []


def test_an_unknown_list_leaves_what_was_named(configured):
    with reading_of(configured, condition("a", "44054006")) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        with pytest.raises(BadInput):
            codes.name_meanings(reading.connection, configured, ["nothing"])
        assert reading.connection.sql("SELECT count(*) FROM code_meaning").fetchall() == [(1,)]


def test_empty_tables_mean_nothing(configured):
    with reading_of(configured) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        assert reading.connection.sql("FROM code_meaning").fetchall() == []
        assert reading.connection.sql("FROM coded_event").fetchall() == []


def test_prefixes_are_those_of_a_plain_reading_of_the_rule(tmp_path):
    """Five hundred made-up ICD-10 codes against a made-up list: the longest entry of an item that a code begins with."""
    draw = random.Random(20260401)

    def made_up(longest: int) -> str:
        return draw.choice("EGI") + "".join(draw.choice("0123") for _ in range(draw.randint(2, longest)))

    entries = {(draw.choice("abc"), made_up(4)): float(number) for number in range(60)}
    lines = [f"icd10,{code},x,{item},{weight}" for (item, code), weight in entries.items()]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.csv").write_text(
        "\n".join(["coding_system,code,term,item,weight", *lines]), encoding="utf-8"
    )
    (tmp_path / "lists" / "mine.yaml").write_text(SIDECAR, encoding="utf-8")
    configured = configuration(tmp_path, code_lists=Path("lists"))
    occurring = sorted({made_up(4) for _ in range(500)})
    wanted = set()
    for code in occurring:
        for item in "abc":
            fitting = [listed for of, listed in entries if of == item and code.startswith(listed)]
            if fitting:
                wanted.add((code, item, entries[item, max(fitting, key=len)]))
    with reading_of(configured, spell("a", " ".join(occurring))) as reading:
        codes.name_meanings(reading.connection, configured, ["mine"])
        found = reading.connection.sql("SELECT code, item, weight FROM code_meaning").fetchall()
    assert len(wanted) > 100
    assert sorted(found) == sorted(wanted)
