"""`registry opt-out`: the exchange with the national data opt-out's check, from a terminal.

What belongs here: the commands' arguments and what they say, in counts. What does not: the files and their rules
(`govern.opt_out`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _say, _show, _table
from registry_pipeline.config import load_configuration

app: typer.Typer = typer.Typer(
    help="The check against the national data opt-out: NHS numbers out, the list of those who may be disclosed back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Who = Annotated[str | None, typer.Option("--who", help="Who does it; without it this account.")]


@app.command()
def request(who: Who = None, config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Write the NHS numbers of everybody in the last published registry into the MESH client's outbox."""
    from registry_pipeline.govern import opt_out

    configuration = load_configuration(config)
    asked = opt_out.ask(configuration, who=who)
    settings = configuration.deployment.national_opt_out
    folder = configuration.directory / settings.outbox if settings is not None else ""
    _say(f"{asked.name}.dat with {asked.asked:,} NHS numbers lies in {folder}. When its reply is in the inbox:")
    _say("registry opt-out refresh")


@app.command()
def refresh(
    file: Annotated[Path | None, typer.Argument(help="The reply; without it the newest in the inbox.")] = None,
    accept_empty: Annotated[
        bool, typer.Option("--accept-empty", help="Take an empty reply at its word, although many were asked about.")
    ] = False,
    accept_unchanged: Annotated[
        bool,
        typer.Option("--accept-unchanged", help="Take a reply of everybody at its word, although many were asked."),
    ] = False,
    who: Who = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Read a reply, check it, and use it from now on in place of older ones."""
    from registry_pipeline.govern import opt_out

    configuration = load_configuration(config)
    taken = opt_out.take_reply(
        configuration, file, accept_empty=accept_empty, accept_unchanged=accept_unchanged, who=who
    )
    settings = configuration.deployment.national_opt_out
    until = f" It may be used until {taken.expires_on(settings)}." if settings is not None else ""
    _say(f"The reply to {taken.name} holds {taken.kept or 0:,} of the {taken.asked:,} NHS numbers asked about.{until}")


@app.command()
def status(config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """When the check was asked, until when its reply may be used, and how many it held."""
    from registry_pipeline.govern import opt_out
    from registry_pipeline.storage import Home

    configuration = load_configuration(config)
    settings = configuration.deployment.national_opt_out
    usable = opt_out.usable_reply(configuration)
    if usable is not None and settings is not None:
        _say(f"The reply to {usable[0].name} is in use until {usable[0].expires_on(settings)}.")
    else:
        _say(f"No reply can be used: {opt_out.why_not_usable(configuration)}.")
    table = _table("Requests", "request", "asked on", "NHS numbers", "reply read", "may be disclosed", "expires after")
    found = opt_out.requests(Home(configuration.home))
    for one in found:
        expires = str(one.expires_on(settings)) if settings is not None else ""
        kept = "" if one.kept is None else f"{one.kept:,}"
        table.add_row(one.name, f"{one.asked_on}", f"{one.asked:,}", one.answered_at or "not yet", kept, expires)
    if found:
        _show(table)
