"""`registry objection`: objections that people make to this deployment, from a terminal.

What belongs here: the commands' arguments and what they say. What does not: what an objection does
(`govern.objections`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _say
from registry_pipeline.config import load_configuration

app: typer.Typer = typer.Typer(
    help="Objections of people to purposes other than their direct care. Nothing is ever changed or removed; an"
    " objection is withdrawn by a line of its own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Who = Annotated[str, typer.Option("--who", help="Who writes it down: shown wherever the objection is.")]
Why = Annotated[str, typer.Option("--why", help="For what reason; no patient's name or number, since it is shown.")]


@app.command()
def add(
    person: Annotated[
        str, typer.Argument(metavar="RECORD_OR_PATIENT", help="A record key (PROVIDER:local_id) or a patient_id.")
    ],
    purposes: Annotated[
        str, typer.Option("--purposes", help="What is objected to, with commas: risk_stratification,audit,...")
    ],
    who: Who,
    why: Why,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Keep a person out of the outputs for some purposes, from the next one on."""
    from registry_pipeline.govern import objections

    configuration = load_configuration(config)
    asked = [each.strip() for each in purposes.split(",") if each.strip()]
    made = objections.object_to(configuration, _living(configuration.home, person), asked, who=who, why=why)
    _say(
        f"Objection {made.number} to {', '.join(made.purposes)} is written down, for {len(made.records):,} records: the"
        " person they belong to is in no output for that from the next one on."
    )


@app.command()
def withdraw(
    number: Annotated[int, typer.Argument(help="The objection's number.")],
    who: Who,
    why: Why,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Withdraw an objection."""
    from registry_pipeline.govern import objections

    objections.withdraw(load_configuration(config), number, who=who, why=why)
    _say(f"Objection {number} is withdrawn.")


@app.command(name="list")
def list_objections(
    config: ConfigFolder = DEFAULT_CONFIG,
    every: Annotated[bool, typer.Option("--all", help="Also those that were withdrawn.")] = False,
) -> None:
    """Which objections are in force, to what, who wrote them down, when and why."""
    from registry_pipeline.govern import objections
    from registry_pipeline.storage import Home

    home = Home(load_configuration(config).home)
    lines = objections.register(home)
    in_force = {line.number for line in objections.in_force(home)}
    withdrawn = {line.withdraws: line for line in lines if line.kind == "withdrawal"}
    shown = [line for line in lines if line.kind == "objection" and (every or line.number in in_force)]
    if not shown:
        _say("No objection is in force." if lines else "Nobody ever objected.")
    for line in shown:
        gone = withdrawn.get(line.number)
        state = f"withdrawn by {gone.who}, {gone.at}: {gone.why}" if gone else "in force"
        _say(f"{line.number}  {', '.join(line.purposes)}  {' '.join(line.records)}  {state}")
        _say(f"   by {line.who}, {line.at}: {line.why}")


def _living(root: Path, person: str) -> str:
    """A patient_id as it goes by today: joins are followed."""
    from registry_pipeline.govern import opt_out
    from registry_pipeline.link import identity
    from registry_pipeline.storage import Home

    if ":" in person:
        return person
    return identity.resolution(opt_out.last_published(Home(root)), person).patient_id
