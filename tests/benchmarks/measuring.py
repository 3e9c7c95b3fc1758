"""Running one process of a benchmark and measuring it.

What belongs here: wall time, peak memory and what a process tells of itself, and the processes that several benchmarks
share. What does not: what is measured, and what the figures are compared with.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REGISTRY = str(Path(sys.executable).with_name("registry"))
NIGHT = "2026-04-01"


@dataclass
class Figure:
    """One measured process: seconds of wall time, peak memory of its largest process in GB, and what else it told."""

    name: str
    seconds: float
    peak_gb: float
    told: dict[str, Any] = field(default_factory=dict)


def measure(name: str, command: list[str], **environment: str) -> Figure:
    """Run a command to its end; peak memory is that of it and of every child it waited for, the largest one."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        child = os.posix_spawn(
            command[0],
            command,
            {**os.environ, **environment},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )
        _, status, used = os.wait4(child, 0)
        output.seek(0)
        printed = output.read()
    if status != 0:
        sys.exit(f"{name} failed:\n{printed[-2000:]}")
    told = next((line for line in reversed(printed.splitlines()) if line.startswith("{")), "{}")
    figure = Figure(name, time.perf_counter() - began, used.ru_maxrss / 1e6, json.loads(told))
    print(f"  {name}: {figure.seconds:.1f} s, {figure.peak_gb:.2f} GB", flush=True)
    return figure


def synthesise(folder: Path, people: int, history_months: int, seed: int = 1) -> Figure:
    """A made-up care system of one night."""
    shutil.rmtree(folder, ignore_errors=True)
    size = ["--people", str(people), "--history-months", str(history_months), "--seed", str(seed)]
    return measure(
        f"synthesise {people:,} people, {history_months} months of events", [REGISTRY, "synthesise", str(folder), *size]
    )


def night(name: str, folder: Path, home: Path, *, fresh: bool = True) -> Figure:
    """One whole night, extract to publish."""
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    told = home.with_suffix(".json")
    figure = measure(
        name,
        [REGISTRY, "run", "--config", str(folder), "--night", NIGHT, "--json", str(told)],
        REGISTRY_HOME=str(home),
    )
    figure.told = json.loads(told.read_text())
    return figure


def module(name: str, *arguments: object) -> list[str]:
    """The command of one of the benchmarks' own modules."""
    return [sys.executable, "-m", f"tests.benchmarks.{name}", *(str(a) for a in arguments)]
