"""`registry export` and `registry key`: what leaves for a purpose, and the keys of its pseudonyms, from a terminal.

What belongs here: the commands' arguments and what they say. What does not: making and copying outputs
(`registry.purposes`, `registry.exports`), and keys (`govern.pseudonyms`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _progress, _say, _show, _table, app
from registry_pipeline.config import Purpose, load_configuration
from registry_pipeline.errors import BadInput, RegistryError

if TYPE_CHECKING:
    from registry_pipeline.registry.purposes import Output

key_app: typer.Typer = typer.Typer(
    help="Keys of pseudonyms: one for each purpose, so that no two purposes' files can be joined.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def export(
    purpose: Annotated[str, typer.Option("--purpose", help="One of the outputs in registry.yaml.")],
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", help="Default: what the purpose's readers see, else the current one.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder to copy it to, outside the data folder; new or empty.")
    ] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """The registry as one purpose may see it: pseudonyms instead of identities, checked, copied where it is to go."""
    from registry_pipeline import consume
    from registry_pipeline.registry import exports

    configuration = load_configuration(config)
    with _progress() as told:
        told("export", purpose)
        asked = cast("Purpose", purpose)
        besides = consume.besides(configuration, asked)
        output, folder = exports.export(configuration, asked, snapshot_id=snapshot, to=to, besides=besides)
    _print_output(output)
    where = f"Copied to {folder}" if folder is not None else f"It lies in {output.folder}; --to FOLDER copies it out"
    _say(f"{where}. It is personal data still: whoever reads it is bound by its agreement.")


def _print_output(output: Output) -> None:
    figures = _table(f"{output.purpose}, snapshot {output.snapshot_id}", "table", "rows")
    for table, rows in output.rows.items():
        figures.add_row(table, f"{rows:,}")
    _show(figures)
    left_out = ", ".join(f"{reason} {people}" for reason, people in output.left_out.items())
    _say(f"People left out, wholly or in part (* is 1 to 7): {left_out or 'none'}.")
    alike = _table(
        f"People alike in what somebody may know of them (asked: at least {output.k_anonymity['asked']})",
        "columns", "groups", "smallest group", "people in smaller groups than asked",
    )  # fmt: skip
    for one in output.k_anonymity["sets"]:
        alike.add_row(
            ", ".join(one["columns"]), f"{one['groups']:,}", str(one["smallest_group"]), str(one["people_below"])
        )
    _show(alike)


@key_app.command()
def new(file: Annotated[Path, typer.Argument(help="A new file; only this account will be able to read it.")]) -> None:
    """Write a random key to a new file."""
    from registry_pipeline.govern import pseudonyms

    made = pseudonyms.new_key(file)
    _say(f"Wrote a key with the fingerprint {made.fingerprint} to {file}. Back it up apart from the data.")


@key_app.command()
def check(config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Look at every output's key: whether it can be used, and is the one that the outputs are under."""
    from registry_pipeline.govern import pseudonyms
    from registry_pipeline.storage import Home

    configuration = load_configuration(config)
    home = Home(configuration.home)
    table = _table("Keys", "purpose", "fingerprint", "state", "why")
    faults: list[RegistryError] = []
    for purpose in configuration.deployment.outputs:
        fingerprint, state, why = "", "", ""
        try:
            found = pseudonyms.key_for(configuration, purpose)
            fingerprint = found.fingerprint
            pseudonyms.refuse_changed(home, purpose, found)
            state = "in use" if pseudonyms.fingerprint_in_use(home, purpose) else "not used yet"
        except RegistryError as fault:
            state, why = "cannot be used", str(fault)
            faults.append(fault)
        table.add_row(purpose, fingerprint, state, why)
    if not configuration.deployment.outputs:
        _say(f"{configuration.directory / 'registry.yaml'} describes no outputs, so there are no keys.")
        return
    _show(table)
    if faults:
        raise BadInput(
            f"{len(faults)} of {len(configuration.deployment.outputs)} keys cannot be used; the first: {faults[0]}"
        )


@key_app.command()
def rotate(
    purpose: Annotated[
        str, typer.Argument(help="One of the outputs in registry.yaml, whose key is still the old one.")
    ],
    new: Annotated[Path, typer.Option("--new", help="File of the new key (registry key new FILE).")],
    map_file: Annotated[
        Path, typer.Option("--map", help="Parquet file to write: old to new pseudonyms; outside the data folder.")
    ],
    why: Annotated[str, typer.Option("--why", help="For what reason.")] = "",
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Change a purpose's key, and write the map from old to new pseudonyms, which needs both keys."""
    from registry_pipeline.registry import exports

    configuration = load_configuration(config)
    with _progress() as told:
        told("rotate", purpose)
        done = exports.rotate(configuration, cast("Purpose", purpose), new=new, map_file=map_file, why=why)
    counts = ", ".join(f"{kind} {rows:,}" for kind, rows in done.rows.items())
    _say(
        f"{purpose}: from {done.old_fingerprint} to {done.new_fingerprint}. The map of {counts or 'nothing'} is in"
        f" {map_file}: keep it as safe as the keys. Name the new key in"
        f" {configuration.directory / 'registry.yaml'}, then make the output again (registry export)."
    )
