"""`registry resolve`: what an id goes by, or went by on a past night, from a terminal.

What belongs here: the command's arguments and what it says. What does not: the answer (`link.identity`).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _night, _say, app
from registry_pipeline.config import load_configuration


@app.command()
def resolve(
    patient_id: Annotated[str, typer.Argument(help="Any patient_id that this registry ever gave out.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="A past night, as YYYY-MM-DD; what happened later is left aside.")
    ] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """What an id goes by today, or went by on a past night."""
    from registry_pipeline import registry
    from registry_pipeline.errors import RunFailed
    from registry_pipeline.govern import forgotten
    from registry_pipeline.link import identity
    from registry_pipeline.storage import Home

    home = Home(load_configuration(config).home)
    on = _night(as_of, "--as-of") if as_of is not None else None
    if not home.current.exists():
        raise RunFailed(f"Nothing is published under {home.root} yet: run a night first (registry run).")
    snapshot = home.current.resolve()
    registry.refuse_damaged(snapshot)
    found = identity.resolution(snapshot, patient_id, on)
    _say(found.patient_id)
    gone = forgotten.load(home).of_patient_id(found.asked)
    if gone is not None:
        sys.stderr.write(f"the person was forgotten on {gone.forgotten_on} (number {gone.number}): nothing is kept\n")
        return
    said = [f"joined since {found.since}"] if found.patient_id != found.asked and not found.is_retired else []
    said += [f"retired since {found.since}: no record of the person was left"] if found.is_retired else []
    if said:
        sys.stderr.write(f"{'; '.join(said)}\n")
