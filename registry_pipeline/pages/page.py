"""The report as one HTML file that opens from disk and asks nobody for anything, and as JSON of the same figures.

What belongs here: how a `content.Report` is laid out, escaped, coloured and written. What does not: figures
(`figures`), which marks show them (`charts`) and how a figure reads (`words`).

Everything of a report is text to the page: Jinja2 escapes it, and what charts draw lies in JSON that cannot end its
script. A Content-Security-Policy lets only the page's own scripts and styles run, known by their SHA-256, and no
request leave. So neither a patient's odd name nor a provider's can do more than be read.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import storage
from registry_pipeline.govern import disclosure
from registry_pipeline.pages import charts, words
from registry_pipeline.pages.content import Cell, CellKind, ChartFigure, Colour, Column, Report, Section, TableFigure

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PAGE, FIGURES = "linkage_quality.html", "linkage_quality.json"

MOST_ROWS = 500
"""Rows of a table on the page: nobody reads more, and the JSON has them all."""

ROWS_WORTH_SORTING = 5

LONG_TABLE = 25
"""Rows from which on a table scrolls in its own box on a screen; in print it is whole."""

LONGEST_WORD = 24
"""Letters of a word that may be broken anywhere if it is longer: no word of the language is."""

URGENCY = {"red": 0, "amber": 1}

COLOUR_WORDS = {
    "green": "As it should be", "amber": "Somebody should look", "red": "Do not rely on it yet", "grey": "Not known",
}  # fmt: skip
"""What a colour says, for who does not see it."""

LIGHT_THEME = {
    "page": "#f0f4f5", "paper": "#ffffff", "raised": "#e8edee", "ink": "#212b32", "quiet": "#4c6272", "line": "#d8dde0",
    "grid": "#cfd6da", "link": "#005eb8", "band": "#005eb8", "on-band": "#ffffff", "focus": "#ffeb3b",
    "on-focus": "#212b32", "flag": "#b3371a",
    "green": "#00663d", "amber": "#8a5300", "red": "#b3111d", "grey": "#4c6272",
    "green-paper": "#e3f3ea", "amber-paper": "#fff3d6", "red-paper": "#fde8e7", "grey-paper": "#e8edee",
    "series-1": "#005eb8", "series-2": "#d8500c", "series-3": "#11a37a", "series-4": "#490848", "series-5": "#43390a",
    "series-6": "#485760",
}  # fmt: skip
"""Colours by day and in print: NHS identity blues and greys; series that differ for every kind of colour vision
(a test holds them to it)."""

DARK_THEME = {
    "page": "#0e151b", "paper": "#172129", "raised": "#22303a", "ink": "#eef2f4", "quiet": "#b4c1ca", "line": "#34444f",
    "grid": "#3b4b56", "link": "#8cc4ff", "band": "#0b2a4a", "on-band": "#ffffff", "focus": "#ffeb3b",
    "on-focus": "#212b32", "flag": "#ff9b85",
    "green": "#6fdc9f", "amber": "#ffc95c", "red": "#ff9d97", "grey": "#b4c1ca",
    "green-paper": "#12301f", "amber-paper": "#3a2b0a", "red-paper": "#431a1a", "grey-paper": "#22303a",
    "series-1": "#6db5ff", "series-2": "#e3964e", "series-3": "#cbf8ec", "series-4": "#d645ad", "series-5": "#f1d547",
    "series-6": "#a2acb1",
}  # fmt: skip


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write a report's page and its figures, both or neither.

    Args:
        report: what to write.
        folder: made if it is not there; an earlier report in it is replaced.

    Returns:
        The HTML file and the JSON file.

    Raises:
        RunFailed: the disk is full.
    """
    page, figures = folder / PAGE, folder / FIGURES
    # Strict JSON: a reader outside Python does not know NaN.
    plain = json.dumps(_finite(dataclasses.asdict(report)), indent=1, default=str, allow_nan=False)
    storage.write_texts({page: render(report), figures: plain + "\n"})
    return page, figures


