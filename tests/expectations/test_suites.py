"""Every suite loads, passes good rows, and every one of its expectations catches its bad example."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from registry_pipeline import validate
from registry_pipeline.storage import Home, connect, load_sql
from registry_pipeline.tables import CONSUMER_TABLES, FEEDS, REGISTRY_TABLES
from registry_pipeline.validate import suites
from tests.expectations import bad_examples
from tests.expectations.deliveries import (
    NIGHT,
    NIGHTS_BEFORE,
    deployment,
    row,
    rows,
    stage_raw,
    write_made,
)

SUITES = suites.suite_names()
RAW = [name for name in SUITES if name.startswith("raw_")]
MADE = [name for name in SUITES if not name.startswith("raw_")]


def rules_of(suite: str, scope: str) -> list[suites.Rule]:
    return [rule for rule in suites.load_suite(suite).rules if rule.scope == scope]


def test_every_table_that_is_checked_has_a_suite():
    assert {f"raw_{feed}" for feed in FEEDS} <= set(SUITES)
    made = {"person_record", "activity", "linked_pair", "person_cluster", *REGISTRY_TABLES, *CONSUMER_TABLES}
    assert made <= set(SUITES)
    assert len(suites.load_suite("raw_patient").rules) >= 25


@pytest.mark.parametrize("suite", SUITES)
def test_suite_is_one_that_great_expectations_loads(suite):
    import great_expectations as gx

    from registry_pipeline.validate.duckdb_engine import ephemeral_context

    ephemeral_context()
    content = json.loads((suites.EXPECTATIONS / f"{suite}.json").read_text())
    loaded = gx.ExpectationSuite(**content)
    assert loaded.name == suite
    assert len(loaded.expectations) == len(content["expectations"])


@pytest.mark.parametrize("suite", SUITES)
def test_every_expectation_says_what_it_is(suite):
    rules = suites.load_suite(suite).rules
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert re.fullmatch(r"[a-z][a-z0-9_]+", rule.name)
        assert rule.meta["scope"] in ("row", "feed")
        assert rule.meta["dimension"] in ("conformance", "completeness", "plausibility", "timeliness")
        assert rule.meta["reason"].endswith(".")
        assert rule.severity in ("critical", "warning", "info")
        if rule.scope == "feed" and rule.severity == "critical":
            assert rule.meta["says"], rule.name


@pytest.mark.parametrize("suite", SUITES)
def test_every_parameter_is_given_a_value(suite, tmp_path):
    given = {"night", "synthetic_nhs_numbers", "row_count_at_least", "row_count_at_most"}
    content = suites.load_suite(suite)
    used = set(re.findall(r'"\$PARAMETER": "(?:1 - )?(\w+)"', (suites.EXPECTATIONS / f"{suite}.json").read_text()))
    assert used <= given | set(content.parameters)
    for name, about in content.parameters.items():
        assert about["about"], name
        assert name in used or name.startswith("row_count_")


# Row rules of raw feeds ----------------------------------------------------------------------------------------------


def judged_rows(home: Path, feed: str, delivered: list[dict[str, Any]]) -> dict[str, set[int]]:
    """Rule to the rows that Great Expectations' own query finds, by their number."""
    stage_raw(home, feed, delivered)
    configuration, provider = deployment(home, feed)
    suite = suites.load_suite(f"raw_{feed}")
    parameters = suites.parameters_of(configuration, provider, suite, NIGHT, [])
    connection = connect(Home(home))
    try:
        count = validate._open_delivery(connection, Home(home), provider, feed, NIGHT)
        judged = validate._judge_delivery(connection, suite, provider, feed, NIGHT, parameters, [], count)
        return {
            j.rule.name: {r[0] for r in connection.sql(f"SELECT source_row FROM ({j.rows_query})").fetchall()}
            for j in judged
            if j.rule.scope == "row" and j.failing
        }
    finally:
        connection.close()


@pytest.mark.parametrize("feed", FEEDS)
def test_good_rows_pass_every_rule(feed, tmp_path):
    stage_raw(tmp_path, feed, rows(feed, 120))
    configuration, provider = deployment(tmp_path, feed)
    found = validate.validate_feed(configuration, provider, feed, NIGHT, earlier_rows=[120, 120, 120])
    assert [check.name for check in found.checks if not check.passed] == []
    assert {check.name for check in found.checks} == {rule.name for rule in suites.load_suite(f"raw_{feed}").rules}
    assert (found.accepted, found.quarantined, found.by_rule, found.rejected) == (120, 0, {}, None)


