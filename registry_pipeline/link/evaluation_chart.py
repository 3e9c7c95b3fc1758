"""The figures of an evaluation as files: CSV for a spreadsheet, one HTML page for the eye.

What belongs here: writing what `evaluate` counted. What does not: counting. The page is drawn by Vega-Lite, which
Splink carries with itself for its own charts, and holds all that it needs: it opens without a network.
"""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.storage import raise_if_disk_full

if TYPE_CHECKING:
    from registry_pipeline.link.evaluate import Evaluation

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
    """Write the curve, the reliability table and the groups as CSV, and both curves as one HTML page.

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
    page = folder / "evaluation.html"
    write_text(page, _page(evaluation))
    return [*made, page]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV file, whole or not at all."""
    import io

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())
    return path


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        RunFailed: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except BaseException as problem:
        unfinished.unlink(missing_ok=True)
        raise_if_disk_full(problem, path)
        raise


def _group_rows(evaluation: Evaluation) -> tuple[list[str], list[list[Any]]]:
    counts = ("records", "people", "people_met_again", "clusters", "true_pairs", "joined_pairs", "true_joined_pairs")
    columns = ["by", "group", *counts, *(f"{m}{end}" for m in MEASURES for end in ("", "_low", "_high"))]
    rows = []
    for group in evaluation.groups:
        found = [group.measures.get(name) for name in MEASURES]
        values = [v for m in found for v in ((m.value, m.low, m.high) if m else (None, None, None))]
        rows.append([group.by, group.name, *(getattr(group, name) for name in counts), *values])
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
    marks = []
    for name, threshold in evaluation.thresholds.items():
        above = [p for p in points if p["weight"] >= threshold]
        if above:
            marks.append({**above[-1], "threshold": f"{name}: weight {threshold:g}"})
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
