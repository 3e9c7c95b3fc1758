"""Every macro against its table of input and expected rows (`macros.yaml`), and laws of the comparison forms."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from registry_pipeline.config import Column
from registry_pipeline.storage import load_sql, macros_of

TABLES = YAML(typ="safe").load(Path(__file__).with_name("macros.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def connection():
    made = duckdb.connect(config={"threads": 1})
    made.execute(load_sql("macros"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("macro", "row"),
    [(t["macro"], row) for t in TABLES for row in t["rows"]],
    ids=[f"{t['macro']}-{i}" for t in TABLES for i, _ in enumerate(t["rows"])],
)
def test_a_macro_gives_what_its_table_says(connection, macro, row):
    *arguments, expected = [str(v) if isinstance(v, int) and macro == "flag_of" and i == 0 else v
                            for i, v in enumerate(row)]  # fmt: skip
    literals = ", ".join(_literal(a) for a in arguments)
    (result,) = connection.execute(f"SELECT {macro}({literals})").fetchall()[0]
    if isinstance(result, datetime):
        result = str(result)
    assert result == expected
    assert type(result) is type(expected)


def _literal(value: object) -> str:
    if value is None:
        return "NULL::VARCHAR"
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"


def test_every_cleaning_macro_has_a_table():
    macros = set(re.findall(r"MACRO (\w+)\(", load_sql("macros")))
    covered_by_others = {
        # parts of a macro that has a table, and those that steps' tables cover
        "nhs_number_range_fault", "nhs_number_digits_fault", "fold_special_letters", "fold_marks", "provider_value",
        "name_after_comma", "name_before_comma", "previous_name_words", "other_name_words", "name_inside_brackets",
        "name_from_aside", "names_listed", "title_words", "name_is_nothing", "is_previous_name", "not_after",
        "is_placeholder_date", "date_fault", "event_date_fault", "is_before_start", "sex_fault", "postcode_mended",
        "phone_of_any_form", "reasons",
    }  # fmt: skip
    assert macros - {t["macro"] for t in TABLES} == covered_by_others


def test_a_text_gets_the_macros_that_it_names_and_those_that_they_name():
    made = re.findall(r"MACRO (\w+)\(", macros_of("SELECT email_of(email), upper(x) FROM t"))
    assert made == ["trimmed", "email_of"]
    assert macros_of("SELECT upper(x)") == ""


@pytest.mark.parametrize(
    ("code", "canonical"),
    [("Yes", "1"), ("yes", "1"), ("YES", "1"), ("no", "0"), ("NO", "no"), ("?", None), ("x", "x")],
)
def test_a_providers_code_is_looked_up_as_written_then_in_upper_case(connection, code, canonical):
    column = Column.model_validate({"from": "FLAG", "values": {" Yes ": "1", "no": "0", "NO": " no", "?": ""}})
    pairs = ", ".join(f"'{given}': '{meant}'" for given, meant in column.codes.items())
    (result,) = connection.execute(f"SELECT provider_value(MAP {{{pairs}}}, $code)", {"code": code}).fetchall()[0]
    assert result == canonical


NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCXYZ -'.,()1àéßØŁIİıñÆ王ИйÖ", max_size=24)


@settings(max_examples=8, deadline=None)
@given(st.lists(NAMES, min_size=30, max_size=60))
def test_folding_a_folded_text_changes_nothing(connection, texts):
    for once, twice in _each(connection, texts, "fold_text(x), fold_text(fold_text(x))"):
        assert once == twice
        assert not re.search("[a-z]", once)


@settings(max_examples=8, deadline=None)
@given(st.lists(NAMES, min_size=30, max_size=60))
def test_words_have_single_blanks_and_stay_as_they_are(connection, texts):
    once_all = _comparison_form(connection, texts)
    others = _each(connection, texts, "words_of(fold_text(x))")
    rows = zip(once_all, _comparison_form(connection, once_all), others, strict=True)
    for once, twice, (other,) in rows:
        assert once == twice
        for words in (once, other):
            assert words is None or re.fullmatch(r"[^a-z\s]+( [^a-z\s]+)*", words)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.text(alphabet="ABCEOISWZ0123459 ", max_size=9), min_size=30, max_size=60))
def test_a_normal_postcode_stays_as_it_is(connection, texts):
    normal = [row[0] for row in _each(connection, texts, "postcode_of(postcode_compact(x))")]
    again = _each(connection, normal, "x, postcode_fault(x), postcode_of(postcode_compact(x))")
    for once, fault, twice in again:
        assert once == twice
        assert fault is not None or re.fullmatch(r"[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}", once)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.text(alphabet="0123456789+() -/x", max_size=18), min_size=30, max_size=60))
def test_a_telephone_number_stays_as_it_is(connection, texts):
    digits = [row[0] for row in _each(connection, texts, "phone_of(x)")]
    for once, fault, twice in _each(connection, digits, "x, phone_fault(x), phone_of(x)"):
        assert re.fullmatch("[0-9]*", once)
        assert fault is not None or once == twice


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 9_999_999_999).map(lambda n: f"{n:010}"), min_size=30, max_size=60))
def test_the_check_digit_is_modulus_11(connection, numbers):
    for digits, answered in _each(connection, numbers, "x, nhs_number_check_digit_ok(x)"):
        remainder = 11 - sum(int(d) * w for d, w in zip(digits[:9], range(10, 1, -1), strict=True)) % 11
        assert answered == (remainder != 10 and remainder % 11 == int(digits[9]))


def _each(connection, texts, columns):
    return connection.execute(
        f"SELECT {columns} FROM (SELECT unnest($texts::VARCHAR[]) AS x)", {"texts": texts}
    ).fetchall()


def _comparison_form(connection, texts):
    for rule in ("fold_text", "name_words", "words_once"):
        texts = [row[0] for row in _each(connection, texts, f"{rule}(x)")]
    return texts
