"""Great Expectations on the DuckDB connection of a stage.

What belongs here: the execution engine that GX lacks for DuckDB, and running a list of expectations on a view. What
does not: what is expected (`expectations/`), and what follows from a result (`__init__.py`).

Why an own engine (GX 1.24 knows no DuckDB):

* GX fetches after it has left its `with connection`, and DuckDB drops results on rollback: one connection stays open.
* GX asks a dialect module which function matches regular expressions. Named as Dremio's, it writes REGEXP_MATCHES,
  which is DuckDB's partial match (RE2: `$` is strict, no backreferences).
* GX fetches offending values to show them. No patient's value may leave the data, so those metrics are answered with
  nothing, without a query: counts, and the query that finds the rows inside DuckDB, are all that comes out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from great_expectations.core.batch import Batch
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.validator.metrics_calculator import MetricsCalculator
from great_expectations.validator.validation_graph import ValidationGraph
from great_expectations.validator.validator import Validator

from registry_pipeline.errors import RunFailed
from registry_pipeline.storage import raise_if_disk_full

if TYPE_CHECKING:
    import duckdb
    from great_expectations.validator.validator import ValidationDependencies

    from registry_pipeline.validate.suites import Rule

RESULT_FORMAT = {
    "result_format": "BASIC",
    "unexpected_index_column_names": ["source_row"],
    "return_unexpected_index_query": True,
    "partial_unexpected_count": 0,
    "exclude_unexpected_values": True,
    "include_unexpected_rows": False,
}
"""Counts and the query of the offending rows; never a value."""

_ROWS_QUERY = ".unexpected_index_query"
"""Ending of the metric that is the query of the offending rows."""

_VALUES = (".unexpected_values", ".unexpected_index_list", ".unexpected_rows")
"""Endings of the metrics that would hold values of rows."""


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Evaluates metrics on one open DuckDB connection, and never fetches a value of a row."""

    def __init__(self, engine: sa.Engine, columns: Sequence[str]) -> None:
        super().__init__(engine=engine)
        self._columns = [{"name": column, "type": sa.types.NullType()} for column in columns]
        types = {name: kind for name, kind in vars(sa.types).items() if isinstance(kind, type)}
        self.dialect_module = SimpleNamespace(DremioDialect=True, name="duckdb", **types)  # type: ignore[assignment]  # stands in for a module

    @property
    def has_row_numbers(self) -> bool:
        """Whether rows have the number by which they are set aside; those of made tables have not."""
        return any(column["name"] == "source_row" for column in self._columns)

    @contextmanager
    def get_connection(self) -> Iterator[sa.Connection]:
        """The one connection; after an error it is rolled back, or every later query would fail."""
        if self._connection is None or self._connection.closed:
            self._connection = self.engine.connect()
        try:
            yield self._connection
        except Exception:
            self._connection.rollback()
            raise

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """As the base, but for metrics that hold values, which are empty, and for columns, which are known."""
        asked = list(metrics_to_resolve)
        known: dict[Any, Any] = {metric.id: [] for metric in asked if metric.metric_name.endswith(_VALUES)}
        # GX would ask SQLAlchemy to reflect the table, which fails on DuckDB 2 and costs four queries.
        known |= {metric.id: self._columns for metric in asked if metric.metric_name == "table.column_types"}
        # Writing down the query of the offending rows costs more than counting them: it waits until there are some.
        known |= {metric.id: metric for metric in asked if metric.metric_name.endswith(_ROWS_QUERY)}
        counted = [metric for metric in asked if metric.id not in known]
        found = super().resolve_metrics(counted, metrics, runtime_configuration) if counted else {}
        return {**found, **known}

    def rows_query(self, metric: Any, metrics: dict[Any, Any]) -> str:
        """The query of the rows that break a rule, from its metric and those already resolved."""
        found = super().resolve_metrics([metric], metrics, {"result_format": RESULT_FORMAT})
        return str(found[metric.id]).rstrip().rstrip(";")


