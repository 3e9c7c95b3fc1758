"""What is made of a large registry: risk scores, care gaps, care teams, case conferences and audit, each by itself.

What belongs here: a published night of a million people with 24 months of events, and `registry consumers --only` for
each table, measured as a process of its own. What does not: what a table holds, and fitting the risk model (`risk`).
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from registry_pipeline.config import ConsumerName
from tests.benchmarks.measuring import NIGHT, REGISTRY, Figure, measure, night, synthesise

SECONDS_ASKED = {"risk_stratification": 60, "care_gap": 60, "audit_measure": 90}
GIGABYTES_ASKED = 6


def registry_of_two_years(work: Path, people: int) -> tuple[Path, Path, list[Figure]]:
    """A published night with 24 months of events, made once for all turns: its configuration and its home."""
    folder, home = work / f"consumers_{people}", work / f"consumers_{people}_home"
    if (home / "registry" / "current").exists():
        return folder, home, []
    made = [
        synthesise(folder, people, history_months=24),
        night("first load of 24 months, and all it is for", folder, home),
    ]
    return folder, home, made


def consumers(work: Path, people: int, repeat: int) -> list[Figure]:
    """Each consumer's table, made anew at each turn."""
    folder, home, figures = registry_of_two_years(work, people)
    for turn in range(1, repeat + 1):
        for name in get_args(ConsumerName):
            command = [REGISTRY, "consumers", "--only", name, "--snapshot", f"{NIGHT}.1", "--config", str(folder)]
            figures.append(measure(f"{name}, turn {turn}", command, REGISTRY_HOME=str(home)))
            if name in SECONDS_ASKED:
                print(f"    asked: under {SECONDS_ASKED[name]} s and {GIGABYTES_ASKED} GB", flush=True)
    return figures


BENCHMARKS = {"consumers": consumers}
