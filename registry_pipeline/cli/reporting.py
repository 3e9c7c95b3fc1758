"""`registry report`, `registry sign-off` and `registry reject`: the linkage quality report, and what people say of it.

What belongs here: the commands' arguments and what they say. What does not: what a report holds, and what a signature
brings about (`release` does that).
"""

from __future__ import annotations

from typing import Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _progress, _say, _show, _table, app
from registry_pipeline.config import load_configuration

Who = Annotated[str, typer.Option("--who", help="Who signs: stands in the journal and in the report.")]
Role = Annotated[str, typer.Option("--role", help="In which role, such as Caldicott Guardian.")]
Comment = Annotated[
    str, typer.Option("--comment", help="What was looked at, or why; no patient's name or number, since it is shown.")
]
SnapshotId = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="The id of a snapshot, such as 2026-04-01.1.")]


@app.command()
def report(
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", help="The id of a snapshot; without it the last one published.")
    ] = None,
    replace_signed: Annotated[
        bool, typer.Option("--replace-signed", help="Also where it is signed; the signatures then no longer count.")
    ] = False,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Write the linkage quality report of a snapshot: one page that opens offline, and its figures as JSON."""
    from registry_pipeline import release
    from registry_pipeline.night import report_night

    configuration = load_configuration(config)
    found = release.find(configuration, snapshot)
    with _progress() as told:
        told("report", found.snapshot_id)
        made = report_night(configuration, found.night, found.snapshot_id, replace_signed=replace_signed)
    table = _table(f"Linkage quality of {made.snapshot_id}", "light", "state", "value")
    for name, colour, value in made.lights:
        table.add_row(name, colour, value)
    _show(table)
    _say(f"Wrote {made.page}\n      {made.figures}")


@app.command(name="sign-off")
def sign_off(
    snapshot: SnapshotId, who: Who, role: Role, comment: Comment, config: ConfigFolder = DEFAULT_CONFIG
) -> None:
    """Sign a snapshot's report; a purpose that has all its signatures sees the snapshot from now on."""
    from registry_pipeline import release

    signed = release.sign(load_configuration(config), snapshot, who=who, role=role, comment=comment)
    _say(f"{signed.snapshot_id} is signed off by {who} ({role}).")
    for purpose in signed.now_current:
        _say(f"{purpose} sees it from now on.")
    for purpose, missing in signed.waiting.items():
        _say(f"{purpose} waits for {missing} more signature(s).")


@app.command()
def reject(snapshot: SnapshotId, who: Who, role: Role, comment: Comment, config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Reject a snapshot: it becomes current for no purpose that has not seen it yet."""
    from registry_pipeline import release

    still = release.reject(load_configuration(config), snapshot, who=who, role=role, comment=comment)
    _say(f"{snapshot} is rejected by {who} ({role}); it becomes current for no purpose any more.")
    for sentence in still:
        _say(sentence)
