"""`registry consumers`: make what is made of a published snapshot, now instead of tonight.

What belongs here: the command's arguments and what it says. What does not: making anything (`consume` does).
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _progress, _say, _show, _table, app
from registry_pipeline.config import load_configuration, refuse_unknown_consumers
from registry_pipeline.consume import ConsumerOutcome
from registry_pipeline.errors import RunFailed

LONGEST_WARNING = 400
"""Letters of a warning on the terminal: a registry without most feeds has much to say."""


@app.command()
def consumers(
    only: Annotated[
        list[str] | None, typer.Option("--only", help="One of them, such as care_gap; may be given several times.")
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", help="The id of a snapshot; without it the last one published.")
    ] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Make risk scores, care gaps, care teams, case conference lists and audit measures of a published snapshot."""
    from registry_pipeline import release
    from registry_pipeline.night import make_consumers

    configuration = load_configuration(config)
    asked = refuse_unknown_consumers(configuration, only)
    found = release.find(configuration, snapshot)
    with _progress(len(asked)) as told:
        outcomes = make_consumers(configuration, found.night, found.snapshot_id, only=asked, report=told)
    print_consumers(outcomes)
    if any(outcome.problem or (only and outcome.withheld) for outcome in outcomes):
        raise RunFailed("Not everything was made, for the reason above; what was made of earlier snapshots stands.")


def print_consumers(outcomes: Sequence[ConsumerOutcome]) -> None:
    """What was made, and what failed."""
    if not outcomes:
        return
    table = _table("Made of the registry", "table", "purposes", "rows", "pages", "seconds", "state")
    for outcome in outcomes:
        waits = f"waits for {outcome.waits_for} signature(s)" if outcome.waits_for else "made"
        state = "failed" if outcome.problem else "not allowed" if outcome.withheld else waits
        rows = f"{outcome.rows:,}" if outcome.made else ""
        pages = f"{len(outcome.pages):,}" if outcome.pages else ""
        table.add_row(outcome.name, outcome.purpose, rows, pages, f"{outcome.seconds:.1f}", state)
    _show(table)
    for outcome in outcomes:
        if outcome.problem or outcome.withheld:
            sys.stderr.write(f"{outcome.name}: {outcome.problem or outcome.withheld}\n")
        for check in outcome.checks:
            if not check.passed and check.severity == "warning":
                told = ". ".join(part.rstrip(".") for part in (check.observed, check.reason) if part)
                told = textwrap.shorten(told, LONGEST_WARNING, placeholder=" ... (the whole in its manifest.json)")
                sys.stderr.write(f"{outcome.name}: {check.name}: {told}.\n")
        if outcome.pages:
            _say(f"{outcome.name}: {outcome.pages[0]}")
