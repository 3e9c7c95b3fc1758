"""The expectation that a column holds NHS numbers that may be used.

What belongs here: the expectation and its condition in SQL. What does not: the rule itself, which stands once in
`sql/macros.sql` (`nhs_number_fault`) because standardise sets the same numbers to null.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import (
    ColumnMapMetricProvider,
)


class ColumnValuesValidNhsNumber(ColumnMapMetricProvider):
    """Condition per value: no fault, or none of the faults asked about."""

    condition_metric_name = "column_values.valid_nhs_number"
    condition_value_keys = ("synthetic_allowed", "faults", "fault_column")

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,  # noqa: N805  # GX calls it as a class method
        column: Any,
        synthetic_allowed: bool = False,
        faults: list[str] | None = None,
        fault_column: str | None = None,
        **_: Any,
    ) -> Any:
        if fault_column:
            fault: Any = sa.column(fault_column)
        else:
            fault = sa.func.nhs_number_fault(column, sa.true() if synthetic_allowed else sa.false())
        if not faults:
            return fault.is_(None)
        return sa.func.coalesce(fault, "").not_in(faults)


class ExpectColumnValuesToBeValidNhsNumber(ColumnMapExpectation):
    """Expect every value to be a valid NHS number; blanks and hyphens between digits do not matter.

    Valid is: ten digits, the check digit of Modulus 11 (NHS data dictionary), not one digit ten times and not
    n00000000n (both pass Modulus 11), and in a range that England, Wales and the Isle of Man issue.

    Args:
        column: text as delivered.
        synthetic_allowed: whether 9000000000 to 9999999999 (made-up people) are valid in this deployment.
        faults: fail only on these faults, by the names that `nhs_number_fault` gives; None: on any.
        fault_column: column in which the table already has the answer of `nhs_number_fault` for this deployment;
            several rules then work it out once.
    """

    synthetic_allowed: Any = False
    faults: Any = None
    fault_column: Any = None

    map_metric: ClassVar[str] = "column_values.valid_nhs_number"
    success_keys: ClassVar[tuple[str, ...]] = ("synthetic_allowed", "faults", "fault_column", "mostly")
