"""How much was linked: overall, by setting, by pair of settings, by provider, and how.

What belongs here: the section `linkage_rate`, and the counts of people by the settings that know them. What does not:
whether links are right (`estimates`, `implausible`), and for whom (`groups`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from registry_pipeline.govern.disclosure import shown_breakdown, shown_count, shown_share
from registry_pipeline.pages.content import Cell, ChartFigure, Column, Section, TableFigure
from registry_pipeline.reports.figures.material import SETTINGS, Material
from registry_pipeline.reports.figures.words import counted, percent

MOST_RECORDS = 5
"""Records a person from which people are counted together."""

LINK_METHODS: Mapping[str, str] = {
    "single": "the person's only record",
    "same_nhs_number": "same NHS number",
    "local_merge": "merged by the provider itself",
    "match_weight": "names, date of birth, home and the like (the model)",
    "must_link": "joined by a person (override)",
}
"""What holds a record in its person, in words."""


def people_by_settings(material: Material) -> dict[int, int]:
    """People by the set of settings that know them: a bit for each, in the order of SETTINGS."""
    found: dict[int, int] = defaultdict(int)
    for settings, _, people, _ in material.rows("report_settings", {"most": MOST_RECORDS}):
        found[settings] += people
    return dict(found)


def section(material: Material) -> Section:
    """The linkage rates."""
    people, linked = material.people["people"], material.people_with_records["people_linked"]
    by_settings = people_by_settings(material)
    several = sum(n for settings, n in by_settings.items() if settings.bit_count() > 1)
    records = sum(row["records"] for row in material.links)
    records_linked = sum(row["linked"] for row in material.links)
    shown = shown_count(people)
    a_person = round(records / shown, 2) if isinstance(shown, int) and shown else None
    material.headline["people"] = shown
    material.headline["records"] = records
    material.headline["records_linked"] = records_linked / records if records else None
    rows: list[Sequence[Cell]] = [
        ["People in the registry", shown, None],
        ["of them with more than one record", shown_count(linked), shown_share(linked, people)],
        ["of them known to more than one setting", shown_count(several), shown_share(several, people)],
        ["of them without an NHS number", *_of_people(material, "without_nhs_number")],
        ["of them with nothing but extracts past their limit", *_of_people(material, "stale")],
    ]
    return Section(
        id="linkage_rate",
        title="How much was linked",
        lead=f"{counted(records)} records became {counted(shown)} people:"
        f" {counted(a_person)} records a person, and"
        f" {percent(records_linked / records if records else None)} of records share their person with another record."
        " Many people are rightly known to one provider only, so no share is right by itself; what matters is that it"
        " stays where it was. Bad would be: a sudden fall (links are missed) or a sudden rise (strangers are joined).",
        tables=[
            TableFigure(
                id="people_overall",
                title="People",
                columns=[Column("What"), Column("People", "people"), Column("Share of people", "share")],
                rows=rows,
            ),
            _by_setting(material, by_settings),
            _by_pair(by_settings),
            _by_provider(material),
            _by_method(material, records),
        ],
        charts=_charts(by_settings),
        answers=[9],
    )


def _of_people(material: Material, what: str) -> tuple[Cell, Cell]:
    count, people = material.people[what], material.people["people"]
    return shown_count(count), shown_share(count, people)


def known_to(by_settings: Mapping[int, int], *settings: str) -> int:
    """People known to all of some settings."""
    bits = sum(1 << list(SETTINGS).index(setting) for setting in settings)
    return sum(n for each, n in by_settings.items() if each & bits == bits)


def known_elsewhere(by_settings: Mapping[int, int], setting: str) -> int:
    """People of a setting who are known to another one too."""
    bit = 1 << list(SETTINGS).index(setting)
    return sum(n for each, n in by_settings.items() if each & bit and each != bit)


def _present(by_settings: Mapping[int, int]) -> list[str]:
    return [setting for setting in SETTINGS if known_to(by_settings, setting)]


def _by_setting(material: Material, by_settings: Mapping[int, int]) -> TableFigure:
    records: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in material.links:
        records[row["setting"]][0] += row["records"]
        records[row["setting"]][1] += row["linked"]
    rows: list[Sequence[Cell]] = []
    for setting in _present(by_settings):
        people, elsewhere = known_to(by_settings, setting), known_elsewhere(by_settings, setting)
        total, linked = records[setting]
        rows.append(
            [
                SETTINGS[setting], total, shown_share(linked, total), shown_count(people),
                shown_count(elsewhere), shown_share(elsewhere, people),
            ]
        )  # fmt: skip
    return TableFigure(
        id="linkage_by_setting",
        title="By setting",
        columns=[
            Column("Setting"), Column("Records", "count"), Column("Linked to another record", "share", "of records"),
            Column("People", "people"), Column("Known to another setting", "people"),
            Column("Known to another setting", "share", "of people"),
        ],
        rows=rows,
    )  # fmt: skip


def setting_pairs(by_settings: Mapping[int, int]) -> list[tuple[str, str, int, int, int]]:
    """Each pair of settings: people of the first, of the second, and known to both."""
    return [
        (one, other, known_to(by_settings, one), known_to(by_settings, other), known_to(by_settings, one, other))
        for one, other in combinations(_present(by_settings), 2)
    ]


def _by_pair(by_settings: Mapping[int, int]) -> TableFigure:
    rows: list[Sequence[Cell]] = [
        [
            SETTINGS[one],
            SETTINGS[other],
            shown_count(a),
            shown_count(b),
            shown_count(both),
            shown_share(both, min(a, b)),
        ]
        for one, other, a, b, both in setting_pairs(by_settings)
    ]
    return TableFigure(
        id="linkage_by_pair",
        title="By pair of settings",
        columns=[
            Column("One setting"), Column("Other setting"), Column("People of the one", "people"),
            Column("People of the other", "people"), Column("Known to both", "people"),
            Column("Share", "share", "of people who could be"),
        ],
        rows=rows,
        note="Who could be known to both: at most the people of the smaller of the two settings.",
    )  # fmt: skip


def _by_provider(material: Material) -> TableFigure:
    records: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in material.links:
        records[row["provider"]][0] += row["records"]
        records[row["provider"]][1] += row["linked"]
    rows: list[Sequence[Cell]] = [
        [material.name(provider), material.setting(provider), total, shown_count(linked), shown_share(linked, total)]
        for provider, (total, linked) in sorted(records.items())
    ]
    return TableFigure(
        id="linkage_by_provider",
        title="By provider",
        columns=[
            Column("Provider"), Column("Setting"), Column("Records", "count"),
            Column("Linked to another record", "people"),
            Column("Share", "share"),
        ],
        rows=rows,
    )  # fmt: skip


def _by_method(material: Material, records: int) -> TableFigure:
    methods: dict[str, int] = defaultdict(int)
    for row in material.links:
        methods[row["link_method"]] += row["records"]
    others = set(methods) - set(LINK_METHODS)
    rows: list[Sequence[Cell]] = [
        [LINK_METHODS.get(method, method), count, _share(count, records)]
        for method, count in shown_breakdown({m: methods[m] for m in [*LINK_METHODS, *sorted(others)]}).items()
    ]
    return TableFigure(
        id="link_methods",
        title="What holds a record in its person",
        columns=[Column("How"), Column("Records", "people"), Column("Share", "share")],
        rows=rows,
        note="The strongest link of each record.",
    )


def _share(part_of: Cell, whole: int) -> Cell:
    return shown_share(part_of, whole) if isinstance(part_of, int) else part_of


def _charts(by_settings: Mapping[int, int]) -> list[ChartFigure]:
    pairs = setting_pairs(by_settings)
    if not pairs:
        return []
    data = [
        {"category": f"{SETTINGS[one]} and {SETTINGS[other].lower()}", "value": shown_share(both, min(a, b))}
        for one, other, a, b, both in pairs
    ]
    known = [row for row in data if isinstance(row["value"], float)]
    known.sort(key=lambda row: float(row["value"] or 0.0))
    told = [f"{row['category']} ({percent(row['value'], 0)})" for row in known]
    return [
        ChartFigure(
            id="linkage_by_pair_chart",
            kind="bars",
            title="People known to both settings, of those who could be",
            description=f"Most for {told[-1]}, least for {told[0]}."
            if told
            else "No pair of settings is large enough.",
            data=data,
            options={"value_title": "share of people who could be", "format": "share"},
        )
    ]
