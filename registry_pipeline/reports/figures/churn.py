"""What happened to ids, and what waits for a person: the sections `churn` and `review`.

What belongs here: ids created, joined, split, retired and living again, by cause and against nights before; overrides,
the review backlog and how far reviewers agree. What does not: deciding any of it (`link`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from registry_pipeline.govern.disclosure import shown_breakdown, shown_count
from registry_pipeline.pages.content import Cell, ChartFigure, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures.accuracy import part
from registry_pipeline.reports.figures.material import DRIFT_NIGHTS, Material
from registry_pipeline.reports.figures.words import counted, listed, percent, plural, spaced

EVENTS: Mapping[str, str] = {
    "created": "created",
    "joined": "joined into another",
    "split": "split off",
    "retired": "retired",
    "resurrected": "living again",
    "overridden": "decided by a person",
}
"""What can happen to an id, in words."""

CAUSES: Mapping[str, str] = {
    "new_person": "a person not met before",
    "parted_from_other": "records that were another person's",
    "back_fill": "known from a later night",
    "records_linked": "records of two people were linked",
    "records_returned_to_other": "records came back, to another person",
    "records_stayed": "records stayed where they were",
    "records_parted": "records were parted",
    "records_moved": "records moved to another person",
    "records_returned_apart": "records came back, apart",
    "records_returned": "records came back",
    "no_records_left": "no provider has a record any more",
}
"""Causes of identity events, in words; others stand as they are."""

LONG_WAIT = "30 nights or more"
WAITED = ("new tonight", "1 to 6 nights", "7 to 29 nights", LONG_WAIT)
"""How long an entry has waited, as `report_backlog.sql` says it."""

KAPPA_GOOD = 0.8
"""Cohen's kappa from which two reviewers agree almost wholly (Landis and Koch 1977); below, their verdicts say less."""


def churn_by_night(material: Material) -> dict[date, dict[tuple[str, str], int]]:
    """Ids by night, what happened and cause, over the last 30 nights."""
    first = material.night - timedelta(days=DRIFT_NIGHTS)
    found: dict[date, dict[tuple[str, str], int]] = defaultdict(dict)
    for night, event, cause, ids in material.rows("report_churn", {"night": material.night, "first_night": first}):
        found[night][event, cause] = ids
    return found


def of_kind(night: Mapping[tuple[str, str], int], event: str) -> int:
    """Ids that an event happened to on a night."""
    return sum(ids for (kind, _), ids in night.items() if kind == event)


def sections(material: Material) -> list[Section]:
    """Identity churn, and what waits for people."""
    return [_churn(material), _review(material)]


def _churn(material: Material) -> Section:
    by_night = churn_by_night(material)
    tonight = by_night.get(material.night, {})
    earlier = [date.fromisoformat(m["night"]) for m in material.kept_manifests if m["night"] != material.first_night]
    rows: list[Sequence[Cell]] = []
    for event, words in EVENTS.items():
        causes = [(cause, ids) for (kind, cause), ids in tonight.items() if kind == event]
        for cause, ids in shown_breakdown(dict(causes or [("", 0)])).items():
            before = [by_night.get(night, {}).get((event, cause), 0) for night in earlier]
            usual = shown_count(round(sum(before) / len(before))) if before else None
            rows.append([words, CAUSES.get(cause, spaced(cause)), ids, usual])
    told = [
        f"{counted(shown_count(of_kind(tonight, e)))} {words}" for e, words in EVENTS.items() if of_kind(tonight, e)
    ]
    data = [
        {"x": night.isoformat(), "value": shown_count(of_kind(by_night.get(night, {}), event)), "group": EVENTS[event]}
        for night in [*earlier, material.night]
        for event in ("created", "joined", "split", "retired", "resurrected")
        if earlier
    ]
    charts = [
        ChartFigure(
            id="churn_chart",
            kind="lines",
            title="What happened to ids, night by night",
            description=f"Tonight: {listed(told) if told else 'nothing'}.",
            data=data,
            options={"x_title": "night", "value_title": "ids", "format": "count"},
        )
    ] if data else []  # fmt: skip
    return Section(
        id="churn",
        title="What happened to patient ids",
        lead="An id lasts: whoever has worked with it must find the same person tomorrow. Joined: two ids were found"
        " to be one person, and the old one leads to the other for ever. Split: records left a person for an id of"
        " their own. Retired: no provider has a record any more. Tonight:"
        f" {listed(told) if told else 'nothing happened to any id'}. Bad would be: many splits or joins on a night"
        " without a new model or a new provider.",
        tables=[
            TableFigure(
                id="identity_events",
                title="Ids by what happened and why",
                columns=[
                    Column("What"), Column("Why"), Column("Ids tonight", "people"),
                    Column("Usual", "people", "mean of nights before"),
                ],
                rows=rows,
                note=f"Compared with {plural(len(earlier), 'night', 'nights')} before; the registry's first, which"
                " creates everybody, is left out.",
            )
        ],
        charts=charts,
        answers=[16],
    )  # fmt: skip


