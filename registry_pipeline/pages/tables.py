"""Tables of a page: which rows are shown and in which order, and how their cells are marked.

What belongs here: what the macros of `templates/figures.html` ask about a `content.TableFigure`, and a chart's figures
as such a table. What does not: how a single figure reads (`words`) and what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry_pipeline.govern import disclosure
from registry_pipeline.pages import charts, words
from registry_pipeline.pages.content import Cell, CellKind, ChartFigure, Colour, Column, TableFigure

MOST_ROWS = 500
"""Rows of a table on a page: nobody reads more, and the file of its figures has them all."""

ROWS_WORTH_SORTING = 5

LONG_TABLE = 25
"""Rows from which on a table scrolls in its own box on a screen; in print it is whole."""

LONGEST_WORD = 24
"""Letters of a word that may be broken anywhere if it is longer: no word of the language is."""

URGENCY = {"red": 0, "amber": 1}


def as_table(figure: ChartFigure) -> TableFigure:
    """What a chart draws, as a table: for who cannot see it, and for who wants the figures."""
    given = figure.options.get("format", charts.FALLBACK_FORMAT)
    names = list(dict.fromkeys(name for row in figure.data for name in row))
    titles = {
        "category": "category_title", "group": "group_title", "value": "value_title", "x": "x_title", "from": "x_title",
    }  # fmt: skip
    columns = []
    for name in names:
        title = figure.options.get(titles.get(name, ""), "") or name
        title = f"{title}, from" if name == "from" and title != name else title
        kind: CellKind = charts.SHARES_BY_NATURE.get(name, given) if name in charts.NUMBERS else "words"
        if name == "x":
            kind = "date" if any(isinstance(row.get(name), str) for row in figure.data) else "number"
        columns.append(Column("needs attention" if name == "flag" else str(title), kind))
    rows = [[row.get(name) for name in names] for row in figure.data]
    return TableFigure(f"{figure.id}-data", figure.title, columns, rows)


def shown_rows(table: TableFigure) -> list[tuple[Colour | None, Sequence[Cell]]]:
    """Rows with their flags; those of a long table that need attention first, where nobody must scroll to see them."""
    rows = [(table.flags.get(n), row) for n, row in enumerate(table.rows)]
    if is_reordered(table):
        rows.sort(key=lambda flagged: URGENCY.get(flagged[0] or "", len(URGENCY)))
    return rows[:MOST_ROWS]


def is_reordered(table: TableFigure) -> bool:
    """Whether rows that need attention come first."""
    return len(table.rows) > LONG_TABLE and any(flag in URGENCY for flag in table.flags.values())


def decimals(table: TableFigure, column: int) -> int | None:
    """Of a column; all shares of a table have the same, since they are compared with each other."""
    kind = table.columns[column].kind
    alike = [n for n, other in enumerate(table.columns) if other.kind == "share"] if kind == "share" else [column]
    return words.decimals_of([row[n] for row in table.rows for n in alike], kind)


def is_unknown(value: Cell) -> bool:
    """Whether nothing is known in a cell."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_unbroken(value: Cell) -> bool:
    """Whether a cell holds something too long for a line, such as a digest."""
    return isinstance(value, str) and any(len(word) > LONGEST_WORD for word in value.split())


def is_code(value: Cell) -> bool:
    """Whether a cell holds one short word, such as a reference, that is not to be broken at its hyphens."""
    return isinstance(value, str) and len(value.split()) == 1 and not is_unbroken(value)


def sort_key(value: Cell) -> str:
    """What a column is sorted by; words as they are, hidden counts below all others, the unknown below those."""
    if is_unknown(value):
        return ""
    if value == disclosure.HIDDEN:
        return "0.5"
    return repr(value) if isinstance(value, int | float) else str(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "as_table": as_table, "shown_rows": shown_rows, "is_reordered": is_reordered, "is_unbroken": is_unbroken,
    "is_code": is_code, "decimals": decimals, "unknown": is_unknown, "sort_key": sort_key,
}  # fmt: skip
"""What templates ask."""
