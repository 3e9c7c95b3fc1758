"""What the audit's pages show: the table `audit_measure`, read once and laid out by organisation and measure.

What belongs here: reading the table, and which organisation has which figures. What does not: counting them
(`sql/audit_*.sql`), and how a page tells them (`pages`).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from registry_pipeline.pages.process import Month
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    import duckdb

SYSTEM = ("system", "all")

PEERS: tuple[str, ...] = ("practice", "provider", "neighbourhood")
"""Dimensions whose values have a page of their own, beside the system."""

GROUPS: tuple[str, ...] = ("ethnicity", "deprivation")
"""Dimensions that are told on the system's page only."""

NAMELESS = ("not known", "none named")
"""What stands for people whose practice or group is not known, or whose practice no neighbourhood names."""

Unit = tuple[str, str]
"""A dimension and a value of it: an organisation, or a group of people."""


@dataclass(frozen=True)
class Counted:
    """A figure of one period, as it may be shown: what is hidden is None and `is_hidden`.

    Attributes:
        start, end: first and last day of the period.
        value: as the measure's unit has it.
        low, high: of its 95% interval.
        funnel: where it lies among its peers; None where that is not judged.
        linkage_low, linkage_high: what it moves between as the linkage threshold moves; None where it does not.
    """

    start: date
    end: date
    numerator: float | None
    denominator: float | None
    value: float | None
    low: float | None
    high: float | None
    is_hidden: bool
    funnel: str | None
    linkage_low: float | None
    linkage_high: float | None

    @property
    def has_linkage_range(self) -> bool:
        """Whether the linkage threshold can move it."""
        return self.linkage_low is not None and self.linkage_high is not None

    @property
    def is_linkage_wider(self) -> bool:
        """Whether linkage leaves it less certain than chance does."""
        known = (self.low, self.high, self.linkage_low, self.linkage_high)
        low, high, from_, to = (each if each is not None else 0.0 for each in known)
        return None not in known and to - from_ > high - low


@dataclass(frozen=True)
class Series:
    """A measure of one organisation or group."""

    months: tuple[Month, ...] = ()
    counted: tuple[Counted, ...] = ()
    years: tuple[Counted, ...] = ()

    @property
    def latest(self) -> tuple[Month, Counted] | None:
        """The last month that there is."""
        return (self.months[-1], self.counted[-1]) if self.months else None

    @property
    def year(self) -> Counted | None:
        """The last whole year."""
        return self.years[-1] if self.years else None

    @property
    def year_before(self) -> Counted | None:
        """The whole year before it."""
        return self.years[-2] if len(self.years) > 1 else None


NOTHING = Series()


@dataclass(frozen=True)
class Shown:
    """All that the pages show: by organisation or group, then by measure."""

    by_unit: Mapping[Unit, Mapping[str, Series]] = field(default_factory=dict)

    def of(self, unit: Unit, measure: str) -> Series:
        """A measure of an organisation or group, which may have no figure of it at all."""
        return self.by_unit.get(unit, {}).get(measure, NOTHING)

    def among(self, dimension: str, measure: str) -> list[tuple[str, Series]]:
        """Every value of a dimension that has the measure, in the order of their names."""
        found = [
            (value, series)
            for (of, value), measures in self.by_unit.items()
            if of == dimension and (series := measures.get(measure))
        ]
        return sorted(found, key=lambda each: in_order(each[0]))

    @property
    def organisations(self) -> list[Unit]:
        """Whoever has a page, in the order of the index; the system is always there."""
        known = [unit for unit in self.by_unit if unit[0] in PEERS]
        return [SYSTEM, *sorted(known, key=lambda unit: (PEERS.index(unit[0]), in_order(unit[1])))]


def in_order(name: str) -> tuple[bool, list[tuple[int, str]], str]:
    """Names as people order them: numbers in them by their size, and what stands for no name last."""
    parts = re.findall(r"\d+|\D+", name)
    return name in NAMELESS, [(int(part), "") if part.isdecimal() else (0, part.casefold()) for part in parts], name


def read(connection: duckdb.DuckDBPyConnection) -> Shown:
    """Read the view `audit_measure` of a connection."""
    rows: dict[tuple[Unit, str], list[Mapping[str, Any]]] = defaultdict(list)
    found = connection.execute(load_sql("audit_page"))
    names = [column[0] for column in found.description or ()]
    for values in found.fetchall():
        row = dict(zip(names, map(_finite, values), strict=True))
        rows[(row["dimension"], row["value_of_dimension"]), row["measure"]].append(row)
    by_unit: dict[Unit, dict[str, Series]] = defaultdict(dict)
    for (unit, measure), of_unit in rows.items():
        by_unit[unit][measure] = _series(of_unit)
    return Shown(by_unit)


def _finite(value: Any) -> Any:
    """What is no number, or has no end, is not known: it could not be drawn."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _series(rows: Sequence[Mapping[str, Any]]) -> Series:
    months = [row for row in rows if row["period_months"] == 1]
    years = [row for row in rows if row["period_months"] != 1]
    return Series(
        tuple(_month(row) for row in months),
        tuple(_counted(row) for row in months),
        tuple(_counted(row) for row in years),
    )


def _month(row: Mapping[str, Any]) -> Month:
    return Month(
        row["period_start"], row["value"], bool(row["is_suppressed"]), row["centre"], row["limit_low"],
        row["limit_high"], row["signal"], row["signal_is"],
    )  # fmt: skip


def _counted(row: Mapping[str, Any]) -> Counted:
    return Counted(
        row["period_start"], row["period_end"], row["numerator"], row["denominator"], row["value"],
        row["interval_low"], row["interval_high"], bool(row["is_suppressed"]), row["funnel"], row["linkage_low"],
        row["linkage_high"],
    )  # fmt: skip
