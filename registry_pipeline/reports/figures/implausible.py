"""Links that cannot be right: people whose records or activity contradict each other.

What belongs here: the section `implausible`, and what counts as implausible. What does not: which records they are
(`needs_attention` and `registry explain` say so, to those who may see them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry_pipeline.govern.disclosure import HIDDEN, shown_breakdown, shown_count, shown_share
from registry_pipeline.pages.content import Cell, ChartFigure, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import counted, percent
from registry_pipeline.storage import load_sql

DAYS_AFTER_DEATH = 7
"""Days after the date of death up to which activity is taken for late recording: what was planned is closed in a
week."""

OPEN_STAY_DAYS = 90
"""Days for which a stay without a discharge counts as going on; older ones are discharges that were never recorded."""

IMPLAUSIBLE_RED = 0.005
"""Share of linked people with one contradiction in what cannot change (two deaths, two NHS numbers, activity after
death, two hospitals at once) from which it is red; below it is amber. Studies of national hospital data found 0.1%
(Hagger-Johnson 2014); five times that is a fault."""

MANY_RECORDS = 10
"""Records a person from which people are shown together; nobody looks at single sizes beyond."""

KINDS: Mapping[str, tuple[str, str]] = {
    "two_deaths": ("Two dates of death", "One of the records is somebody else's, or a date was mistyped."),
    "after_death": (
        f"Activity more than {DAYS_AFTER_DEATH} days after death",
        "Somebody living was joined to somebody dead, or the death was recorded on the wrong person.",
    ),
    "overlapping_stays": (
        "In two hospitals at once, for more than a day",
        "The commonest sign of two people under one id (Hagger-Johnson 2014); or a discharge was recorded late.",
    ),
    "two_nhs_numbers": (
        "More than one valid NHS number",
        "A number names one person; superseded numbers are followed first, and not counted here.",
    ),
    "two_sexes": (
        "Two sexes",
        "Often a mistyping or a change of record; sometimes a couple or brother and sister joined.",
    ),
    "two_birth_dates": ("Two dates of birth", "Mostly mistyped days; sometimes twins, or parent and child, joined."),
    "two_practices": ("Two current general practices", "A registration that was not ended, or two people joined."),
}
"""What cannot be, or is doubtful, and what it may mean. The first four are contradictions in what does not change."""

CONTRADICTIONS = ("two_deaths", "after_death", "overlapping_stays", "two_nhs_numbers")


def counts(material: Material) -> dict[str, int]:
    """People by kind of implausible link, exactly."""
    parameters = {"night": material.night, "days_after_death": DAYS_AFTER_DEATH, "open_stay_days": OPEN_STAY_DAYS}
    material.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE report_activity AS {load_sql('report_activity')}", parameters
    )
    found = {str(what): int(people) for what, people in material.rows("report_activity_counts")}
    return {**{kind: int(n) for kind, n in material.people_with_records.items()}, **found}


def section(material: Material) -> Section:
    """The section on implausible links."""
    found = counts(material)
    linked = found["people_linked"]
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    for kind, (words, meaning) in KINDS.items():
        people = found.get(kind, 0)
        share = people / linked if linked else 0.0
        if people and kind in CONTRADICTIONS:
            flags[len(rows)] = "red" if share > IMPLAUSIBLE_RED else "amber"
        rows.append([words, shown_count(people), shown_share(people, linked), meaning])
    serious = [
        f"{words.lower()}: {counted(shown_count(found[kind]))}"
        for kind, (words, _) in KINDS.items()
        if kind in CONTRADICTIONS and found.get(kind)
    ]
    told = (
        f"Tonight: {'; '.join(serious)}."
        if serious
        else "Tonight nobody's records contradict each other in what never changes."
    )
    return Section(
        id="implausible",
        title="Links that cannot be right",
        lead="A check that needs no truth: people whose joined records say what cannot be true of one person. Each is"
        f" a likely false link, or wrong data at a provider. {told} Bad would be: counts that rise, or more than"
        f" {percent(IMPLAUSIBLE_RED)} of linked people.",
        tables=[
            TableFigure(
                id="implausible_links",
                title="People by what contradicts",
                columns=[
                    Column("What"), Column("People", "people"),
                    Column("Share", "share", "of people with several records"),
                    Column("What it may mean"),
                ],
                rows=rows,
                note="A person may be in several lines. Activity after death: admissions, emergency attendances, and"
                f" contacts that took place. A stay without a discharge counts for {OPEN_STAY_DAYS} days.",
                flags=flags,
            ),
            _sizes(material),
        ],
        charts=[_sizes_chart(material)],
        notes=[
            (
            "Whose records they are stands in needs_attention (registry/current, for those who may read it), and"
            " registry explain says of any patient_id why its records were joined; no record is named here."
            )
        ],
        answers=[13],
    )  # fmt: skip


def sizes(material: Material) -> dict[str, int]:
    """People by how many records they have, many together."""
    found = {str(n): 0 for n in range(1, MANY_RECORDS)}
    many = f"{MANY_RECORDS} or more"
    for records, people in material.rows("report_cluster_sizes"):
        key = str(records) if records < MANY_RECORDS else many
        found[key] = found.get(key, 0) + people
    found.setdefault(many, 0)
    return found


def _sizes(material: Material) -> TableFigure:
    found = sizes(material)
    shown = shown_breakdown(found)
    people = material.people["people"]
    rows: list[Sequence[Cell]] = [[size, n, shown_share(n, people)] for size, n in shown.items()]
    largest = max((records for records, _ in material.rows("report_cluster_sizes")), default=0)
    return TableFigure(
        id="cluster_sizes",
        title="People by how many records they have",
        columns=[Column("Records of the person"), Column("People", "people"), Column("Share", "share")],
        rows=rows,
        note=f"The largest has {counted(largest)} records.",
    )


def _sizes_chart(material: Material) -> ChartFigure:
    shown = shown_breakdown(sizes(material))
    hidden = [size for size, n in shown.items() if n == HIDDEN]
    return ChartFigure(
        id="cluster_sizes_chart",
        kind="bars",
        title="People by how many records they have",
        description="; ".join(f"{size}: {'not shown' if n == HIDDEN else counted(n)}" for size, n in shown.items() if n)
        + "."
        + (" Small numbers are not shown." if hidden else ""),
        data=[{"category": size, "value": n} for size, n in shown.items()],
        options={"value_title": "people", "category_title": "records of the person", "format": "count"},
    )
