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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from great_expectations.core.batch import Batch
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.validator.validator import Validator

if TYPE_CHECKING:
    import duckdb
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

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

_VALUES = (".unexpected_values", ".unexpected_index_list", ".unexpected_rows")
"""Endings of the metrics that would hold values of rows."""


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Evaluates metrics on one open DuckDB connection, and never fetches a value of a row."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine=engine)
        types = {name: kind for name, kind in vars(sa.types).items() if isinstance(kind, type)}
        self.dialect_module = SimpleNamespace(DremioDialect=True, name="duckdb", **types)  # type: ignore[assignment]  # stands in for a module

    @contextmanager
    def get_connection(self) -> Iterator[sa.Connection]:  # type: ignore[override]  # the base gives a Generator
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
        """As the base, but for metrics that hold values, which are empty."""
        asked = list(metrics_to_resolve)
        values = {metric.id: [] for metric in asked if metric.metric_name.endswith(_VALUES)}
        counted = [metric for metric in asked if metric.id not in values]
        found = super().resolve_metrics(counted, metrics, runtime_configuration) if counted else {}
        return {**found, **values}


@cache
def ephemeral_context() -> Any:
    """The one data context of this process: in memory, no telemetry, no progress bars, nothing written.

    A file context would rewrite the versioned suites at every run.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    from registry_pipeline.validate import nhs_number_expectation  # noqa: F401  # registers itself with GX

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False), analytics_enabled=False
        ),
    )
    context.variables.progress_bars = {"globally": False}
    return context


@contextmanager
def batch_of(connection: duckdb.DuckDBPyConnection, view: str) -> Iterator[Validator]:
    """GX on one view or table of a DuckDB connection (not a temporary one: GX has a cursor of its own)."""
    import duckdb_engine

    cursor = connection.cursor()
    engine = sa.create_engine(
        "duckdb://", creator=lambda: duckdb_engine.ConnectionWrapper(cursor), poolclass=sa.pool.StaticPool
    )
    try:
        execution = DuckDBExecutionEngine(engine)
        yield Validator(
            execution_engine=execution,
            data_context=ephemeral_context(),  # which knows that there are to be no progress bars
            batches=[Batch(data=SqlAlchemyBatchData(execution_engine=execution, table_name=view))],  # type: ignore[arg-type]  # GX's own union is narrower than its code
        )
    finally:
        engine.dispose()


def _configuration(rule: Rule) -> ExpectationConfiguration:
    return ExpectationConfiguration(
        type=rule.type, kwargs=dict(rule.kwargs), meta=dict(rule.meta), severity=FailureSeverity(rule.severity)
    )


def evaluate(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    rules: Sequence[Rule],
    parameters: Mapping[str, Any],
) -> list[ExpectationValidationResult]:
    """Judge a view by rules.

    Args:
        connection: holds the view.
        view: what is judged.
        rules: with `{"$PARAMETER": name}` where a limit is a parameter.
        parameters: their values.

    Returns:
        One result a rule, in GX's own order: match them on `meta`.
    """
    expectations = [_configuration(rule) for rule in rules]
    with batch_of(connection, view) as validator:
        ready = validator.process_expectations_for_validation(expectations, dict(parameters))
        return validator.graph_validate(configurations=ready, runtime_configuration={"result_format": RESULT_FORMAT})