# Review --------------------------------------------------------------------------------------------------------------


def _review(material: Material) -> Section:
    backlog = _backlog(material)
    waiting = sum(sum(by_wait.values()) for by_wait in backlog.values())
    material.headline["waiting"] = waiting
    overrides = part(material.governance, "overrides")
    old = sum(by_wait.get(LONG_WAIT, 0) for by_wait in backlog.values())
    tables = [_backlog_table(material, backlog), *_override_table(overrides), *_agreement_table(material)]
    return Section(
        id="review",
        title="What waits for a person, and what people decided",
        lead="What could not be decided safely is not joined and waits for a reviewer: each entry may be a missed"
        f" link, or records of two people under one number. {plural(waiting, 'entry waits', 'entries wait')}, of which"
        f" {counted(old)} for 30 nights or more. People's decisions (overrides) stand above every score. Bad would be:"
        " a backlog that only grows, or reviewers who disagree.",
        tables=tables,
        notes=_review_notes(material, overrides),
        answers=[11],
    )


def _backlog(material: Material) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for reason, waited, entries in material.rows("report_backlog", {"night": material.night}):
        found[reason][waited] = entries
    return found


def _backlog_table(material: Material, backlog: Mapping[str, Mapping[str, int]]) -> TableFigure:
    meanings = {e["reason"]: e.get("meaning") for e in material.linkage.get("attention") or ()}
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    for reason, by_wait in sorted(backlog.items(), key=lambda item: -sum(item[1].values())):
        if by_wait.get(LONG_WAIT):
            flags[len(rows)] = "amber"
        rows.append([spaced(reason), meanings.get(reason), *(by_wait.get(w, 0) for w in WAITED), sum(by_wait.values())])
    return TableFigure(
        id="backlog",
        title="Waiting for a decision, by reason and by how long",
        columns=[
            Column("Reason"),
            Column("Meaning"),
            *(Column(w, "count") for w in WAITED),
            Column("All", "count", "entries"),
        ],
        rows=rows,
        note="Entries are pairs or groups of records, not people.",
        flags=flags,
    )


def _override_table(overrides: Mapping[str, Any]) -> list[TableFigure]:
    in_force = part(overrides, "in_force")
    rows: list[Sequence[Cell]] = [[spaced(kind), n] for kind, n in in_force.items()]
    if overrides.get("made_last_30_nights") is not None:
        rows.append(["made in the last 30 nights", overrides["made_last_30_nights"]])
    columns = [Column("Kind"), Column("Overrides", "count")]
    return [TableFigure("overrides", "Overrides in force", columns, rows)] if rows else []


def _agreement_table(material: Material) -> list[TableFigure]:
    agreement = part(part(material.linkage, "review"), "agreement")
    rows: list[Sequence[Cell]] = [
        [f"Reviewers {who}", a.get("pairs"), a.get("cohens_kappa")] for who, a in agreement.items()
    ]
    flags: dict[int, Colour] = {
        n: "amber" for n, row in enumerate(rows) if isinstance(row[2], float) and row[2] < KAPPA_GOOD
    }
    columns = [Column("Who"), Column("Pairs", "count", "both judged"), Column("Kappa", "number", "1: agree always")]
    note = f"Cohen's kappa: agreement beyond chance; from {KAPPA_GOOD} on it is almost whole (Landis and Koch 1977)."
    return [TableFigure("kappa", "How far reviewers agree", columns, rows, note, flags)] if rows else []


def _review_notes(material: Material, overrides: Mapping[str, Any]) -> list[str]:
    notes = []
    if not overrides:
        notes.append("Overrides were not handed over for this report.")
    review = part(material.linkage, "review")
    if review:
        sample = review.get("sample_pairs")
        notes.append(
            f"The last review, of {review.get('night')}, had {plural(sample, 'pair', 'pairs')} judged by"
            f" {plural(review.get('reviewers'), 'reviewer', 'reviewers')}."
        )
        for key, words in (
            ("precision", "joined pairs that are one person"),
            ("recall", "kept pairs of one person that were joined"),
        ):
            if review.get(key):
                notes.append(f"By their verdicts, {words}: {percent(review[key]['value'], 2)}.")
        notes += map(str, review.get("reasons") or ())
    else:
        notes.append(
            str(material.linkage.get("why_no_review") or "No review by people was handed over for this report.")
        )
    done = len(material.governance.get("reviews") or ())
    if "reviews" in material.governance:
        notes.append(f"The journal has {plural(done, 'review entry', 'review entries')}.")
    return notes
