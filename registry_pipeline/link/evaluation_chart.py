"""The figures of an evaluation as files: CSV for a spreadsheet, Markdown for a model card, one HTML page for the eye.

What belongs here: writing what `evaluate` counted. What does not: counting. The page is drawn by Vega-Lite, which
Splink carries with itself for its own charts, and holds all that it needs: it opens without a network. Groups are shown
under the rule of small numbers (`govern.disclosure`), since these files are passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.govern import disclosure
from registry_pipeline.storage import write_texts

if TYPE_CHECKING:
    from registry_pipeline.link.evaluate import Evaluation, Group
    from registry_pipeline.link.intervals import Gap, Measured

MEASURES = (
    "precision", "recall", "f1", "bcubed_precision", "bcubed_recall", "bcubed_f1", "mixed_clusters_per_100000",
    "split_people_per_100000", "blocking_recall",
)  # fmt: skip
"""Measures in the order of the files."""


LEAST_RECALL_SHOWN = 0.9
"""Share of the highest recall from which on the page shows the curve, where thresholds lie; the CSV has all of it."""


OUTWARD_ACTIONS = ("source", "compiled", "editor")
"""Entries of Vega's menu that lead out of the page."""


def write_figures(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the curve, the reliability table and the groups as CSV, all tables as Markdown, and both curves as HTML.

    Args:
        evaluation: what to write.
        folder: made if it is not there; files of the same names are replaced.

    Returns:
        The files.

    Raises:
        RunFailed: the disk is full.
    """
    made = [
        write_csv(
            folder / "precision_recall_curve.csv",
            ("match_weight", "precision", "recall", "true_pairs", "false_pairs"),
            ((p.weight, p.precision, p.recall, p.true_pairs, p.false_pairs) for p in evaluation.curve),
        ),
        write_csv(
            folder / "reliability.csv",
            ("from", "to", "pairs", "reported", "true", "true_low", "true_high"),
            (
                (b.low, b.high, b.pairs, b.reported, b.true_share.value, b.true_share.low, b.true_share.high)
                for b in evaluation.reliability
            ),
        ),
        write_csv(folder / "by_group.csv", *_group_rows(evaluation)),
    ]
    tables, page = folder / "evaluation.md", folder / "evaluation.html"
    write_texts({tables: as_markdown(evaluation), page: _page(evaluation)})
    return [*made, tables, page]


def as_markdown(evaluation: Evaluation) -> str:
    """Every table of the evaluation in Markdown, as a model card takes it."""
    measured = {name: m for name, m in evaluation.measures.items() if m is not None}
    parts = [
        (
            f"Night {evaluation.night}, model {evaluation.model_version}, against {evaluation.against}. Intervals are"
            " 95%; the unit is the person with everybody who shares a cluster with them."
        ),
        _table(("measure", "value", "interval"), [(n.replace("_", " "), *_told(n, m)) for n, m in measured.items()]),
        *(f"Largest gap in recall by {by.replace('_', ' ')}: {_gap(gap)}." for by, gap in evaluation.gaps.items()),
    ]
    columns = ("group", "records", "true pairs", "recall", "interval", "precision", "interval", "blocking recall",
               "mixed per 100,000", "split per 100,000")  # fmt: skip
    for by in dict.fromkeys(group.by for group in evaluation.groups):
        rows = [_group_row(group) for group in evaluation.groups if group.by == by]
        parts.append(f"By {by.replace('_', ' ')}:\n\n{_table(columns, rows)}")
    bins = [
        (f"{b.low:g} to {b.high:g}", f"{b.pairs:,}", f"{b.reported:.4f}", *_told("", b.true_share))
        for b in evaluation.reliability
    ]
    table = _table(("reported probability", "pairs", "mean reported", "share true", "interval"), bins)
    parts.append(f"Reliability of the reported probability of kept pairs:\n\n{table}")
    for title, counts in (
        ("Where true pairs were lost", evaluation.missed),
        ("What made false pairs", evaluation.false),
    ):
        parts.append(f"{title}:\n\n{_table(('how', 'pairs'), [(how, f'{n:,}') for how, n in counts.items()])}")
    return "\n\n".join(parts) + "\n"


def _group_row(group: Group) -> tuple[str, ...]:
    measures = group.measures
    per_100000 = [_told(name, measures.get(name))[0] for name in MEASURES if name.endswith("per_100000")]
    told = (
        *_told("recall", measures["recall"]),
        *_told("precision", measures["precision"]),
        _told("blocking_recall", measures["blocking_recall"])[0],
        *per_100000,
    )
    shown = tuple(disclosure.HIDDEN for _ in told) if _is_small(group) else told
    return (group.name, _people(group.records) if group.records else "", _people(group.true_pairs), *shown)


def _is_small(group: Group) -> bool:
    """Whether a group's figures would tell of too few people."""
    return disclosure.HIDDEN in {disclosure.shown_count(round(n)) for n in (group.records, group.true_pairs)}


def _people(count: float) -> str:
    """A count of a group's people, records or pairs as it may leave."""
    shown = disclosure.shown_count(round(count))
    return shown if isinstance(shown, str) else f"{shown:,}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _told(name: str, measured: Measured | None) -> tuple[str, str]:
    if measured is None:
        return "", ""
    if name.endswith("per_100000"):
        return f"{measured.value:,.1f}", f"{measured.low:,.1f} to {measured.high:,.1f}"
    return f"{measured.value:.3%}", f"{measured.low:.3%} to {measured.high:.3%}"


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return "not known"
    points = [f"{100 * x:.2f}" for x in (gap.difference.value, gap.difference.low, gap.difference.high, gap.by_chance)]
    left_out = f"; too small to compare: {', '.join(gap.left_out)}" if gap.left_out else ""
    return (
        f"{points[0]} percentage points ({gap.worst} to {gap.best}; interval {points[1]} to {points[2]}; up to"
        f" {points[3]} comes about by chance where all groups are linked equally well{left_out})"
    )


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV file, whole or not at all; no text in it is a formula to a spreadsheet."""
    disclosure.write_rows(path, columns, rows)
    return path


def _group_rows(evaluation: Evaluation) -> tuple[list[str], list[list[Any]]]:
    counts = ("records", "people", "people_met_again", "clusters", "true_pairs", "joined_pairs", "true_joined_pairs")
    columns = ["by", "group", *counts, *(f"{m}{end}" for m in MEASURES for end in ("", "_low", "_high"))]
    rows = []
    for group in evaluation.groups:
        found = [group.measures.get(name) for name in MEASURES]
        values = [v for m in found for v in ((m.value, m.low, m.high) if m else (None, None, None))]
        shown = (disclosure.shown_count(round(getattr(group, name) or 0)) for name in counts)
        hidden = [disclosure.HIDDEN for _ in values]
        rows.append([group.by, group.name, *shown, *(hidden if _is_small(group) else values)])
    return columns, rows


def _page(evaluation: Evaluation) -> str:
    # Splink's own offline export: the only way here to draw without a network. A test holds it to that.
    from splink.internals.html_utils import chart_html

    page: str = chart_html(_specification(evaluation), inline=True, fullhtml=True)  # type: ignore[no-untyped-call]  # Splink's
    return page.replace("<title>Splink chart</title>", f"<title>Linkage of {evaluation.night}</title>")


def _specification(evaluation: Evaluation) -> dict[str, Any]:
    """Vega-Lite: precision over recall with the thresholds marked, and what is true over what was reported."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": f"Linkage of {evaluation.night}, model {evaluation.model_version}, against {evaluation.against}",
        # No link out of the page: it may be read where there is no network, and should not lead to one.
        "usermeta": {"embedOptions": {"actions": {"export": True, **dict.fromkeys(OUTWARD_ACTIONS, False)}}},
        "hconcat": [_curve_chart(evaluation), _reliability_chart(evaluation)],
    }


