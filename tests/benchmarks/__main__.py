"""`make bench`: the night's speed and memory, beside a plain Splink script over the same person records.

What belongs here: running whole processes, their wall time and peak memory, a table and a JSON of the figures. What
does not: assertions (machines are noisy; a figure is for people to judge).

    python -m tests.benchmarks [--people N] [--only NAME ...] [--folder DIR] [--repeat N]

Each figure is of a process of its own. A night is measured against the plain script in turn (night, script, night,
script, ...), and the ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import consumers, journal, linkage, outputs, report, risk
from tests.benchmarks.measuring import NIGHT, REGISTRY, Figure, measure, night, synthesise


def usual_night(work: Path, people: int, repeat: int) -> list[Figure]:
    """A night of full person extracts and one usual night's events, against the plain script."""
    folder, home = work / "usual", work / "usual_home"
    figures = [synthesise(folder, people, history_months=0)]
    ratios = []
    for turn in range(1, repeat + 1):
        ours = night(f"whole night, turn {turn}", folder, home)
        records = sorted(str(p) for p in (home / "staging" / NIGHT).glob("*/person_record.parquet"))
        plain = measure(
            f"plain Splink script, turn {turn}", [sys.executable, "-m", "tests.benchmarks.plain_splink", *records]
        )
        ratios.append(_to_publish(ours) / plain.seconds)
        figures += [ours, plain]
    median = statistics.median(ratios)
    print(f"  whole night to publication / plain Splink script: {median:.2f} (asked: at most 4)", flush=True)
    figures[-1].told["ratio_of_the_night"] = median
    return figures


def _to_publish(whole: Figure) -> float:
    """Seconds from extract to publish, which is what was asked: without what comes after it."""
    after: float = sum(whole.told["seconds"].get(stage, 0.0) for stage in ("consumers", "outputs", "report"))
    return whole.seconds - after


def first_load(work: Path, people: int, _repeat: int) -> list[Figure]:
    """The first night with 24 months of events."""
    folder = work / "first"
    figures = [synthesise(folder, people, history_months=24)]
    loaded = night("first load of 24 months", folder, work / "first_home")
    rows, seconds = loaded.told["rows_delivered"], loaded.told["seconds"]
    loaded.told["rows_per_second"] = {stage: round(rows / s) for stage, s in seconds.items() if stage != "publish"}
    print(f"  {rows:,} rows; rows per second by stage: {loaded.told['rows_per_second']}", flush=True)
    return [*figures, loaded]


def validation(work: Path, _people: int, repeat: int) -> list[Figure]:
    """One million person rows through the suite raw_patient, quarantine written."""
    command = [sys.executable, "-m", "tests.benchmarks.validate_million", str(work / "validation")]
    measure("make one million rows", [*command, "make"])
    return [measure("validate 1 million rows", [*command, "validate"]) for _ in range(repeat)]


def many_providers(work: Path, _people: int, _repeat: int) -> list[Figure]:
    """A night of 115 providers of 2,000 people each, against one provider with all of them."""
    command = [sys.executable, "-m", "tests.benchmarks.many_providers", str(work / "many")]
    measure("make 115 providers", [*command, "115", "2000"])
    measure("make 1 provider", [*command, "1", "230000"])
    many = night("115 providers of 2,000 people", work / "many" / "115", work / "many_home")
    one = night("1 provider of 230,000 people", work / "many" / "1", work / "one_home")
    many.told["overhead_per_provider"] = (many.seconds - one.seconds) / 114
    print(f"  overhead per provider: {many.told['overhead_per_provider']:.2f} s (asked: under 0.5)", flush=True)
    return [many, one]


def demo(work: Path, _people: int, repeat: int) -> list[Figure]:
    """`registry demo` of 20,000 people, after installation."""
    figures = []
    for turn in range(1, repeat + 1):
        home = work / "demo_home"
        shutil.rmtree(home, ignore_errors=True)
        figures.append(measure(f"demo of 20,000 people, turn {turn}", [REGISTRY, "demo"], REGISTRY_HOME=str(home)))
    return figures


BENCHMARKS: dict[str, Callable[[Path, int, int], list[Figure]]] = {
    "demo": demo,
    "validation": validation,
    "many_providers": many_providers,
    "usual_night": usual_night,
    "first_load": first_load,
    **consumers.BENCHMARKS,
    **journal.BENCHMARKS,
    **linkage.BENCHMARKS,
    **outputs.BENCHMARKS,
    **report.BENCHMARKS,
    **risk.BENCHMARKS,
}


def main() -> None:
    """Run the benchmarks asked for, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--folder", type=Path, default=Path("registry_home") / "benchmarks")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    work = given.folder.resolve()
    work.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    for name in given.only:
        print(name, flush=True)
        figures += BENCHMARKS[name](work, given.people, given.repeat)
    print(f"\n{'figure':<60}{'seconds':>9}{'peak GB':>9}")
    for figure in figures:
        print(f"{figure.name:<60}{figure.seconds:>9.1f}{figure.peak_gb:>9.2f}")
    result = work / "figures.json"
    result.write_text(json.dumps([asdict(f) for f in figures], indent=1, default=str) + "\n")
    print(f"\nAs JSON, with the seconds of each stage: {result}")


if __name__ == "__main__":
    main()