@cache
def ephemeral_context() -> Any:
    """The one data context of this process: in memory, no telemetry, no progress bars, nothing written.

    A file context would rewrite the versioned suites at every run.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    from registry_pipeline.validate import nhs_number_expectation  # noqa: F401  # registers itself with GX

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False), analytics_enabled=False
        ),
    )
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@dataclass(frozen=True)
class _Plan:
    """An expectation with its limits filled in, the metrics that it needs, and what those need in turn."""

    expectation: Any
    dependencies: ValidationDependencies
    edges: tuple[Any, ...]


@dataclass(frozen=True)
class Result:
    """What GX found for one rule: whether it holds, the limits it ran with, and counts; never a value."""

    passed: bool
    kwargs: Mapping[str, Any]
    found: Mapping[str, Any]
    rows_query: str | None = field(default=None, repr=False)


def evaluate(
    connection: duckdb.DuckDBPyConnection, view: str, rules: Sequence[Rule], parameters: Mapping[str, Any]
) -> list[Result]:
    """Judge a view by rules.

    The steps are those of GX's own `Validator.graph_validate`, but what GX works out anew for every run, and what
    costs more than the queries on a small feed, is kept: which metrics an expectation needs.

    Args:
        connection: holds the view, which must not be a temporary one, because GX has a cursor of its own.
        view: what is judged.
        rules: with `{"$PARAMETER": name}` where a limit is a parameter.
        parameters: their values.

    Returns:
        One result a rule, in the order of the rules.

    Raises:
        RunFailed: a rule could not be evaluated. DuckDB's message may quote a value, so only the rules are named.
    """
    import duckdb_engine

    context = ephemeral_context()
    cursor = connection.cursor()
    engine = sa.create_engine(
        "duckdb://", creator=lambda: duckdb_engine.ConnectionWrapper(cursor), poolclass=sa.pool.StaticPool
    )
    try:
        columns = [str(row[0]) for row in connection.execute(f'DESCRIBE "{view}"').fetchall()]
        execution = DuckDBExecutionEngine(engine, columns)
        batch = Batch(data=SqlAlchemyBatchData(execution_engine=execution, table_name=view))  # type: ignore[arg-type]  # GX's own union is narrower than its code
        Validator(execution_engine=execution, data_context=context, batches=[batch])  # hands the batch to the engine
        plans = [_planned(rule.type, json.dumps(rule.limits(parameters))) for rule in rules]
        graph = ValidationGraph(execution_engine=execution, edges=[edge for plan in plans for edge in plan.edges])
        metrics, aborted = _resolve(graph, rules, view)
        return [_result(plan, metrics, aborted, execution, rule, view) for plan, rule in zip(plans, rules, strict=True)]
    finally:
        engine.dispose()


@lru_cache(maxsize=4096)
def _planned(kind: str, kwargs: str) -> _Plan:
    configuration = ExpectationConfiguration(type=kind, kwargs=json.loads(kwargs))
    expectation = configuration.to_domain_obj()
    no_data = DuckDBExecutionEngine(sa.create_engine("duckdb://", creator=_refuse_connection), [])
    dependencies = expectation.get_validation_dependencies(
        execution_engine=no_data, runtime_configuration={"result_format": RESULT_FORMAT}
    )
    graph = MetricsCalculator(execution_engine=no_data, show_progress_bars=False).build_metric_dependency_graph(
        metric_configurations=dependencies.get_metric_configurations(),
        runtime_configuration={"result_format": RESULT_FORMAT},
    )
    return _Plan(expectation, dependencies, tuple(graph.edges))


def _rows_of_repeated_values(view: str, column: str) -> str:
    """GX's own query of these rows has an unbound parameter, so it cannot be run."""
    repeated = f'SELECT "{column}" FROM {view} GROUP BY "{column}" HAVING count("{column}") > 1'  # noqa: S608  # names from the suites
    return f'SELECT source_row FROM {view} WHERE "{column}" IN ({repeated})'  # noqa: S608  # names from the suites


def _refuse_connection() -> Any:
    message = "a plan needs no data"
    raise RuntimeError(message)


def _resolve(graph: ValidationGraph, rules: Sequence[Rule], view: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Every metric of the graph, and those that could not be had."""
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)  # its messages quote what it failed on
    metrics, aborted = graph.resolve(
        runtime_configuration={"result_format": RESULT_FORMAT, "catch_exceptions": True}, show_progress_bars=False
    )
    if not metrics:
        raise RunFailed(f"None of the {len(rules)} rules on {view} could be evaluated: see the suite and tables.py.")
    return metrics, aborted


def _result(
    plan: _Plan,
    metrics: dict[Any, Any],
    aborted: Mapping[Any, Any],
    execution: DuckDBExecutionEngine,
    rule: Rule,
    view: str,
) -> Result:
    needed = plan.dependencies.metric_configurations
    missing = [configuration.id for configuration in needed.values() if configuration.id not in metrics]
    if missing:
        told = " ".join(str(info["exception_info"]) for info in aborted.values())
        raise_if_disk_full(RuntimeError(told), Path())
        kind = "DuckDB ran out of memory" if "Out of Memory" in told else "see the suite and the data dictionary"
        raise RunFailed(f"The rule {rule.name} of {rule.suite} could not be evaluated: {kind}.")
    provided = {name: metrics[configuration.id] for name, configuration in needed.items()}
    judged = plan.expectation._validate(  # noqa: SLF001  # what an expectation is asked to implement; the public way plans anew
        metrics={name: None if name.endswith(_ROWS_QUERY) else value for name, value in provided.items()},
        runtime_configuration={"result_format": plan.dependencies.result_format},
        execution_engine=execution,
    )
    found = judged.get("result", {})
    rows_query = None
    if rule.scope == "row" and found.get("unexpected_count") and execution.has_row_numbers:
        if rule.type == "expect_column_values_to_be_unique":
            rows_query = _rows_of_repeated_values(view, rule.columns[0])
        else:
            waiting = [value for name, value in provided.items() if name.endswith(_ROWS_QUERY)]
            rows_query = execution.rows_query(waiting[0], metrics) if waiting else None
    return Result(bool(judged["success"]), plan.expectation.configuration.kwargs, found, rows_query)