def _curve_chart(evaluation: Evaluation) -> dict[str, Any]:
    most = max((p.recall for p in evaluation.curve), default=0.0)
    points = [vars(p) for p in evaluation.curve if p.recall >= LEAST_RECALL_SHOWN * most]
    marks = [
        {**vars(point), "threshold": f"{name}: weight {point.weight:g}"}
        for name, point in evaluation.thresholds.items()
    ]
    decided = {
        "recall": evaluation.recall,
        "precision": evaluation.precision,
        "threshold": "clusters, after rules and cuts",
    }
    x = {"field": "recall", "type": "quantitative", "title": "recall", "scale": {"zero": False}}
    y = {"field": "precision", "type": "quantitative", "title": "precision", "scale": {"zero": False}}
    tooltip = [
        {"field": f, "type": "quantitative"} for f in ("weight", "precision", "recall", "true_pairs", "false_pairs")
    ]
    return {
        "title": "Precision and recall over match weights (pairs by score alone)",
        "width": 460,
        "height": 380,
        "layer": [
            {
                "data": {"values": points},
                "mark": {"type": "line", "point": True, "color": "#005eb8"},
                "encoding": {"x": x, "y": y, "order": {"field": "weight"}, "tooltip": tooltip},
            },
            {
                "data": {"values": [*marks, decided]},
                "mark": {"type": "point", "filled": True, "size": 140, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": {"field": "threshold", "type": "nominal", "title": "marked"},
                    "shape": {"field": "threshold", "type": "nominal", "title": "marked"},
                },
            },
        ],
    }


def _reliability_chart(evaluation: Evaluation) -> dict[str, Any]:
    bins = [
        {"reported": b.reported, "true": b.true_share.value, "low": b.true_share.low, "high": b.true_share.high,
         "pairs": b.pairs}
        for b in evaluation.reliability
    ]  # fmt: skip
    error = evaluation.calibration_error
    told = f" (expected calibration error {error:.4f})" if error is not None else ""
    x = {
        "field": "reported",
        "type": "quantitative",
        "title": "reported match probability",
        "scale": {"domain": [0, 1]},
    }
    y = {"field": "true", "type": "quantitative", "title": "share that is true", "scale": {"domain": [0, 1]}}
    return {
        "title": f"Reliability of the reported probability{told}",
        "width": 460,
        "height": 380,
        "layer": [
            {
                "data": {"values": [{"reported": 0, "true": 0}, {"reported": 1, "true": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 4], "color": "grey"},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": bins},
                "mark": {"type": "rule", "color": "#005eb8"},
                "encoding": {"x": x, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": bins},
                "mark": {"type": "point", "filled": True, "size": 70, "color": "#005eb8"},
                "encoding": {
                    "x": x,
                    "y": y,
                    "tooltip": [
                        {"field": f, "type": "quantitative"} for f in ("reported", "true", "low", "high", "pairs")
                    ],
                },
            },
        ],
    }
