"""Judging extracts and made tables by their expectation suites.

What belongs here: running the suite of a feed, parting its rows into accepted and quarantined, rejecting an extract
whose critical feed rule is broken, and auditing made tables. What does not: the expectations (`expectations/*.json`),
and setting wrong values to null (`standardise.py`).

* `suites`: the suites as data, and their parameters.
* `delivered`: the view that suites of raw feeds are about.
* `duckdb_engine`, `nhs_number_expectation`: Great Expectations on DuckDB. Only they, and `data_docs`, import it.
* `data_docs`: the night's results as pages.

Great Expectations decides. A row is set aside because the query of rows that GX answers with finds it; nothing is
judged a second time here, and no row comes to Python.

Two kinds of rule. A broken *row rule* of severity critical sets the row aside, with every critical row rule that it
broke; a warning is counted and the row goes on, because a person's record must not be lost over one wrong identifier
(standardise nulls the value and says why). A broken *feed rule* of severity critical rejects the extract.

Duplicate keys: of rows that are alike in every delivered column the first stays and the others are set aside
(`*_row_is_no_repeat`); rows that share a key and differ are all set aside, as none of them can be preferred.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration, Provider
from registry_pipeline.errors import RunFailed
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import (
    Home,
    connect,
    load_sql,
    raise_if_disk_full,
    read_json,
    scan,
    threads_for,
    write_json,
    write_table,
)
from registry_pipeline.tables import feed_table
from registry_pipeline.validate.suites import (
    Rule,
    Suite,
    check_parameters,
    load_suite,
    parameters_of,
    rules_for_delivery,
    suite_names,
)

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Validated",
    "build_data_docs",
    "check_parameters",
    "suite_checks",
    "suite_names",
    "validate_feed",
    "validate_table",
]

QUARANTINED_COLUMN = "broken_rules"
"""Column of `judged`: rules on it are run last, when the row rules have spoken."""


@dataclass(frozen=True)
class Validated:
    """What judging a feed gave.

    Attributes:
        accepted: rows that go on.
        quarantined: rows set aside, unreadable ones among them; with `accepted` all that was delivered.
        by_rule: rows set aside by each rule; a row that broke two counts for both.
        checks: every rule that applied.
        rejected: one sentence for people when a critical feed rule is broken, else None.
    """

    accepted: int
    quarantined: int
    by_rule: dict[str, int]
    checks: list[CheckOutcome]
    rejected: str | None


@dataclass(frozen=True)
class _Judgement:
    """A rule and what GX found, without any value."""

    rule: Rule
    passed: bool
    kwargs: Mapping[str, Any]
    found: Mapping[str, Any]
    rows_query: str | None = field(default=None, repr=False)

    @property
    def failing(self) -> int:
        """Rows that break the rule."""
        return int(self.found.get("unexpected_count") or 0)

    def as_check(self) -> CheckOutcome:
        """The check of the rule."""
        rows = self.found.get("element_count")
        if self.rule.scope == "row":
            return self.rule.as_check(passed=self.failing == 0, failing=self.failing, rows=rows)
        return self.rule.as_check(passed=self.passed, rows=rows, observed=self.observed)

    @property
    def observed(self) -> str:
        """A feed rule's figure."""
        if "unexpected_percent" in self.found:
            return f"{self.found['unexpected_percent'] or 0:.1f}%"
        value = self.found.get("observed_value")
        if isinstance(value, list):
            return f"{len(value)} columns"
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    @property
    def limit(self) -> str:
        """What the figure was to be."""
        if "unexpected_percent" in self.found:
            return f"at most {100 * (1 - float(self.kwargs.get('mostly', 1))):g}%"
        low, high = self.kwargs.get("min_value"), self.kwargs.get("max_value")
        words = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
        return " and ".join(word for word in words if word) or "the columns agreed"


_GREAT_EXPECTATIONS = threading.Lock()
"""GX keeps state of its own in the process, and nobody promises that two threads may share it."""


