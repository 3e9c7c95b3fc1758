"""Tonight's headline figures against the last 30 nights.

What belongs here: the section `drift`: which figures are watched, their past from earlier reports and kept snapshots,
and which are out of control. What does not: the limits' arithmetic (`xmr`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry_pipeline import xmr
from registry_pipeline.govern.disclosure import shown_count
from registry_pipeline.pages.content import Cell, CellKind, ChartFigure, Colour, Column, Section, TableFigure
from registry_pipeline.reports.figures.material import DRIFT_NIGHTS, Material
from registry_pipeline.reports.figures.words import counted, listed, percent, plural

NARROWEST = 0.001
"""Share of the mean that control limits lie from it at least: a figure that stood still for a month may move by
that."""


@dataclass(frozen=True)
class Watched:
    """A figure that is watched from night to night."""

    name: str
    words: str
    kind: CellKind = "count"


WATCHED: Sequence[Watched] = (
    Watched("people", "People in the registry", "people"),
    Watched("records", "Person records"),
    Watched("records_linked", "Records linked to another", "share"),
    Watched("created", "Ids created", "people"),
    Watched("joined", "Ids joined", "people"),
    Watched("split", "Ids split", "people"),
    Watched("retired", "Ids retired", "people"),
    Watched("carried_forward", "Extracts carried forward"),
    Watched("quarantined", "Rows set aside", "share"),
    Watched("waiting", "Entries waiting for a person"),
    Watched("dqmi", "DQMI", "number"),
    Watched("estimated_false", "Estimated false links", "share"),
    Watched("estimated_missed", "Estimated missed links", "share"),
    Watched("worst_gap", "Largest group gap", "share"),
)
"""The figures. Those that a snapshot's manifest holds are known exactly for as long as it is kept."""


@dataclass(frozen=True)
class Series:
    """One figure's past and tonight; `flag` says in words why tonight is out of control, or nothing."""

    watched: Watched
    nights: tuple[str, ...]
    values: tuple[float, ...]
    tonight: float | None
    limits: xmr.Limits | None
    flag: str


