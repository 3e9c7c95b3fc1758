"""The linkage quality report as one HTML file that opens from disk, and as JSON of the same figures.

What belongs here: how a `content.Report` is laid out and written. What does not: figures (`reports.figures`), the frame
around it (`shell`), which marks show them (`charts`) and how a figure reads (`words`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry_pipeline import storage
from registry_pipeline.govern import disclosure
from registry_pipeline.pages import charts, shell, words
from registry_pipeline.pages.content import Report, Section

PAGE, FIGURES = "linkage_quality.html", "linkage_quality.json"


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
    answered = [item for item in report.checklist if _is_answered(report, item.section)]
    return shell.render(
        shell.HOUSE,
        "report.html",
        title=f"Linkage quality report, {report.deployment}, {words.plain(report.night, 'date')}",
        heading="Linkage quality report",
        subtitle=report.deployment,
        draws=any(charts.can_be_drawn(chart) for section in report.sections for chart in section.charts),
        report=report,
        sections={section.id: section for section in report.sections},
        answered=answered,
        in_part=[item for item in answered if item.reason],
        about=_about(report),
        hidden=_hides(report),
        all_figures_in=FIGURES,
    )


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