def validate_feed(
    configuration: Configuration, provider: Provider, feed: str, night: date, *, earlier_rows: Sequence[int]
) -> Validated:
    """Judge one feed's raw rows, and write its accepted and its quarantined rows.

    Args:
        configuration: the deployment.
        provider: who delivered.
        feed: the feed; its `raw_<feed>` of the night must be staged.
        night: the night.
        earlier_rows: accepted row counts of the last accepted nights, latest first.

    Raises:
        BadInput: the provider's file sets a limit that no suite has.
        RunFailed: a rule could not be evaluated, or the disk is full.
    """
    home = Home(configuration.home)
    suite = load_suite(f"raw_{feed}")
    parameters = parameters_of(configuration, provider, suite, night, earlier_rows)
    from registry_pipeline.validate.delivered import MACROS

    deployment = configuration.deployment
    threads = threads_for(home.staged(f"raw_{feed}", provider.provider, night), deployment.threads)
    connection = connect(home, memory_limit=deployment.memory_limit, threads=threads, macros=MACROS)
    try:
        rows = _open_delivery(connection, home, provider, feed, night)
        judged = _judge_delivery(connection, suite, provider, feed, night, parameters, earlier_rows, rows)
        _widen(connection, feed)
        accepted = write_table(
            connection,
            load_sql("accepted"),
            feed_table("accepted", feed),
            home.staged(f"accepted_{feed}", provider.provider, night),
        )
        quarantined = write_table(
            connection,
            load_sql("quarantined"),
            feed_table("quarantined", feed),
            home.quarantined(feed, provider.provider, night),
        )
        by_rule = _counted_by_rule(connection)
    except BaseException as problem:
        raise_if_disk_full(problem, home.quarantined(feed, provider.provider, night))
        raise
    finally:
        connection.close()
    write_json(home.validation(feed, provider.provider, night), _kept(suite.name, judged))
    return Validated(accepted, quarantined, by_rule, [j.as_check() for j in judged], _rejection(provider, feed, judged))


def validate_table(configuration: Configuration, table: str, path: Path) -> list[CheckOutcome]:
    """Audit one made table before it is published: its suite on its file.

    A suite's `references` (column: table.column) are looked up in the files beside it, where they are.

    Args:
        configuration: the deployment.
        table: the table; `expectations/<table>.json` is its suite.
        path: the Parquet file.

    Raises:
        RunFailed: a rule could not be evaluated.
    """
    from registry_pipeline.validate.made_tables import FACTS, create_made

    suite = load_suite(table)
    home = Home(configuration.home)
    deployment = configuration.deployment
    macros = " ".join(FACTS.get(table, {}).values())
    connection = connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=macros)
    try:
        columns = create_made(connection, table, path)
        rules = [rule for rule in suite.rules if columns.issuperset(rule.columns)]
        return [judgement.as_check() for judgement in _judge(connection, "made", rules, {})]
    finally:
        connection.close()


def suite_checks(table: str) -> list[CheckOutcome]:
    """What a table's suite checks, without Great Expectations: every rule as a check that has not been run."""
    return [rule.as_check() for rule in load_suite(table).rules]


def build_data_docs(configuration: Configuration, night: date) -> Path:
    """Write the night's Data Docs: one page per provider and feed, and an index, under the night's report.

    Returns:
        The index page.
    """
    from registry_pipeline.validate import data_docs

    home = Home(configuration.home)
    results: dict[tuple[str, str], dict[str, Any]] = {}
    for provider in sorted(configuration.providers.values(), key=lambda p: p.provider):
        for feed in provider.feeds:
            path = home.validation(feed, provider.provider, night)
            if path.is_file():
                results[provider.provider, feed] = read_json(path)
    return data_docs.build(home.report(night.isoformat()) / "data_docs", night, results)


def _open_delivery(
    connection: duckdb.DuckDBPyConnection, home: Home, provider: Provider, feed: str, night: date
) -> int:
    """Views `raw` and `unreadable` over what extract left; the rows delivered."""
    raw = home.staged(f"raw_{feed}", provider.provider, night)
    if not raw.is_file():
        raise RunFailed(f"{provider.provider} {feed}: nothing was extracted for {night}; run extract first.")
    connection.execute(load_sql("delivered"))
    connection.execute(f"CREATE VIEW raw AS SELECT * FROM {scan(raw)}")  # noqa: S608  # our own path
    unreadable = home.unreadable(feed, provider.provider, night)
    source = (
        scan(unreadable)
        if unreadable.is_file()
        else "(SELECT NULL::BIGINT AS source_row, NULL AS source_file, NULL::BIGINT AS source_line, NULL AS delivery,"
        " NULL AS reason WHERE false)"
    )
    connection.execute(f"CREATE VIEW unreadable AS SELECT * FROM {source}")  # noqa: S608  # our own path
    counted = connection.execute("SELECT (SELECT count(*) FROM raw) + (SELECT count(*) FROM unreadable)")
    return int(counted.fetchall()[0][0])


def _widen(connection: duckdb.DuckDBPyConnection, feed: str) -> None:
    """Give `raw` the columns that it lacks, empty: an extract without its key is rejected, and kept, like any other."""
    present = {str(row[0]) for row in connection.execute("DESCRIBE raw").fetchall()}
    missing = [column for column in feed_table("raw", feed).columns if column.name not in present]
    if missing:
        added = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in missing)
        connection.execute("ALTER VIEW raw RENAME TO raw_as_delivered")
        connection.execute(f"CREATE VIEW raw AS SELECT *, {added} FROM raw_as_delivered")  # noqa: S608  # names from tables.py


