"""The journal at ten thousand entries: how long it takes to verify it, and to add one.

What belongs here: a journal of a few years' nights, and `registry journal verify` measured as a process of its own. What
does not: what verifying finds.

    python -m tests.benchmarks.journal HOME
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from registry_pipeline.govern import journal as kept
from registry_pipeline.storage import Home, write_json
from tests.benchmarks.measuring import REGISTRY, Figure, measure

ENTRIES, SECONDS_ASKED, APPENDS = 10_000, 2, 200


def journal(work: Path, _people: int, repeat: int) -> list[Figure]:
    """`registry journal verify` of ten thousand entries, and the time of one more."""
    folder, home = work / "journal", Home(work / "journal_home")
    for old in (folder, home.root):
        shutil.rmtree(old, ignore_errors=True)
    (folder / "providers").mkdir(parents=True)
    (folder / "registry.yaml").write_text("name: journal\n")
    (folder / "providers" / "GP1.yaml").write_text(
        "provider: GP1\nsetting: gp\nfeeds: {patient: {source: {kind: csv, path: patients.csv}}}\n"
    )
    _make(home)
    command = [REGISTRY, "journal", "verify", "--config", str(folder)]
    figures = [
        measure(f"verify {ENTRIES:,} journal entries, turn {turn}", command, REGISTRY_HOME=str(home.root))
        for turn in range(1, repeat + 1)
    ]
    appends = measure(
        f"add {APPENDS} entries to {ENTRIES:,}", [sys.executable, "-m", "tests.benchmarks.journal", str(home.root)]
    )
    print(f"  {appends.told['milliseconds']:.1f} ms an entry; asked of verifying: under {SECONDS_ASKED} s", flush=True)
    return [*figures, appends]


def _make(home: Home) -> None:
    """A journal as the registry writes it, without waiting for the disk at each entry."""
    lines: list[bytes] = []
    for number in range(1, ENTRIES + 1):
        entry = {
            "number": number, "at": "2026-04-01T02:00:00+00:00", "kind": "take_in", "who": "registry", "why": "",
            "what": {"provider": "RX1", "night": "2026-04-01", "feeds": {"patient": "accepted", "spell": "accepted"},
                     "rows_accepted": 100 * number, "rows_quarantined": number},
            "inputs": {"patient": f"{number:064x}", "spell": f"{number:064x}"}, "outputs": {},
            "previous": kept._digest(lines[-1]) if lines else kept.NOTHING,
        }  # fmt: skip
        lines.append(json.dumps(entry).encode())
    home.journal.parent.mkdir(parents=True)
    home.journal.write_bytes(b"".join(line + b"\n" for line in lines))
    write_json(home.journal.with_name("head.json"), {"entries": ENTRIES, "head": kept._digest(lines[-1])})


def _append(home: Home) -> None:
    began = time.perf_counter()
    for _ in range(APPENDS):
        kept.record(home, "take_in", who="registry", what={"provider": "RX1"})
    print(json.dumps({"milliseconds": (time.perf_counter() - began) * 1000 / APPENDS}))


BENCHMARKS = {"journal": journal}

if __name__ == "__main__":
    _append(Home(Path(sys.argv[1])))
