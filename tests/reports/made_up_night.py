"""Small nights as tables that a test writes itself, and reading what a report says of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from registry_pipeline.pages.content import Cell, Report, Section, TableFigure
from registry_pipeline.reports.figures import build_report
from tests.registry.conftest import FIRST_NIGHT, CareSystem

MANY, FEW = 10, 3
"""People of a kind: enough to be shown, and too few."""

Record = dict[str, Any]


def people_of(kind: str, count: int, *records: Record) -> dict[str, list[Record]]:
    """So many people who have records like these, each with a key `provider:kind<n>`."""
    return {
        f"{kind}{n}": [
            {**record, "record_id": f"{record['provider']}:{kind}{n}x{place}"} for place, record in enumerate(records)
        ]
        for n in range(count)
    }


def live(system: CareSystem, people: Mapping[str, list[Record]], number: int = 1, **about: Any) -> str:
    """A night of these people, published; returns the snapshot's id."""
    night = system.night(number)
    delivered = [{k: v for k, v in r.items() if k != "provider"} for records in people.values() for r in records]
    system.deliver(night, delivered)
    system.cluster(night, [[r["record_id"] for r in records] for records in people.values()])
    return system.publish(night, **about).snapshot_id


def report(system: CareSystem, snapshot_id: str | None = None, **handed_over: Mapping[str, Any]) -> Report:
    """The report of a snapshot, and every count of people in it is as the rule of small numbers has it."""
    made = build_report(
        system.configuration,
        snapshot_id or f"{FIRST_NIGHT}.1",
        linkage=handed_over.get("linkage", {}),
        governance=handed_over.get("governance", {}),
    )
    small = [(where, cell) for where, cell in people_cells(made) if not may_be_shown(cell)]
    assert not small, small
    return made


def people_cells(made: Report) -> list[tuple[str, Cell]]:
    """Every cell of a column that counts people, with where it stands."""
    return [
        (f"{table.id}: {column.name}", row[place])
        for section in made.sections
        for table in section.tables
        for place, column in enumerate(table.columns)
        if column.kind == "people"
        for row in table.rows
    ]


def may_be_shown(cell: Cell) -> bool:
    return cell is None or cell in ("*", 0) or (isinstance(cell, int) and cell >= 8 and cell % 5 == 0)


def section(made: Report, name: str) -> Section:
    return next(each for each in made.sections if each.id == name)


def table(made: Report, name: str) -> TableFigure:
    return next(each for part in made.sections for each in part.tables if each.id == name)


def row(made: Report, name: str, *starts: Cell) -> list[Cell]:
    """The rest of the row that begins so."""
    return next(
        list(each[len(starts) :]) for each in table(made, name).rows if list(each[: len(starts)]) == list(starts)
    )


def day(text: str) -> date:
    return date.fromisoformat(text)
