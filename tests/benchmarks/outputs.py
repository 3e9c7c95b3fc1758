"""Pseudonymised outputs of a large night: how long one takes to make and copy out, and in how much memory.

What belongs here: published nights of a million people, with a usual night's events and with 24 months of them, and
`registry export` of every table measured as a process of its own; also where one provider is not covered, so that
survivorship runs again. What does not: what an output holds.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.benchmarks.measuring import NIGHT, REGISTRY, Figure, measure, night, synthesise

PURPOSE, NOT_COVERED = "risk_stratification", "RX2"
SECONDS_ASKED, GIGABYTES_ASKED = 60, 6


def outputs(work: Path, people: int, repeat: int) -> list[Figure]:
    """`registry export` of a published night, made anew at each turn; nights are made once for all turns."""
    figures = []
    # The night to report on is one with a usual night's events.
    for months, name in ((0, f"report_{people}"), (24, f"outputs_{people}_24")):
        folder, home = work / name, work / f"{name}_home"
        if not (home / "registry" / "current").exists():
            figures += [synthesise(folder, people, history_months=months), night(f"a night of {name}", folder, home)]
        of = f"{months} months of events" if months else "a usual night's events"
        figures += [_export(f"export all tables, {of}, turn {turn}", folder, home) for turn in range(1, repeat + 1)]
        figures.append(_export(f"export without {NOT_COVERED}, {of}", _without(folder, work / f"{name}_less"), home))
    return figures


def _export(name: str, folder: Path, home: Path) -> Figure:
    to = home.with_name(f"{home.name}_exported")
    for old in (to, home / "outputs" / PURPOSE):
        shutil.rmtree(old, ignore_errors=True)
    command = [REGISTRY, "export", "--purpose", PURPOSE, "--to", str(to), "--snapshot", f"{NIGHT}.1"]
    made = measure(name, [*command, "--config", str(folder)], REGISTRY_HOME=str(home))
    rows = json.loads((to / "manifest.json").read_text())["rows"]
    made.told = {"rows": rows, "megabytes": sum(file.stat().st_size for file in to.iterdir()) / 1e6}
    print(
        f"    {sum(rows.values()):,} rows, {made.told['megabytes']:.0f} MB"
        f" (asked: under {SECONDS_ASKED} s and {GIGABYTES_ASKED} GB)",
        flush=True,
    )
    return made


def _without(folder: Path, less: Path) -> Path:
    """The same deployment, in which one provider's agreement does not cover the purpose."""
    shutil.rmtree(less, ignore_errors=True)
    less.mkdir()
    for part in ("registry.yaml", "postcodes.csv"):
        shutil.copy(folder / part, less / part)
    for part in ("providers", "keys"):
        shutil.copytree(folder / part, less / part)
    file = less / "providers" / f"{NOT_COVERED}.yaml"
    file.write_text(re.sub(rf", {PURPOSE}\b", "", file.read_text()))
    return less


BENCHMARKS = {"outputs": outputs}
