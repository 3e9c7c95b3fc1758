"""The linkage quality report of a large night: how long it takes, and how large the page is.

What belongs here: a published night of a million people, and its report measured as a process of its own. What does
not: what the report holds.
"""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.measuring import NIGHT, REGISTRY, Figure, measure, night, synthesise

SECONDS_ASKED, MEGABYTES_ASKED = 30, 20


def report(work: Path, people: int, repeat: int) -> list[Figure]:
    """`registry report` of a published night, made once for all turns."""
    folder, home = work / f"report_{people}", work / f"report_{people}_home"
    figures = []
    if not (home / "registry" / "current").exists():
        figures = [synthesise(folder, people, history_months=0), night("the night to report on", folder, home)]
    command = [REGISTRY, "report", "--config", str(folder)]
    for turn in range(1, repeat + 1):
        made = measure(f"linkage quality report, turn {turn}", command, REGISTRY_HOME=str(home))
        page = home / "reports" / f"{NIGHT}.1" / "linkage_quality.html"
        made.told = {"megabytes": page.stat().st_size / 1e6}
        figures.append(made)
    size = figures[-1].told["megabytes"]
    print(f"  asked: at most {SECONDS_ASKED} s and {MEGABYTES_ASKED} MB; the page has {size:.1f} MB", flush=True)
    return figures


BENCHMARKS = {"report": report}