def of_manifest(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Headline figures that a snapshot's manifest holds."""
    rows = manifest.get("rows", {})
    inputs = manifest.get("inputs", ())
    own = [e["deliveries"][-1] for e in inputs if not e.get("carried_forward_because") and e.get("deliveries")]
    delivered = sum(d.get("rows_delivered") or 0 for d in own)
    aside = sum(d.get("rows_quarantined") or 0 for d in own)
    events = manifest.get("about", {}).get("identity_events", {})
    found = {
        "people": rows.get("patient"),
        "records": rows.get("patient_record"),
        "waiting": rows.get("needs_attention"),
        "carried_forward": sum("carried_forward_because" in e for e in inputs),
        "quarantined": aside / delivered if delivered else None,
        **{kind: events.get(kind) for kind in ("created", "joined", "split", "retired")},
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def series(material: Material) -> list[Series]:
    """Every watched figure with its past; those of which nothing is known tonight are left out."""
    exact = {m["night"]: of_manifest(m) for m in material.kept_manifests}
    past: dict[str, dict[str, float]] = {}
    for report in material.earlier_reports:
        shown = {name: float(v) for name, v in report.figures.items() if isinstance(v, int | float)}
        past[report.night] = shown
    for night, figures in exact.items():
        past[night] = {**past.get(night, {}), **figures}
    tonight = {
        **{n: v for n, v in material.headline.items() if isinstance(v, int | float)},
        **of_manifest(material.manifest),
    }
    return [
        _series(
            watched,
            {
                night: past[night]
                for night in sorted(past)
                if night != material.first_night or watched.name != "created"
            },
            tonight,
        )
        for watched in WATCHED
        if watched.name in tonight
    ]


def _series(watched: Watched, past: Mapping[str, Mapping[str, float]], tonight: Mapping[str, float]) -> Series:
    known = {night: figures[watched.name] for night, figures in past.items() if watched.name in figures}
    values = tuple(known.values())
    value = tonight[watched.name]
    limits = xmr.limits(values, narrowest=NARROWEST)
    said = xmr.flag(values, value, limits) if limits else ""
    return Series(watched, tuple(known), values, value, limits, said)


def shown(watched: Watched, value: float | None) -> Cell:
    """A figure as it may be shown."""
    if value is None:
        return None
    if watched.kind == "people":
        return shown_count(max(0, round(value)))
    return round(value) if watched.kind == "count" else value


def section(material: Material) -> Section:
    """The section on drift; the headline figures must have been counted before."""
    tonight = of_manifest(material.manifest)
    for name, value in tonight.items():
        watched = next(w for w in WATCHED if w.name == name)
        material.headline[name] = shown(watched, value)
    all_series = series(material)
    out = [s for s in all_series if s.flag]
    rows: list[Sequence[Cell]] = []
    flags: dict[int, Colour] = {}
    for each in all_series:
        if each.flag:
            flags[len(rows)] = "amber"
        rows.append(
            [
                each.watched.words,
                *(_words(each.watched, v) for v in (each.tonight, *_limits(each))),
                len(each.values),
                each.flag,
            ]
        )
    nights = max((len(s.values) for s in all_series), default=0)
    told = f"Out of the ordinary tonight: {listed([s.watched.words for s in out])}." if out else (
        "Nothing is out of the ordinary tonight." if nights >= xmr.FEWEST_NIGHTS
        else f"Limits need {xmr.FEWEST_NIGHTS} earlier nights; so far there {'is' if nights == 1 else 'are'} {nights}."
    )  # fmt: skip
    return Section(
        id="drift",
        title="Drift: tonight against the last 30 nights",
        lead=f"Each headline figure against its own past, with limits that chance alone rarely crosses. {told} It"
        " matters because faults that creep in are seen here first. Bad would be: a figure outside its limits, or"
        " seven nights on one side of its mean, without a reason that somebody knows.",
        tables=[
            TableFigure(
                id="drift_figures",
                title="Headline figures and their control limits",
                columns=[
                    Column("Figure"), Column("Tonight"), Column("Mean before"), Column("Lower limit"),
                    Column("Upper limit"),
                    Column("Nights", "count", "before"), Column("Out of control"),
                ],
                rows=rows,
                note=f"XmR: mean of up to {DRIFT_NIGHTS} nights +- {xmr.LIMITS} x the average moving range; flags as"
                " in Making Data Count (outside the limits; 7 nights on one side; 7 rising or falling; 2 of 3 near one"
                " limit).",
                flags=flags,
            )
        ],
        charts=[_chart(material, each) for each in all_series if len(each.values) > 1],
        answers=[16],
    )  # fmt: skip


def _limits(each: Series) -> tuple[float | None, float | None, float | None]:
    found = each.limits
    return (found.mean, max(0.0, found.low), found.high) if found else (None, None, None)


def _words(watched: Watched, value: float | None) -> Cell:
    told = shown(watched, value)
    if told is None:
        return None
    return percent(told, 3) if watched.kind == "share" else counted(told)


def _chart(material: Material, each: Series) -> ChartFigure:
    mean, low, high = (shown(each.watched, v) for v in _limits(each))
    limits = {"centre": mean, "low": low, "high": high} if each.limits else {}
    points = [*zip(each.nights, each.values, strict=True), (material.night.isoformat(), each.tonight)]
    data = [{"x": night, "value": shown(each.watched, value), **limits} for night, value in points]
    if each.flag:
        data[-1]["flag"] = each.flag
    said = f"Tonight {_words(each.watched, each.tonight)}"
    said += f", mean before {_words(each.watched, each.limits.mean)}" if each.limits else ""
    return ChartFigure(
        id=f"drift_{each.watched.name}",
        kind="lines",
        title=f"{each.watched.words}, over {plural(len(points), 'night', 'nights')}",
        description=f"{said}; {each.flag or 'nothing out of control'}.",
        data=data,
        options={
            "x_title": "night",
            "format": {"people": "count", "share": "share"}.get(each.watched.kind, "number"),
            "zero": False,
        },
    )
