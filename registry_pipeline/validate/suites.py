"""Expectation suites as data: which rules there are, of what weight, and under which limits they run.

What belongs here: reading `expectations/*.json` without Great Expectations (Dagster asks for checks when it loads),
choosing the rules that apply to a delivery, and the values of their parameters. What does not: running them.

A suite's expectation has in its `meta`:

* `rule`: its name, unique in the suite; `scope`: row or feed; `dimension`; `reason`: why, with its source;
* `says`: of a critical feed rule, what is wrong, in words for people;
* `from_rows`: a share says nothing of a handful of rows: the rule is left out of smaller deliveries;
* `in_delta`: of a feed rule, the severity in a delta, or `left_out`; without it the rule is the same in both.

The suite's own `meta` has `parameters`: each with its `default`, what it means, and
whether it `is_share`. A provider's file may set them.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from statistics import median
from typing import Any, Literal

from registry_pipeline.config import REPOSITORY, Configuration, Provider
from registry_pipeline.errors import BadInput
from registry_pipeline.outcomes import CheckOutcome, Severity

EXPECTATIONS = REPOSITORY / "expectations"
"""The suites: one file per table that is checked."""

EARLIER_NIGHTS = 3
"""Accepted nights from which on row counts are compared: fewer say nothing about what is usual."""

USUAL_ROWS = 20
"""Median row count from which on row counts are compared: below, halves and doubles are chance."""


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite, as the file has it."""

    suite: str
    position: int
    type: str
    kwargs: Mapping[str, Any]
    meta: Mapping[str, Any]
    severity: Severity

    @property
    def name(self) -> str:
        """Its name, unique in the suite."""
        return str(self.meta["rule"])

    @property
    def scope(self) -> Literal["row", "feed"]:
        """Whether it judges rows or the delivery as a whole."""
        return "row" if self.meta["scope"] == "row" else "feed"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the view that it reads."""
        named = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        return tuple(c for c in named if c) + tuple(self.kwargs.get("column_list", ()))

    def limits(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Its kwargs with every `{"$PARAMETER": name}`, or `1 - name` of a share, filled in.

        Great Expectations can do the same, with a parser that takes longer than judging a small feed.
        """
        asked = {
            name: value["$PARAMETER"]
            for name, value in self.kwargs.items()
            if isinstance(value, dict) and "$PARAMETER" in value
        }
        return {**self.kwargs, **{name: _value_of(expression, parameters) for name, expression in asked.items()}}

    def as_check(self, **observed: Any) -> CheckOutcome:
        """The check of this rule: its description, with what was observed."""
        described = {
            "name": self.name,
            "severity": self.severity,
            "scope": self.scope,
            "dimension": self.meta["dimension"],
            "reason": self.meta["reason"],
            "column": ", ".join(self.columns) or None,
        }
        return CheckOutcome.model_validate({"passed": True, **described, **observed})


def _value_of(expression: str, parameters: Mapping[str, Any]) -> Any:
    name = expression.removeprefix("1 - ")
    return parameters[name] if name == expression else 1 - parameters[name]


@dataclass(frozen=True)
class Suite:
    """A suite file."""

    name: str
    rules: tuple[Rule, ...]
    parameters: Mapping[str, Mapping[str, Any]]

    def defaults(self) -> dict[str, Any]:
        """Every parameter that a provider's file may set, with the suite's own value."""
        return {name: about["default"] for name, about in self.parameters.items()}


@cache
def load_suite(table: str) -> Suite:
    """The suite of a table.

    Raises:
        BadInput: there is none, or it is not what a suite is.
    """
    file = EXPECTATIONS / f"{table}.json"
    if not file.is_file():
        raise BadInput(f"There is no expectation suite {file}: every table that is checked has one.")
    content = json.loads(file.read_text(encoding="utf-8"))
    rules = tuple(
        Rule(table, position, each["type"], each["kwargs"], each["meta"], each["severity"])
        for position, each in enumerate(content["expectations"])
    )
    return Suite(table, rules, content["meta"].get("parameters", {}))


def suite_names() -> tuple[str, ...]:
    """Every table that has a suite."""
    return tuple(sorted(file.stem for file in EXPECTATIONS.glob("*.json")))


def check_parameters(provider: Provider) -> None:
    """Refuse limits in a provider's file that no suite of its feeds has, or that are no figure.

    Raises:
        BadInput: the sentence names the nearest parameter.
    """
    known = {name: about for feed in provider.feeds for name, about in load_suite(f"raw_{feed}").parameters.items()}
    for name, value in provider.expectations.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(sorted(known))}"
            raise BadInput(f"{provider.provider}: the suites have no parameter {name!r}; {hint}.")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise BadInput(f"{provider.provider}: the parameter {name!r} is to be a number from 0 on.")
        if known[name].get("is_share") and value > 1:
            raise BadInput(f"{provider.provider}: the parameter {name!r} is a share, from 0 to 1.")


def parameters_of(
    configuration: Configuration, provider: Provider, suite: Suite, night: date, earlier_rows: Sequence[int]
) -> dict[str, Any]:
    """The value of every parameter of a feed's suite: its own, the provider's, and what the night gives.

    Raises:
        BadInput: the provider's file sets a parameter that there is not.
    """
    check_parameters(provider)
    own = {name: value for name, value in provider.expectations.items() if name in suite.parameters}
    values = {**suite.defaults(), **own}
    usual = median(earlier_rows) if earlier_rows else 0
    return {
        **values,
        "night": night.isoformat(),
        "synthetic_nhs_numbers": configuration.deployment.synthetic_nhs_numbers,
        "row_count_at_least": math.ceil(usual * float(values["row_count_fall_to_at_least"])),
        "row_count_at_most": math.floor(usual * float(values["row_count_rise_to_at_most"])),
    }


def rules_for_delivery(
    suite: Suite, *, columns: frozenset[str], rows: int, earlier_rows: Sequence[int], is_delta: bool
) -> list[Rule]:
    """The rules of a feed's suite that this delivery can be judged by.

    Args:
        suite: the feed's suite.
        columns: columns of the view that the provider delivers, helper columns among them.
        rows: rows of the delivery.
        earlier_rows: accepted row counts of earlier nights.
        is_delta: whether the delivery holds only what changed.
    """
    chosen = [
        rule
        for rule in suite.rules
        if rows >= int(rule.meta.get("from_rows", 0))
        and columns.issuperset(rule.columns)
        and not (is_delta and rule.meta.get("in_delta") == "left_out")
        and (rule.name != "row_count_near_median" or _has_history(earlier_rows))
    ]
    if not is_delta:
        return chosen
    return [replace(rule, severity=rule.meta.get("in_delta", rule.severity)) for rule in chosen]


def _has_history(earlier_rows: Sequence[int]) -> bool:
    return len(earlier_rows) >= EARLIER_NIGHTS and median(earlier_rows) >= USUAL_ROWS
