"""For whom linkage works worse: people by age, sex, ethnicity, deprivation and provider.

What belongs here: the section `groups`: how many of a group are linked, how much is estimated to be missed and falsely
joined there, and who falls behind. What does not: the estimates themselves (the link stage makes them).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry_pipeline.govern.disclosure import (
    HIDDEN,
    shown_average,
    shown_breakdown,
    shown_count,
    shown_share,
    shown_table,
)
from registry_pipeline.pages.content import Cell, ChartFigure, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures.accuracy import part
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import listed, percent, spaced

GROUPS: Mapping[str, str] = {
    "age_band": "Age",
    "sex": "Sex",
    "ethnicity": "Ethnicity",
    "deprivation_decile": "Deprivation decile (1: most deprived)",
    "provider": "Provider",
    "nhs_number_status": "NHS number of the record",
}
"""What people are told by, in words. The last two tell records, each of which is a person of one provider."""

OF_RECORDS = ("provider", "nhs_number_status")

GAP_RED = 0.02
"""By how much a group's estimated missed links may lie above everybody's before it is red: twice the gap of one
percentage point that was the target of this registry. Below that, a gap that chance does not explain is amber."""

RATIO_AMBER, RATIO_RED = 0.9, 0.8
"""Share linked in a group over that of everybody. Below four fifths is the usual mark of adverse impact; half as far is
worth a look."""

FEWEST_TO_COMPARE = 200
"""People in a group below which a ratio is not judged: at a share of one half, chance alone moves it by 7 points."""

NOT_KNOWN = "not known"

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "age_band": ("00", "01 to 04", "05 to 17", "18 to 39", "40 to 64", "65 to 79", "80 and over", NOT_KNOWN),
    "sex": ("female", "male", "other", NOT_KNOWN),
    "ethnicity": (
        "A British", "B Irish", "C other White", "D White and Black Caribbean", "E White and Black African",
        "F White and Asian", "G other mixed", "H Indian", "J Pakistani", "K Bangladeshi", "L other Asian",
        "M Caribbean",
        "N African", "P other Black", "R Chinese", "S any other", NOT_KNOWN,
    ),
    "deprivation_decile": (*map(str, range(1, 11)), NOT_KNOWN),
}  # fmt: skip
"""Every group, so that one without anybody is shown as well: were it not, its absence would say so. As in
`evaluate_groups.sql`."""

AGES: Mapping[str, str] = {"00": "under 1", "01 to 04": "1 to 4", "05 to 17": "5 to 17"}
"""Age bands that read better than the names by which they are sorted."""

Counts = Mapping[str, tuple[int, int]]
"""Group to those with another record, and those without."""


def section(material: Material) -> Section:
    """The section on groups."""
    estimated = _estimated(material)
    linked = _linked(material)
    tables = []
    behind: list[str] = []
    for by, title in GROUPS.items():
        if by not in linked:
            continue
        table, found = _table(material, by, title, linked[by], estimated.get(by, {}))
        tables.append(table)
        behind += found
    worst = worst_gap(material)
    material.headline["worst_gap"] = worst.gap if worst else None
    told = _gap_told(worst)
    notes = [
        f"Marked as falling behind: {listed(behind, 12)}." if behind else "No group large enough to judge is marked."
    ]
    notes += _not_told(material)
    return Section(
        id="groups",
        title="For whom it works worse",
        lead="Names that are written in several ways, moves, and missing NHS numbers make some people harder to"
        " recognise: studies find more missed links among ethnic minorities, the young and the deprived. Shown is, for"
        " each group, the share with another record (which also depends on how many services they use), its ratio to"
        f" everybody's, and the estimated missed and false links. {told} Bad would be: a group with clearly more"
        " missed links than everybody, since whatever is counted from the registry then counts it short.",
        tables=tables,
        charts=_charts(material, estimated),
        notes=notes,
        answers=[12],
    )


def _gap_told(worst: WorstGap | None) -> str:
    if worst is None:
        return "Missed links were not estimated by group for this night."
    chance = "Chance explains every gap" if worst.colour == "green" else "Chance does not explain every gap"
    return (
        f"{chance} in estimated missed links between the groups that are known; the worst is"
        f" {worst.gap * 100:+.1f} points ({worst.whose}). People of whom it is not known are marked in the tables."
    )


def _linked(material: Material) -> dict[str, Counts]:
    found: dict[str, dict[str, tuple[int, int]]] = {
        by: dict.fromkeys(names, (0, 0))
        for by, names in CATEGORIES.items()
        if by != "deprivation_decile" or material.has_areas
    }
    for row in material.records("report_groups", {"night": material.night}):
        if row["told_by"] in found:
            found[row["told_by"]][row["name"]] = (row["people_linked"], row["people"] - row["people_linked"])
    for by in OF_RECORDS:
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for row in material.links:
            counts[row[by]][0] += row["linked"]
            counts[row[by]][1] += row["records"] - row["linked"]
        found[by] = {name: (linked, alone) for name, (linked, alone) in counts.items()}
    return {by: dict(sorted(counts.items(), key=lambda item: _order(item[0]))) for by, counts in found.items()}


def _called(material: Material, by: str, name: str) -> str:
    return material.name(name) if by == "provider" else AGES.get(name, name)


def _order(name: str) -> tuple[bool, int, str]:
    """Numbers by size, "not known" last."""
    return name == NOT_KNOWN, int(name) if name.isdigit() else 0, name


def _estimated(material: Material) -> dict[str, dict[str, Mapping[str, Any]]]:
    found: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for group in part(material.linkage, "estimates").get("groups") or ():
        found[group["by"]][group["group"]] = group
    return found


@dataclass(frozen=True)
class WorstGap:
    """The group that is served worst: its gap in estimated missed links to everybody's, whose it is, and its colour."""

    gap: float
    whose: str
    colour: Colour


