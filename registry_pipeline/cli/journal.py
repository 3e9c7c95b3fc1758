"""`registry journal`: who did what, and whether somebody changed it, from a terminal.

What belongs here: the commands' arguments and what they say. What does not: what is written down, and how it is
verified (`govern.journal` does that).
"""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _say
from registry_pipeline.config import load_configuration
from registry_pipeline.errors import BadInput, RunFailed

app: typer.Typer = typer.Typer(
    help="Who did what, when and why: every run, publication, signature, override, review, opt-out refresh, export and"
    " forgetting, each entry chained to the one before.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def verify(
    config: ConfigFolder = DEFAULT_CONFIG,
    head: Annotated[
        str | None, typer.Option("--head", help="A head that you noted before: the journal must have stood there.")
    ] = None,
) -> None:
    """Look for any change, removal or reordering; exit code 1 if there is one."""
    from registry_pipeline.govern import journal
    from registry_pipeline.storage import Home

    found = journal.verify(Home(load_configuration(config).home), noted=head)
    if found.problem is not None:
        raise RunFailed(found.problem)
    _say(
        f"The journal is whole: {found.head.entries:,} entries, compared with {found.anchors:,} heads noted outside it."
    )
    if found.signed:
        checked = "checked" if found.checked else f"not checked, since {journal.KEY_VARIABLE} is not set"
        _say(f"{found.signed:,} entries are signed: {checked}.")
    _say(f"Its head is {found.head.sha256}: note it outside this machine, and give it to --head another time.")


@app.command(name="list")
def list_entries(
    config: ConfigFolder = DEFAULT_CONFIG,
    kind: Annotated[str | None, typer.Option("--kind", help="Only entries of this kind.")] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only so many, the last ones.")] = None,
) -> None:
    """What was written down, the first one first."""
    from registry_pipeline.govern import journal
    from registry_pipeline.storage import Home

    kinds = get_args(journal.Kind)
    if kind is not None and kind not in kinds:
        raise BadInput(f"The journal has no entries of the kind {kind!r}; kinds: {', '.join(kinds)}.")
    found = journal.entries(Home(load_configuration(config).home))
    found = [entry for entry in found if kind is None or entry.kind == kind]
    for entry in found[-last:] if last else found:
        about = ", ".join(f"{name}: {_plain(value)}" for name, value in entry.what.items())
        _say(f"{entry.number}  {entry.at}  {entry.kind}  by {entry.who}  {about}".rstrip())
        if entry.why:
            _say(f"   {entry.why}")
    if not found:
        _say("Nothing was written down yet." if kind is None else f"Nothing of the kind {kind} was written down yet.")


@app.command()
def mend(
    who: Annotated[str, typer.Option("--who", help="Who mends it.")],
    why: Annotated[str, typer.Option("--why", help="What tore the last line.")],
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Cut off a last line that was torn when a process was killed; it is kept beside the journal."""
    from registry_pipeline.govern import journal
    from registry_pipeline.storage import Home

    home = Home(load_configuration(config).home)
    entry = journal.mend(home, who=who, why=why)
    [kept] = entry.outputs
    cut = f"{entry.what['bytes_cut']:,} bytes were cut, kept as {home.journal.parent / kept}"
    _say(f"Entry {entry.number} says so: {cut}.")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_plain(each)}" for name, each in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
