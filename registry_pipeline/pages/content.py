"""What a report is made of: sections of words, lights, tables and charts, the same for page and JSON.

What belongs here: the shape of content. What does not: counting it (`figures`) and drawing it (`page`, `charts`).
Everything here is plain data that `dataclasses.asdict` turns into the report's JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Colour = Literal["green", "amber", "red", "grey"]
"""Green: as it should be. Amber: somebody should look. Red: do not rely on it before somebody has. Grey: not known."""

CellKind = Literal["words", "count", "people", "share", "number", "date", "colour"]
"""`count` is of things (rows, pairs, records); `people` is a count of people, shown under the rule of small numbers;
`share` is between 0 and 1; `colour` is a `Colour`."""

ChartKind = Literal[
    "bars", "grouped_bars", "lines", "histogram", "calibration", "intervals", "m_and_u", "stacked_bars",
]  # fmt: skip

Cell = str | int | float | None
"""None where nothing is known. People below the smallest number that is shown are `"*"`."""


@dataclass(frozen=True)
class Light:
    """One of the figures of the first screen."""

    name: str
    colour: Colour
    value: str
    meaning: str
    section: str


@dataclass(frozen=True)
class Column:
    """A column of a table; `unit` stands beside its name."""

    name: str
    kind: CellKind = "words"
    unit: str = ""


@dataclass(frozen=True)
class TableFigure:
    """A table. `flags` gives the colour of rows that need attention, by row number."""

    id: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    flags: Mapping[int, Colour] = field(default_factory=dict)


@dataclass(frozen=True)
class ChartFigure:
    """A chart: `data` is what is drawn, one mapping a mark; `options` say what is on which axis, by chart kind.

    `description` says in words what is to be seen: it is what a screen reader reads.
    """

    id: str
    kind: ChartKind
    title: str
    description: str
    data: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A part of the report. `answers` are the numbers of the checklist's items that it answers."""

    id: str
    title: str
    lead: str
    tables: Sequence[TableFigure] = ()
    charts: Sequence[ChartFigure] = ()
    notes: Sequence[str] = ()
    answers: Sequence[int] = ()


@dataclass(frozen=True)
class ChecklistItem:
    """One item of what a linkage report should say; `section` answers it, or `reason` says why nothing can."""

    number: int
    asks: str
    section: str | None
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """A night's linkage quality report. `headline` has the figures that later nights compare theirs with, by name."""

    snapshot_id: str
    night: str
    deployment: str
    made_at: str
    lights: Sequence[Light]
    changes: Sequence[str]
    sections: Sequence[Section]
    checklist: Sequence[ChecklistItem]
    about: Mapping[str, Any] = field(default_factory=dict)
    headline: Mapping[str, Cell] = field(default_factory=dict)