def render(report: Report) -> str:
    """The page of a report."""
    from markupsafe import Markup

    drawn = any(charts.can_be_drawn(chart) for section in report.sections for chart in section.charts)
    scripts = [_inline(charts.scripts())] if drawn else []
    scripts.append(_inline(_text("report.js")))
    style = _environment().get_template("report.css").render(light=LIGHT_THEME, dark=DARK_THEME)
    return _environment().get_template("report.html").render(
        report=report,
        sections={section.id: section for section in report.sections},
        answered=(answered := [item for item in report.checklist if _is_answered(report, item.section)]),
        in_part=[item for item in answered if item.reason],
        colour_words=COLOUR_WORDS,
        about=_about(report),
        hidden=_hides(report),
        smallest_shown=disclosure.SMALLEST_SHOWN,
        rounded_to=disclosure.ROUNDED_TO,
        policy=_policy(scripts, style),
        scripts=[Markup(script) for script in scripts],  # noqa: S704  # our own and Vega's, fixed by their hash above
        style=Markup(style),  # noqa: S704  # our own
    )  # fmt: skip


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("registry_pipeline.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "plain": words.plain, "specification": _specification, "drawable": charts.can_be_drawn, "as_table": as_table,
        "shown_rows": _shown_rows,
        "is_reordered": _is_reordered,
        "is_unbroken": _is_unbroken,
        "is_code": _is_code, "decimals": _decimals, "unknown": _is_unknown, "sort_key": _sort_key,
        "told": lambda name: name.replace("_", " "),
    }  # fmt: skip
    made.globals |= {
        "hidden_sign": disclosure.HIDDEN,
        "worth_sorting": ROWS_WORTH_SORTING,
        "long_table": LONG_TABLE,
        "most_marks": charts.MOST_MARKS,
    }
    return made


def _text(name: str) -> str:
    return resources.files("registry_pipeline.pages").joinpath("templates", name).read_text(encoding="utf-8")


def _inline(script: str) -> str:
    """A script as it may stand in HTML: it cannot end its own element, and its line ends are those that are hashed."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str], style: str) -> str:
    """Only these scripts and this style, by their SHA-256, and nothing from anywhere."""
    allowed = " ".join(_sha256(script) for script in scripts)
    own = f"script-src {allowed}; style-src {_sha256(style)}"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _specification(figure: ChartFigure) -> Markup:
    """A chart's specification as JSON that may stand in a script element: no `<` in it, so it cannot end there."""
    from markupsafe import Markup

    text = json.dumps(charts.specification(figure), separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704  # escaped above, as JSON asks for it


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


def _shown_rows(table: TableFigure) -> list[tuple[Colour | None, Sequence[Cell]]]:
    """Rows with their flags; those of a long table that need attention first, where nobody must scroll to see them."""
    rows = [(table.flags.get(n), row) for n, row in enumerate(table.rows)]
    if _is_reordered(table):
        rows.sort(key=lambda flagged: URGENCY.get(flagged[0] or "", len(URGENCY)))
    return rows[:MOST_ROWS]


def _is_reordered(table: TableFigure) -> bool:
    return len(table.rows) > LONG_TABLE and any(flag in URGENCY for flag in table.flags.values())


def _decimals(table: TableFigure, column: int) -> int | None:
    """Of a column; all shares of a table have the same, since they are compared with each other."""
    kind = table.columns[column].kind
    alike = [n for n, other in enumerate(table.columns) if other.kind == "share"] if kind == "share" else [column]
    return words.decimals_of([row[n] for row in table.rows for n in alike], kind)


def _is_unknown(value: Cell) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_unbroken(value: Cell) -> bool:
    """Whether a cell holds something too long for a line, such as a digest."""
    return isinstance(value, str) and any(len(word) > LONGEST_WORD for word in value.split())


def _is_code(value: Cell) -> bool:
    """Whether a cell holds one short word, such as a reference, that is not to be broken at its hyphens."""
    return isinstance(value, str) and len(value.split()) == 1 and not _is_unbroken(value)


def _sort_key(value: Cell) -> str:
    """What a column is sorted by; words as they are, hidden counts below all others, the unknown below those."""
    if _is_unknown(value):
        return ""
    if value == disclosure.HIDDEN:
        return "0.5"
    return repr(value) if isinstance(value, int | float) else str(value)


def _is_answered(report: Report, section: str | None) -> bool:
    return any(known.id == section for known in report.sections)


def _about(report: Report) -> dict[str, str]:
    """What else is said about the report, as words."""
    return {
        name: ", ".join(str(each) for each in value)
        if isinstance(value, list | tuple)
        else words.plain(value, "number")
        for name, value in report.about.items()
        if name not in {"signature", "signed"} and not isinstance(value, Mapping)
    }


def _hides(report: Report) -> bool:
    """Whether any figure is of people, and the rule of small numbers must be explained."""
    return any(_section_hides(section) for section in report.sections)


def _section_hides(section: Section) -> bool:
    of_people = any(column.kind == "people" for table in section.tables for column in table.columns)
    cells = (
        cell
        for table in section.tables
        for row in table.rows
        for cell, column in zip(row, table.columns, strict=True)
        if column.kind != "words"
    )
    values = (row.get(name) for chart in section.charts for row in chart.data for name in charts.NUMBERS)
    return of_people or disclosure.HIDDEN in cells or disclosure.HIDDEN in values


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
