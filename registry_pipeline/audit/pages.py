"""The pages of clinical audit: one for the system, one for each practice, provider and neighbourhood, and an index.

What belongs here: which pages there are, what stands on their first screen, and writing them. What does not: what a
page says of one measure (`section`), figures (`shown`), and the frame of a page (`pages.shell`).

Each page is one file that opens from disk and needs no other: its charts are drawn when it is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline import storage
from registry_pipeline.audit import LIMITATIONS, SMALL_NUMBERS, section
from registry_pipeline.audit.measures import Measure
from registry_pipeline.audit.section import Teller, Told
from registry_pipeline.audit.shown import NAMELESS, PEERS, SYSTEM, Shown, Unit, read
from registry_pipeline.consumer import Reading
from registry_pipeline.pages import shell
from registry_pipeline.pages.words import NOT_KNOWN

if TYPE_CHECKING:
    import duckdb

INDEX, FOLDER = "index.html", "pages"

MOST_LISTED = 6
"""Lines of a list on the first screen; the rest stands below, or in the index."""

NOTHING_JUDGED = "no measure has limits here: months are too few, or hidden as small numbers"

STYLES = ("process.css", "audit.css")


@dataclass(frozen=True)
class Organisation:
    """Whoever has a page: what it is called, and where its page lies."""

    unit: Unit
    name: str
    kind: str
    file: str


@dataclass(frozen=True)
class Card:
    """A figure of the first screen; `tone` is its colour, and never the only thing that tells."""

    name: str
    value: str
    tone: str
    meaning: str


def write_pages(
    connection: duckdb.DuckDBPyConnection,
    reading: Reading,
    folder: Path,
    measures: Sequence[Measure],
    *,
    not_made: Mapping[str, str] | None = None,
    steps: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Write every page, all or none.

    Args:
        connection: has the view `audit_measure`, in which nothing hidden is left.
        reading: what it was made from: the deployment's and its providers' names, the night.
        folder: the consumer's; pages lie in its folder `pages/`.
        measures: in the order of the pages.
        not_made: by measure, why it could not be counted.
        steps: sentences: where series step because a provider's records begin or end, or lack what is counted.

    Returns:
        The files, the index first.

    Raises:
        RunFailed: the disk is full.
    """
    shown = read(connection)
    organisations = _organisations(reading, shown)
    tellers = [section.teller(each, shown) for each in measures]
    missing = not_made or {}
    concerns = section.concerns_by_unit(tellers)
    pages: dict[Path, str] = {}
    entries: list[Entry] = []
    for organisation in organisations:
        told = _tell(organisation.unit, tellers, missing)
        entries.append(_entry(organisation, told))
        pages[folder / FOLDER / organisation.file] = _page(
            reading, organisation, organisations, told, shown, concerns, steps
        )  # fmt: skip
    index = {folder / FOLDER / INDEX: _index(reading, entries)}
    files = {**index, **pages}
    storage.write_texts(files)
    return tuple(files)


def _tell(unit: Unit, tellers: Sequence[Teller], missing: Mapping[str, str]) -> list[Told]:
    """Measures that such an organisation has, in order; those that nobody could count with the reason."""
    return [
        section.tell(by, unit, missing.get(by.measure.name, "")) for by in tellers if unit[0] in by.measure.dimensions
    ]


def _organisations(reading: Reading, shown: Shown) -> list[Organisation]:
    taken: set[str] = set()
    return [Organisation(unit, _name(reading, unit), unit[0], _file_name(unit, taken)) for unit in shown.organisations]


def _name(reading: Reading, unit: Unit) -> str:
    dimension, value = unit
    if unit == SYSTEM:
        return "Whole system"
    if value in NAMELESS:
        return f"No {dimension} {'known' if value == 'not known' else 'named'}"
    known = reading.configuration.providers.get(value)
    if dimension == "provider" and known is not None and known.name:
        return f"{known.name} ({value})"
    return value if value.lower().startswith(dimension) else f"{dimension.capitalize()} {value}"