def worst_gap(material: Material) -> WorstGap | None:
    """The reddest, then largest gap in estimated missed links; None where no group with a name can be compared."""
    compared = [
        group
        for group in part(material.linkage, "estimates").get("groups") or ()
        if judged_gap(group) != "grey" and group["group"] != NOT_KNOWN
    ]
    if not compared:
        return None
    worst = max(compared, key=lambda group: (("green", "amber", "red").index(judged_gap(group)), group["missed_gap"]))
    title = GROUPS.get(worst["by"], spaced(worst["by"])).partition(" (")[0]
    whose = f"{title.lower()}: {_called(material, worst['by'], worst['group'])}"
    return WorstGap(worst["missed_gap"], whose, judged_gap(worst))


def judged_gap(group: Mapping[str, Any]) -> Colour:
    """The colour of a group's estimated missed links: only a gap that chance does not explain counts."""
    if not group.get("is_compared") or group.get("missed_gap") is None:
        return "grey"
    if "missed" not in (group.get("falls_behind_in") or ()):
        return "green"
    return "red" if group["missed_gap"] > GAP_RED else "amber"


def judged_ratio(ratio: Cell, people: int) -> Colour:
    """The colour of a share linked against everybody's."""
    if not isinstance(ratio, float) or people < FEWEST_TO_COMPARE:
        return "grey"
    return "red" if ratio < RATIO_RED else "amber" if ratio < RATIO_AMBER else "green"


def _table(
    material: Material, by: str, title: str, counts: Counts, estimated: Mapping[str, Mapping[str, Any]]
) -> tuple[TableFigure, list[str]]:
    people, linked_people = _shown_counts(by, counts)
    everybody = shown_share(sum(linked for linked, _ in counts.values()), sum(map(sum, counts.values())))
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    behind = []
    for name, both in counts.items():
        total = sum(both)
        share = _share(linked_people[name], people[name])
        ratio = share / everybody if isinstance(share, float) and isinstance(everybody, float) and everybody else None
        group = estimated.get(name, {})
        colour = judged_gap(group)
        if colour == "green" and "false" in (group.get("falls_behind_in") or ()):
            colour = "amber"  # more of them are joined to strangers than chance explains
        if colour == "grey" and name != NOT_KNOWN and by != "nhs_number_status":
            colour = judged_ratio(ratio, total)
        if colour in ("amber", "red"):
            flags[len(rows)] = colour
            behind.append(f"{title.partition(' (')[0]}: {_called(material, by, name)}")
        rows.append(
            [
                _called(material, by, name), people[name], linked_people[name], share,
                _rounded(HIDDEN if share == HIDDEN else ratio), *_errors(group, total), colour,
            ]
        )  # fmt: skip
    things = "records" if by in OF_RECORDS else "people"
    return (
        TableFigure(
            id=f"groups_{by}",
            title=f"By {title[0].lower() if not title.startswith('NHS') else title[0]}{title[1:]}",
            columns=[
                Column(title.partition(" (")[0]), Column(things.capitalize(), "people"),
                Column("With another record", "people"), Column("Share", "share"),
                Column("Ratio", "number", "to everybody"),
                Column("Missed links", "share", "estimated"), Column("from", "share"), Column("to", "share"),
                Column("False links", "share", "estimated"), Column("Falls behind", "colour"),
            ],
            rows=rows,
            note=f"Everybody: {percent(everybody)} with another record. Judged by missed links where they could be"
            " estimated, else by the ratio. Grey: too few to judge"
            f" (fewer than {FEWEST_TO_COMPARE}, or too few pairs), or nothing to compare with.",
            flags=flags,
        ),
        behind,
    )  # fmt: skip