def _judge_delivery(
    connection: duckdb.DuckDBPyConnection,
    suite: Suite,
    provider: Provider,
    feed: str,
    night: date,
    parameters: Mapping[str, Any],
    earlier_rows: Sequence[int],
    rows: int,
) -> list[_Judgement]:
    from registry_pipeline.validate.delivered import create_delivered

    columns = create_delivered(
        connection, provider, feed, night, rows=rows, synthetic_allowed=bool(parameters["synthetic_nhs_numbers"])
    )
    rules = rules_for_delivery(
        suite,
        columns=columns | {QUARANTINED_COLUMN},
        rows=rows,
        earlier_rows=earlier_rows,
        is_delta=provider.delivery_of(feed) == "delta",
    )
    last = [rule for rule in rules if QUARANTINED_COLUMN in rule.columns]
    judged = _judge(connection, "delivered", [rule for rule in rules if rule not in last], parameters)
    _set_aside(connection, judged)
    connection.execute(f"CREATE VIEW judged AS {load_sql('judged')}")
    judged += _judge(connection, "judged", last, parameters)
    return sorted(judged, key=lambda judgement: judgement.rule.position)


def _judge(
    connection: duckdb.DuckDBPyConnection, view: str, rules: Sequence[Rule], parameters: Mapping[str, Any]
) -> list[_Judgement]:
    """Let GX judge a view."""
    if not rules:
        return []
    from registry_pipeline.validate.duckdb_engine import evaluate

    with _GREAT_EXPECTATIONS:
        results = evaluate(connection, view, rules, parameters)
    return [
        _Judgement(
            rule,
            result.passed,
            result.kwargs,
            {key: value for key, value in result.found.items() if key in _FIGURES},
            result.rows_query,
        )
        for rule, result in zip(rules, results, strict=True)
    ]


_FIGURES = frozenset(
    {
        "observed_value",
        "element_count",
        "unexpected_count",
        "unexpected_percent",
        "unexpected_percent_total",
        "missing_count",
        "missing_percent",
    }
)
"""What is taken from a GX result: counts, shares and column names."""


def _set_aside(connection: duckdb.DuckDBPyConnection, judged: Sequence[_Judgement]) -> None:
    """Table `broken_row`: each row that broke a critical row rule, with all of those rules in the suite's order."""
    connection.execute("CREATE TABLE broken_rule (source_row BIGINT, position INTEGER, rule VARCHAR)")
    for judgement in judged:
        rule = judgement.rule
        if rule.scope == "row" and rule.severity == "critical" and judgement.failing:
            connection.execute(
                f"INSERT INTO broken_rule SELECT source_row, $position, $rule FROM ({judgement.rows_query})",  # noqa: S608  # GX's own query
                {"position": rule.position, "rule": rule.name},
            )
    connection.execute(
        "CREATE TABLE broken_row AS SELECT source_row, list(rule ORDER BY position) AS broken_rules"
        " FROM broken_rule GROUP BY source_row"
    )


def _counted_by_rule(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    counted = connection.execute(
        "SELECT rule, count(*) FROM (SELECT rule FROM broken_rule UNION ALL SELECT reason FROM unreadable)"
        " GROUP BY rule ORDER BY count(*) DESC, rule"
    )
    return {str(rule): int(rows) for rule, rows in counted.fetchall()}


def _rejection(provider: Provider, feed: str, judged: Sequence[_Judgement]) -> str | None:
    broken = [j for j in judged if j.rule.scope == "feed" and j.rule.severity == "critical" and not j.passed]
    if not broken:
        return None
    worst = broken[0]
    more = f" {len(broken) - 1} more critical feed rules are broken." if len(broken) > 1 else ""
    return (
        f"{provider.provider} {feed}: the extract is rejected because {worst.rule.meta['says']}"
        f" (rule {worst.rule.name}: {worst.observed}, {worst.limit}).{more}"
    )


def _kept(suite: str, judged: Sequence[_Judgement]) -> dict[str, Any]:
    """GX's results as they are kept for the Data Docs: figures and rules, no query and no value."""
    return {
        "suite": suite,
        "results": [
            {
                "type": j.rule.type,
                "kwargs": {k: v for k, v in j.kwargs.items() if k != "batch_id"},
                "meta": dict(j.rule.meta),
                "severity": j.rule.severity,
                "success": j.passed,
                "result": dict(j.found),
            }
            for j in judged
        ],
    }
