"""What judging a feed does with its rows: parted, counted, explained, and nothing of a patient's told."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_pipeline import validate
from registry_pipeline.config import Provider
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.storage import Home
from registry_pipeline.tables import feed_table
from registry_pipeline.validate import suites
from tests.expectations.deliveries import (
    NIGHT,
    deployment,
    nhs_number,
    read,
    row,
    rows,
    stage_raw,
    stage_unreadable,
)

TEN_DIGITS = re.compile(r"(?<![0-9.])[0-9]{10}(?![0-9])")

CANARY = {
    "local_id": "L1",
    "nhs_number": "9434765918",
    "given_name": "CANARYGIVEN\x07",
    "family_name": "CANARYFAMILY" * 20,
    "birth_date": "2031-12-13",
    "address": "CANARY STREET" * 50,
    "postcode": "CANARY",
    "phone": "CANARYPHONE",
    "email": "canary.example",
    "sex": "CANARYSEX",
}


def judge(home, feed, delivered, *, earlier=(), synthetic=False, **provider):
    stage_raw(home, feed, delivered)
    configuration, described = deployment(home, feed, synthetic=synthetic, **provider)
    found = validate.validate_feed(configuration, described, feed, NIGHT, earlier_rows=earlier)
    accepted = read(Home(home).staged(f"accepted_{feed}", "RX1", NIGHT))
    quarantined = read(Home(home).quarantined(feed, "RX1", NIGHT))
    return found, accepted, quarantined


def test_quarantine_names_every_critical_rule_that_a_row_broke(tmp_path):
    bad = row("patient", 9, local_id="A\x07", birth_date="2030-01-01", death_date="2020-01-01", sex="7")
    found, accepted, quarantined = judge(tmp_path, "patient", [*rows("patient", 9), bad])
    (set_aside,) = quarantined
    assert set_aside["broken_rules"] == [
        "local_id_has_no_control_character",
        "death_is_after_birth",
    ]
    assert (found.accepted, found.quarantined) == (len(accepted), 1)
    assert found.by_rule == dict.fromkeys(set_aside["broken_rules"], 1)
    assert set_aside["birth_date"] == "2030-01-01", "values are kept as delivered"


def test_one_wrong_identifier_does_not_lose_the_person(tmp_path):
    bad = row("patient", 9, nhs_number="9434765918", postcode="?", birth_date="2030-01-01", sex="7", email="x")
    found, accepted, quarantined = judge(tmp_path, "patient", [*rows("patient", 9), bad])
    assert (len(accepted), quarantined) == (10, [])
    assert {c.name: c.failing for c in found.checks if not c.passed} == {
        "nhs_number_check_digit_is_right": 1,
        "birth_date_is_possible": 1,
        "sex_is_known_code": 1,
        "postcode_has_form": 1,
        "email_has_form": 1,
    }


def test_repeats_and_contradictions_of_a_key(tmp_path):
    said, again, other = (row("patient", 1), row("patient", 1), row("patient", 2, local_id="L3"))
    _, accepted, quarantined = judge(tmp_path, "patient", [said, again, row("patient", 3), other])
    assert [r["source_row"] for r in accepted] == [1]
    assert {r["source_row"]: r["broken_rules"] for r in quarantined} == {
        2: ["local_id_row_is_no_repeat"],
        3: ["local_id_is_unique"],
        4: ["local_id_is_unique"],
    }


def test_unreadable_rows_are_quarantined_with_their_reason(tmp_path):
    stage_unreadable(tmp_path, "patient", ["unbalanced_quotes", "nul_byte"])
    found, _, quarantined = judge(tmp_path, "patient", rows("patient", 30))
    assert (found.accepted, found.quarantined) == (30, 2)
    assert found.by_rule == {"nul_byte": 1, "unbalanced_quotes": 1}
    assert sorted(r["broken_rules"][0] for r in quarantined) == ["nul_byte", "unbalanced_quotes"]
    assert all(r["local_id"] is None and r["source_line"] >= 1000 for r in quarantined)


def test_unreadable_rows_count_in_the_share_set_aside(tmp_path):
    stage_unreadable(tmp_path, "patient", ["unbalanced_quotes"] * 10)
    found, _, _ = judge(tmp_path, "patient", rows("patient", 30))
    assert found.rejected == (
        "RX1 patient: the extract is rejected because too many of its rows break a row rule"
        " (rule quarantined_share_is_low: 25.0%, at most 20%)."
    )


def test_both_tables_have_the_columns_of_the_dictionary(tmp_path):
    _, accepted, quarantined = judge(tmp_path, "patient", [row("patient", 1), row("patient", 2, local_id=None)])
    assert tuple(accepted[0]) == feed_table("accepted", "patient").column_names
    assert tuple(quarantined[0]) == feed_table("quarantined", "patient").column_names


def test_dates_and_codes_are_read_as_the_provider_writes_them(tmp_path):
    columns = {
        "local_id": "ID",
        "birth_date": {"from": "DOB", "format": "%d %b %Y"},
        "sex": {"from": "SEX", "values": {"Herr": "1", "Frau": "2"}},
    }
    delivered = [{"local_id": f"L{n}", "birth_date": "29 Sep 1961", "sex": "Frau"} for n in range(30)]
    found, _, _ = judge(tmp_path, "patient", delivered, columns=columns)
    assert [c.name for c in found.checks if not c.passed] == []
    assert not any(c.column and c.column.startswith(("nhs_number", "postcode")) for c in found.checks), "not mapped"


def test_a_time_of_day_may_be_absent(tmp_path):
    columns = {"event_id": "A", "local_id": "B", "start_date": {"from": "C", "format": "%d %b %Y %H:%M:%S"}}
    delivered = [
        {"event_id": "1", "local_id": "L", "start_date": "29 Mar 2026 14:53:28"},
        {"event_id": "2", "local_id": "L", "start_date": "29 Mar 2026"},
        {"event_id": "3", "local_id": "L", "start_date": "2026-03-29"},
    ]
    found, _, _ = judge(tmp_path, "contact", delivered, columns=columns)
    assert found.by_rule == {"start_date_can_be_read": 1}


def test_swapped_days_and_months_reject_the_extract_and_say_so(tmp_path):
    delivered = [row("patient", n, birth_date=f"1961-{1 + n % 28:02}-{1 + n % 12:02}") for n in range(60)]
    found, _, _ = judge(tmp_path, "patient", delivered)
    assert "birth_date" in found.rejected
    assert "day and month look swapped" in found.rejected


@pytest.mark.parametrize("synthetic", [True, False])
def test_made_up_numbers_are_valid_only_where_the_deployment_says_so(tmp_path, synthetic):
    delivered = [row("patient", n, nhs_number=nhs_number(n, 943_476_591)) for n in range(5)]
    found, _, _ = judge(tmp_path, "patient", delivered, synthetic=synthetic)
    assert {c.name: c.failing for c in found.checks if not c.passed} == (
        {} if synthetic else {"nhs_number_is_not_synthetic": 5}
    )


def test_a_provider_sets_its_own_limits(tmp_path):
    delivered = [row("patient", n, **({"nhs_number": None} if n < 15 else {})) for n in range(30)]
    assert judge(tmp_path, "patient", delivered)[0].rejected is None
    found, _, _ = judge(tmp_path, "patient", delivered, expectations={"nhs_number_missing_at_most": 0.35})
    assert found.rejected == (
        "RX1 patient: the extract is rejected because the NHS number (nhs_number) is missing in too many rows"
        " (rule nhs_number_is_mostly_filled: 50.0%, at most 35%)."
    )


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"nhs_number_missing_at_mots": 0.3}, "did you mean 'nhs_number_missing_at_most'?"),
        ({"nhs_number_missing_at_most": 35}, "is a share, from 0 to 1"),
        ({"nhs_number_missing_at_most": "lots"}, "is to be a number"),
    ],
)
def test_a_wrong_limit_is_refused_by_name(limits, sentence):
    source = {"kind": "csv", "path": "x"}
    provider = Provider.model_validate(
        {"provider": "RX1", "setting": "acute", "feeds": {"patient": {"source": source}}, "expectations": limits}
    )
    with pytest.raises(BadInput, match=re.escape(sentence)):
        validate.check_parameters(provider)


@pytest.mark.parametrize(
    ("count", "earlier", "rejected"),
    [
        (49, [100, 100, 100], True),
        (50, [100, 100, 100], False),
        (200, [100, 100, 100], False),
        (201, [100, 100, 100], True),
        (20, [100, 100], False),
        (2, [19, 19, 19], False),
    ],
)
def test_row_count_against_the_median(tmp_path, count, earlier, rejected):
    found, _, _ = judge(tmp_path, "patient", rows("patient", count), earlier=earlier)
    assert (found.rejected is not None) == rejected


def test_a_delta_may_be_empty_and_small(tmp_path):
    assert judge(tmp_path, "spell", [], earlier=[100] * 3, delivery="delta")[0].rejected is None
    found, _, _ = judge(tmp_path, "spell", rows("spell", 2), earlier=[100] * 3, delivery="delta")
    (check,) = [c for c in found.checks if c.name == "row_count_near_median"]
    assert (check.passed, check.severity, found.rejected) == (False, "warning", None)


def test_a_feed_that_was_not_extracted_is_said_to_be(tmp_path):
    configuration, provider = deployment(tmp_path, "patient")
    with pytest.raises(RunFailed, match="run extract first"):
        validate.validate_feed(configuration, provider, "patient", NIGHT, earlier_rows=[])


def test_no_value_leaves_the_data(tmp_path, caplog, capsys):
    delivered = [*rows("patient", 30), row("patient", 31) | CANARY]
    found, _, quarantined = judge(tmp_path, "patient", delivered)
    assert len(quarantined) == 2, "the canary shares a key, so that results have rows to tell of"
    configuration, _ = deployment(tmp_path, "patient")
    index = validate.build_data_docs(configuration, NIGHT)
    page = index.parent / "RX1" / "patient.html"
    kept = Home(tmp_path).validation("patient", "RX1", NIGHT).read_text()
    told = [repr(found), index.read_text(), page.read_text(), kept, caplog.text, *capsys.readouterr()]
    values = {v for each in delivered for k, v in each.items() if v and k in CANARY and k not in ("local_id", "sex")}
    in_the_suite = set(TEN_DIGITS.findall((suites.EXPECTATIONS / "raw_patient.json").read_text()))
    for text in told:
        assert not [value for value in values if value in text]
        assert "CANARY" not in text
        assert set(TEN_DIGITS.findall(text)) <= in_the_suite
    assert "nhs_number_check_digit_is_right" in page.read_text()
    assert json.loads(kept)["suite"] == "raw_patient"


def test_data_docs_load_nothing_from_elsewhere(tmp_path):
    judge(tmp_path, "patient", rows("patient", 5))
    configuration, _ = deployment(tmp_path, "patient")
    index = validate.build_data_docs(configuration, NIGHT)
    pages = [index, *index.parent.glob("*/*.html")]
    assert len(pages) == 2
    for page in pages:
        text = page.read_text()
        assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//[^\"' >]*|url\([\"']?(?:https?:)?//", text)
        assert "<script" not in text
        assert "<style>" in text


def test_suite_checks_need_no_great_expectations():
    import subprocess
    import sys

    code = (
        "import sys; from registry_pipeline import validate; checks = validate.suite_checks('raw_patient');"
        "assert len(checks) >= 25; assert 'great_expectations' not in sys.modules; print(len(checks))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


KEYS = st.sampled_from(["L1", "L2", "L3", " ", None, "A\x07"])
DATES = st.sampled_from(["1961-07-23", "2030-01-01", "nonsense", None])


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(KEYS, DATES), max_size=8), st.integers(0, 3))
def test_law_every_row_is_accepted_or_quarantined_and_never_both(delivered, unreadable):
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stage_unreadable(home, "patient", ["nul_byte"] * unreadable)
        made = [row("patient", n, local_id=key, birth_date=born) for n, (key, born) in enumerate(delivered)]
        found, accepted, quarantined = judge(home, "patient", made)
        assert (len(accepted), len(quarantined)) == (found.accepted, found.quarantined)
        assert found.accepted + found.quarantined == len(made) + unreadable
        set_aside = [r["source_row"] for r in quarantined if r["source_row"] is not None]
        assert sorted([r["source_row"] for r in accepted] + set_aside) == list(range(1, len(made) + 1))
        assert sum(map(len, (r["broken_rules"] for r in quarantined))) == sum(found.by_rule.values())
        assert all(r["broken_rules"] for r in quarantined)