def _file_name(unit: Unit, taken: set[str]) -> str:
    """A name that every file system takes, and that no other page has, whatever the case of its letters."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", unit[1]).strip("-")[:60] or "unnamed"
    stem = "system" if unit == SYSTEM else f"{unit[0]}_{plain}"
    name, n = stem, 1
    while name.lower() in taken:
        n += 1
        name = f"{stem}-{n}"
    taken.add(name.lower())
    return f"{name}.html"


def _page(
    reading: Reading,
    organisation: Organisation,
    organisations: Sequence[Organisation],
    told: Sequence[Told],
    shown: Shown,
    concerns: Mapping[Unit, int],
    steps: Sequence[str],
) -> str:
    is_system = organisation.unit == SYSTEM
    deployment = reading.configuration.deployment.name
    return shell.render(
        "registry_pipeline.audit",
        "organisation.html",
        title=f"Clinical audit, {organisation.name}, {deployment}",
        heading=f"Clinical audit: {organisation.name}",
        subtitle=deployment,
        styles=STYLES,
        reading=reading,
        months=_months(told, shown, organisation.unit),
        is_system=is_system,
        is_judged=any(each.variation.kind != "few" or each.place for each in told),
        ways=_ways(reading, organisation, organisations),
        cards=_cards(told, is_system=is_system),
        concerns=[each for each in told if each.variation.kind == "concern" or each.place_mark == "concern"],
        improvements=[
            each for each in told if each.variation.kind == "improvement" or each.place_mark == "improvement"
        ],
        told=told,
        to_look_at=_to_look_at(organisations, concerns) if is_system else [],
        better_words=section.BETTER_WORDS,
        small_numbers=SMALL_NUMBERS,
        limitations=LIMITATIONS,
        steps=steps,
        most_listed=MOST_LISTED,
    )


def _to_look_at(organisations: Sequence[Organisation], concerns: Mapping[Unit, int]) -> list[tuple[Organisation, int]]:
    """Organisations that are of concern among their peers, those in most measures first."""
    found = [(each, concerns[each.unit]) for each in organisations if each.unit in concerns]
    return sorted(found, key=lambda each: -each[1])


def _months(told: Sequence[Told], shown: Shown, unit: Unit) -> str:
    """From the first month of any measure to the last."""
    starts = [m.start for each in told for m in shown.of(unit, each.measure.name).months]
    if not starts:
        return "none"
    return f"{section.month_name(min(starts))} to {section.month_name(max(starts))}"


def _ways(reading: Reading, organisation: Organisation, organisations: Sequence[Organisation]) -> list[tuple[str, str]]:
    """Links to the pages around it: the index, the system, a practice's neighbourhood, a neighbourhood's practices."""
    files = {each.unit: (each.name, each.file) for each in organisations}
    near: list[Unit] = [] if organisation.unit == SYSTEM else [SYSTEM]
    for name, practices in reading.configuration.deployment.neighbourhoods.items():
        if organisation.kind == "practice" and organisation.unit[1] in practices:
            near.append(("neighbourhood", name))
        if organisation.unit == ("neighbourhood", name):
            near += [("practice", practice) for practice in practices]
    return [("All pages", INDEX), *(files[unit] for unit in near if unit in files)]


def _cards(told: Sequence[Told], *, is_system: bool) -> list[Card]:
    judged = [each for each in told if each.variation.kind in {"concern", "improvement", "change", "common"}]
    of = f"of {_measures(judged)} with limits, in the newest month" if judged else NOTHING_JUDGED
    cards = [
        Card(name, str(_having(told, name.lower())) if judged else NOT_KNOWN, name.lower(), of)
        for name in ("Concern", "Improvement")
    ]
    if _having(told, "change"):
        cards.append(Card("Change", str(_having(told, "change")), "change", f"{of}; neither direction is better"))
    if not is_system:
        placed = [each for each in told if each.place]
        far = sum(each.place_mark != "common" for each in placed)
        cards.append(
            Card("Unlike its peers", str(far), "far", f"of {_measures(placed)}: beyond the 99.8% limits of the year")
        )
    movable = [each for each in told if each.linkage]
    wider = sum(each.is_linkage_wider for each in movable)
    meaning = f"of {_measures(movable)} that linkage can move: less sure by linkage than by chance"
    return [*cards, Card("Unsure by linkage", str(wider), "linkage", meaning)]


def _measures(told: Sequence[Told]) -> str:
    return f"{len(told)} {'measure' if len(told) == 1 else 'measures'}"


def _having(told: Sequence[Told], kind: str) -> int:
    return sum(each.variation.kind == kind for each in told)


@dataclass(frozen=True)
class Entry:
    """A row of the index: in how many measures.

    Attributes:
        organisation: whose page.
        concerns, improvements: the newest month is a signal of it; None where no measure has limits.
        worse, better: the year lies beyond the 99.8% limits among its peers; None where no measure is compared.
        shown: there are figures that are not hidden.
    """

    organisation: Organisation
    concerns: int | None
    improvements: int | None
    worse: int | None
    better: int | None
    shown: int


def _entry(organisation: Organisation, told: Sequence[Told]) -> Entry:
    has_limits = any(each.variation.kind != "few" for each in told)
    is_compared = any(each.place for each in told)
    return Entry(
        organisation,
        _having(told, "concern") if has_limits else None,
        _having(told, "improvement") if has_limits else None,
        sum(each.place_mark == "concern" for each in told) if is_compared else None,
        sum(each.place_mark == "improvement" for each in told) if is_compared else None,
        sum(each.is_shown for each in told),
    )


def _index(reading: Reading, entries: Sequence[Entry]) -> str:
    kinds = [(kind, section.NAMES_OF[kind][1].capitalize()) for kind in ("neighbourhood", "practice", "provider")]
    deployment = reading.configuration.deployment.name
    return shell.render(
        "registry_pipeline.audit",
        "index.html",
        title=f"Clinical audit, {deployment}",
        heading="Clinical audit",
        subtitle=deployment,
        styles=STYLES,
        reading=reading,
        small_numbers=SMALL_NUMBERS,
        system=entries[0],
        kinds=[
            (kind, title, [entry for entry in entries if entry.organisation.kind == kind])
            for kind, title in kinds
            if kind in PEERS
        ],
    )
