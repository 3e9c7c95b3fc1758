"""`registry forget`: erasure and rectification, from a terminal.

What belongs here: the command's arguments, the question before anything is done, and what it says. What does not: the
work (`registry_pipeline.forget`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _progress, _say, app
from registry_pipeline.config import load_configuration
from registry_pipeline.errors import BadInput

if TYPE_CHECKING:
    from registry_pipeline.forget import Done, Seen


@app.command()
def forget(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="PATIENT_ID_OR_RECORD",
            help="Any patient_id of the person, or the key of one of the records (PROVIDER:local_id).",
        ),
    ],
    who: Annotated[str, typer.Option("--who", help="Who decided: written in the journal.")],
    why: Annotated[str, typer.Option("--why", help="For what reason; no patient's name or number, since it is kept.")],
    config: ConfigFolder = DEFAULT_CONFIG,
    rectify: Annotated[
        bool,
        typer.Option("--rectify", help="Without a tombstone: so that a corrected extract comes in afresh."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a person out of everything that is kept, from landing to every snapshot, and prove it."""
    from registry_pipeline import forget as forgetting
    from registry_pipeline.govern import journal
    from registry_pipeline.govern.free_text import refuse_personal
    from registry_pipeline.storage import Home

    configuration = load_configuration(config)
    for text, where in ((who, "--who"), (why, "--why")):
        refuse_personal(text, where)
    journal.check_ready(Home(configuration.home))
    _ask(forgetting.look(configuration, asked), yes=yes, rectify=rectify)
    with _progress() as report:
        done = forgetting.forget(configuration, asked, who=who, why=why, rectify=rectify, report=report)
    _tell(done)


def _ask(seen: Seen, *, yes: bool, rectify: bool) -> None:
    """Say what it concerns, and ask unless that was waived."""
    begun = f" (begun before, as number {seen.begun})" if seen.begun else ""
    _say(
        f"This concerns one person{begun}: {seen.records:,} record keys of {seen.providers:,} providers,"
        f" {seen.patient_ids:,} ids, in {seen.snapshots:,} snapshots."
    )
    if not rectify:
        shared = f"; {seen.shared_numbers:,} that other people's records hold too keep nobody out"
        _say(
            f"A tombstone will keep the person out, by these keys and {seen.nhs_numbers:,} NHS numbers"
            f"{shared if seen.shared_numbers else ''}. It cannot be undone."
        )
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("Nobody is here to be asked: say --yes if this is what you want.")
    if not typer.confirm("Take all of it out?"):
        raise BadInput("Nothing was changed.")


def _tell(done: Done) -> None:
    proof = done.proof
    places = ", ".join(f"{place} {rows:,}" for place, rows in done.rows.items() if rows) or "none"
    what = f"Forgotten, as number {done.number}" if done.number else "Taken out; the person may come in afresh"
    _say(f"{what}. Rows taken out: {places}; {done.deliveries:,} landed deliveries redacted.")
    if done.overrides:
        _say(f"Overrides and objections that spoke of the person: {done.overrides:,} rows no longer do.")
    if done.outputs_deleted:
        left = sorted(set(done.outputs_deleted) - set(done.outputs_made))
        _say(
            f"Outputs deleted: {', '.join(done.outputs_deleted)}; made anew: {', '.join(done.outputs_made) or 'none'}."
        )
        if left:
            _say(f"Make these anew where they are still needed: {', '.join(left)}.")
    if done.snapshots:
        _say(
            f"Snapshots written anew: {', '.join(done.snapshots)}. Signatures of their reports no longer count, and the"
            " next night links every record."
        )
    looked = ", ".join(f"{kind} {n:,}" for kind, n in proof.looked_for.items())
    if looked:
        _say(f"Searched {len(proof.files):,} files, {proof.bytes:,} bytes, for {looked}: nothing was found.")
    else:
        _say(
            "No value of the person is known any more that could be searched for: an earlier attempt took everything"
            " out. The tombstone's digests were looked for in every delivery and table; the earlier proofs lie beside"
            " this one."
        )
    if proof.shared:
        shared = ", ".join(f"{kind} {n:,}" for kind, n in proof.shared.items())
        _say(f"Not looked for, since other people's records hold it too: {shared}.")
    if proof.not_covered:
        _say(f"Not covered, since it is the providers' own: {', '.join(proof.not_covered)}.")
    _say(f"The proof: {done.proof_file}")
