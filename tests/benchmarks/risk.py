"""Fitting the risk model on a large registry: time, memory, and how good the model comes out.

What belongs here: `registry risk fit` on a published night of a million people with 24 months of events, measured as a
process of its own. What does not: scoring a night (`consumers`).
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.consumers import GIGABYTES_ASKED, registry_of_two_years
from tests.benchmarks.measuring import REGISTRY, Figure, measure

SECONDS_ASKED = 300


def fit(work: Path, people: int, _repeat: int) -> list[Figure]:
    """One fit; each would write a version of its own."""
    folder, home, figures = registry_of_two_years(work, people)
    command = [REGISTRY, "risk", "fit", "--config", str(folder)]
    made = measure("fit of the risk model", command, REGISTRY_HOME=str(home))
    newest = max((home / "risk_models").glob("v*.json"))
    evaluation = json.loads(newest.read_text())["evaluation"]
    made.told = {name: evaluation[name] for name in ("auc", "calibration_slope", "top")}
    print(
        f"  asked: under {SECONDS_ASKED} s and {GIGABYTES_ASKED} GB; area under the curve"
        f" {evaluation['auc']['value']:.3f}, calibration slope {evaluation['calibration_slope']['value']:.2f}",
        flush=True,
    )
    return [*figures, made]


BENCHMARKS = {"risk_fit": fit}