@pytest.mark.parametrize("feed", FEEDS)
def test_every_row_rule_catches_its_bad_row(feed, tmp_path):
    examples = bad_examples.ROWS[f"raw_{feed}"]
    rules = [rule.name for rule in rules_of(f"raw_{feed}", "row")]
    assert set(examples) == set(rules), "every row rule has one bad example"
    delivered, where = rows(feed, 10), {}
    for rule in rules:
        changes = examples[rule] if isinstance(examples[rule], list) else [examples[rule]]
        base = row(feed, 100 + len(delivered))
        for change in changes:  # several rows of one rule are alike but for their changes
            fits = {column: value for column, value in change.items() if column in base}
            delivered.append(base | fits)
        where[rule] = len(delivered)
    found = judged_rows(tmp_path, feed, delivered)
    assert {rule: number in found.get(rule, ()) for rule, number in where.items()} == dict.fromkeys(rules, True)
    assert not any(number <= 10 for caught in found.values() for number in caught), "good rows are left alone"


# Feed rules of raw feeds ---------------------------------------------------------------------------------------------

FEED_RULES = [(suite.removeprefix("raw_"), rule) for suite in RAW for rule in rules_of(suite, "feed")]


def break_feed(feed: str, rule: suites.Rule) -> tuple[list[dict[str, Any]], tuple[str, ...], list[int]]:
    """Rows, columns left out and earlier row counts of a delivery that breaks a feed rule."""
    (how,) = [how for ending, how in bad_examples.FEEDS.items() if rule.name.endswith(ending)]
    delivered = rows(feed, how.get("count", 40))
    key = FEEDS[feed].key[0]
    column = how.get("column", rule.name.removesuffix("_is_mostly_filled").removesuffix("_day_and_month_in_order"))
    for each in delivered[: round(len(delivered) * how.get("share", 0))]:
        if "same_key" in how:
            each[key] = delivered[0][key]
        elif "blank_key" in how:
            each[key] = None
        elif "empty" in how:
            each[column] = None
        elif "unreadable" in how:
            each[column] = "2026-31-03"
        else:
            each[column] = how["value"]
    return delivered, (key,) if how.get("without_key") else (), how.get("earlier", NIGHTS_BEFORE)


@pytest.mark.parametrize(("feed", "rule"), FEED_RULES, ids=[f"{feed}-{rule.name}" for feed, rule in FEED_RULES])
def test_every_feed_rule_catches_its_bad_delivery(feed, rule, tmp_path):
    delivered, without, earlier = break_feed(feed, rule)
    stage_raw(tmp_path, feed, delivered, without=without)
    configuration, provider = deployment(tmp_path, feed)
    found = validate.validate_feed(configuration, provider, feed, NIGHT, earlier_rows=earlier)
    (check,) = [check for check in found.checks if check.name == rule.name]
    assert not check.passed
    assert check.observed
    assert found.accepted + found.quarantined == len(delivered)
    if rule.severity == "critical":
        assert found.rejected.startswith(f"RX1 {feed}: the extract is rejected because ")
    else:
        assert found.rejected is None


# Made tables ---------------------------------------------------------------------------------------------------------


def beside(folder: Path, table: str) -> None:
    """The tables that a made table refers to."""
    if table == "patient":
        write_made(folder, "patient_record", [bad_examples.MADE_GOOD["patient_record"]])
    elif table.startswith("patient_"):
        write_made(folder, "patient", [bad_examples.MADE_GOOD["patient"]])


def broken(table: str, rule: suites.Rule) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    good = bad_examples.MADE_GOOD[table]
    if rule.name == "columns_are_as_described":
        return [good], (sorted(rule.kwargs["column_set"])[0],)
    if rule.name == "has_rows":
        return [], ()
    if rule.name.endswith(("_is_unique", "_is_on_one_patient")):
        return [good, good], ()
    if rule.name.endswith("_is_filled"):
        return [good | {rule.kwargs["column"]: "NULL"}], ()
    change = bad_examples.MADE_BAD[rule.name]
    if rule.name == "sensitive_shows_no_contact":
        return [good | change], ()
    return [good | change], ()


@pytest.mark.parametrize("table", MADE)
def test_good_made_rows_pass(table, tmp_path):
    beside(tmp_path, table)
    path = write_made(tmp_path, table, [bad_examples.MADE_GOOD[table]])
    configuration, _ = deployment(tmp_path, "patient")
    checks = validate.validate_table(configuration, table, path)
    assert [check.name for check in checks if not check.passed] == []
    assert [check.name for check in checks] == [rule.name for rule in suites.load_suite(table).rules]


@pytest.mark.parametrize("table", MADE)
def test_every_made_rule_catches_its_bad_row(table, tmp_path):
    beside(tmp_path, table)
    configuration, _ = deployment(tmp_path, "patient")
    missed = []
    for rule in suites.load_suite(table).rules:
        values, without = broken(table, rule)
        path = write_made(tmp_path, table, values, without=without)
        checks = {check.name: check for check in validate.validate_table(configuration, table, path)}
        if checks[rule.name].passed:
            missed.append(rule.name)
    assert missed == []


def test_sql_files_are_read_by_name():
    assert "occurrence" in load_sql("repeated_rows")