def _shown_counts(by: str, counts: Counts) -> tuple[dict[str, Cell], dict[str, Cell]]:
    """Each group's people, and those with another record, as they may be shown.

    Groups of people are protected against the totals; records by provider and by NHS number tell nobody apart, and are
    rounded only (a provider of whose people all but a few are linked would be hidden otherwise).
    """
    totals = {name: sum(both) for name, both in counts.items()}
    if by in OF_RECORDS:
        return {n: shown_count(c) for n, c in totals.items()}, {n: shown_count(a) for n, (a, _) in counts.items()}
    cells = shown_table(
        {(name, which): n for name, both in counts.items() for which, n in zip(("linked", "alone"), both, strict=True)}
    )
    people: dict[str, Cell] = {**shown_breakdown(totals)}
    return people, {name: cells[name, "linked"] for name in counts}


def _share(part_of: Cell, whole: Cell) -> Cell:
    if not isinstance(part_of, int) or not isinstance(whole, int):
        return HIDDEN
    return shown_share(part_of, whole)


def _rounded(ratio: Cell) -> Cell:
    return round(ratio, 3) if isinstance(ratio, float) else ratio


def _errors(group: Mapping[str, Any], people: int) -> list[Cell]:
    """A group's estimated missed links with their interval, and false links; nothing of a group that is hidden."""
    missed, false = group.get("missed"), group.get("false")
    found = [missed and missed["value"], missed and missed["low"], missed and missed["high"], false and false["value"]]
    drawn = group.get("people") or people
    return [None if value is None else shown_average(min(people, drawn), value) for value in found]


def _not_told(material: Material) -> list[str]:
    """Groups of which nothing can be told, and why."""
    said = {
        **part(part(material.linkage, "groups_linked"), "not_by"),
        **part(part(material.linkage, "estimates"), "not_by"),
    }
    if not material.has_areas:
        said.setdefault(
            "deprivation_decile",
            "The deployment names no list of postcodes with their deprivation (postcodes in registry.yaml).",
        )
    return [f"{GROUPS.get(by, by).partition(' (')[0]}: {why}" for by, why in said.items()]


def _charts(material: Material, estimated: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[ChartFigure]:
    """Estimated missed links of the groups that can be compared: one chart a kind of group."""
    charts = []
    everybody = part(part(material.linkage, "estimates"), "missed").get("value")
    for by, groups in estimated.items():
        data = [
            {
                "category": _called(material, by, name), "value": group["missed"]["value"],
                "low": group["missed"]["low"], "high": group["missed"]["high"], "flag": judged_gap(group),
            }
            for name, group in sorted(groups.items(), key=lambda item: _order(item[0]))
            if group.get("missed") and group.get("is_compared") and shown_count(group.get("people") or 0) != HIDDEN
        ]  # fmt: skip
        if by not in GROUPS or len(data) < 2:
            continue
        most = max(data, key=lambda row: row["value"])
        title = GROUPS[by].partition(" (")[0]
        charts.append(
            ChartFigure(
                id=f"missed_by_{by}",
                kind="intervals",
                title=f"Estimated missed links by {title.lower()}",
                description=f"Most are missed of {most['category']}: {percent(most['value'], 2)}.",
                data=data,
                options={
                    "value_title": "share of pairs of one person not found",
                    "format": "share",
                    **({"reference": [{"value": everybody, "label": "everybody"}]} if everybody is not None else {}),
                },
            )
        )
    return charts
