"""`registry override`: what a person decides about identity, from a terminal.

What belongs here: the commands' arguments and what they say. What does not: what an override means and what is refused
(`link.overrides` does that).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _say
from registry_pipeline.config import Configuration, load_configuration

if TYPE_CHECKING:
    from registry_pipeline.link.override_store import Override
    from registry_pipeline.link.overrides import Made

app: typer.Typer = typer.Typer(
    help="Must-links and cannot-links between records or people: who decided, why, and until when. Nothing is ever"
    " changed or removed; what was decided is undone by an entry of its own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Left = Annotated[str, typer.Argument(help="A record key (PROVIDER:local_id) or a patient_id.")]
Right = Annotated[str, typer.Argument(help="Another record key or patient_id.")]
Who = Annotated[str, typer.Option("--who", help="Who decides: shown wherever the override is.")]
Why = Annotated[str, typer.Option("--why", help="For what reason; no patient's name or number, since it is shown.")]
Role = Annotated[str | None, typer.Option("--role", help="In which role.")]
Until = Annotated[
    str | None,
    typer.Option("--until", help="In force on nights before this date, YYYY-MM-DD; without it until it is undone."),
]

NEXT_RUN = "It takes effect with the next run (registry run)."


@app.command(name="must-link")
def must_link(
    left: Left,
    right: Right,
    who: Who,
    why: Why,
    role: Role = None,
    until: Until = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Two records, or two people, are one person."""
    _add("must_link", left, right, who=who, why=why, role=role, until=until, config=config)


@app.command(name="cannot-link")
def cannot_link(
    left: Left,
    right: Right,
    who: Who,
    why: Why,
    role: Role = None,
    until: Until = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Two records, or two people, are never one person, not through third records either."""
    _add("cannot_link", left, right, who=who, why=why, role=role, until=until, config=config)


@app.command()
def undo(
    number: Annotated[int, typer.Argument(help="The override's number.")],
    who: Who,
    why: Why,
    role: Role = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Take an override back; the data decide again."""
    from registry_pipeline.link import overrides

    configuration = load_configuration(config)
    _refuse(configuration, who=who, why=why, role=role)
    undone = overrides.undo(configuration, number, who=who, why=why, role=role)
    _write_down(configuration, "undone", [undone], who=who, why=why)
    _say(f"Override {number} is undone: {_words(undone)}, made by {undone.who}. {NEXT_RUN}")


@app.command()
def unjoin(
    patient_id: Annotated[str, typer.Argument(help="A patient_id that was joined into another.")],
    who: Who,
    why: Why,
    role: Role = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Undo a join: the records that an id had before it part from the person's others, and get their id back."""
    from registry_pipeline.link import overrides

    configuration = load_configuration(config)
    _refuse(configuration, who=who, why=why, role=role)
    made = overrides.unjoin(configuration, patient_id, who=who, why=why, role=role)
    _write_down(configuration, "join undone", [made.override], who=who, why=why)
    _tell(made)


@app.command()
def apply(
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns kind, left, right, who, why, until and, if wanted, role.")
    ],
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Make every override of a file, or none if any line is at fault."""
    from registry_pipeline.link import overrides
    from registry_pipeline.storage import file_digest

    configuration = load_configuration(config)
    _refuse_lines(configuration, file)
    made = overrides.apply(configuration, file)
    _write_down(
        configuration,
        "made from a file",
        [each.override for each in made],
        who=", ".join(sorted({each.override.who for each in made})),
        inputs={file.name: file_digest(file)},
    )
    for each in made:
        _say(_made(each))
    _say(f"{len(made):,} overrides of {file} made. They take effect with the next run (registry run).")


@app.command(name="list")
def list_overrides(
    config: ConfigFolder = DEFAULT_CONFIG,
    every: Annotated[bool, typer.Option("--all", help="Also those that were undone or have ended.")] = False,
) -> None:
    """What is in force, who made it, when and why."""
    from registry_pipeline.link import overrides
    from registry_pipeline.storage import Home, snapshot_night

    configuration = load_configuration(config)
    home = Home(configuration.home)
    night = snapshot_night(home.current.resolve()) if home.current.exists() else datetime.now(UTC).date()
    found = overrides.all_overrides(configuration)
    shown = [each for each in found if every or each.in_force(night)]
    if not shown:
        _say("No override is in force." if found else "No override was ever made.")
        return
    for each in shown:
        until = f", until {each.ends}" if each.ends else ""
        _say(f"{each.override_id}  {each.kind}  {each.left}  {each.right}  {overrides.state(each, night)}")
        _say(f"   by {overrides.signed(each)}{until}; pairs of records: {len(each.pairs):,}")


def _add(
    kind: str, left: str, right: str, *, who: str, why: str, role: str | None, until: str | None, config: Path
) -> None:
    from registry_pipeline.link import overrides

    configuration = load_configuration(config)
    _refuse(configuration, who=who, why=why, role=role)
    asked = overrides.Asked(kind=kind, left=left, right=right, who=who, why=why, role=role, until=until)
    made = overrides.add(configuration, asked)
    _write_down(configuration, "made", [made.override], who=who, why=why)
    _tell(made)


def _refuse(configuration: Configuration, *, who: str, why: str, role: str | None) -> None:
    """Before anything is changed: no patient's value in what is shown for ever, and a journal that can be written."""
    from registry_pipeline.govern import journal
    from registry_pipeline.govern.free_text import refuse_personal
    from registry_pipeline.storage import Home

    for text, option in ((who, "--who"), (why, "--why"), (role or "", "--role")):
        refuse_personal(text, option)
    journal.check_ready(Home(configuration.home))


def _refuse_lines(configuration: Configuration, file: Path) -> None:
    """The same of a file; one that is no file of overrides is refused where it is read."""
    from registry_pipeline.govern import journal
    from registry_pipeline.govern.free_text import refuse_personal
    from registry_pipeline.storage import Home

    with suppress(OSError, UnicodeDecodeError, csv.Error), file.open(newline="", encoding="utf-8-sig") as content:
        rows = csv.DictReader(content)
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        for row in rows:
            for column in ("who", "why", "role"):
                refuse_personal(row.get(column) or "", f"{file}, line {rows.line_num}: {column}")
    journal.check_ready(Home(configuration.home))


def _write_down(
    configuration: Configuration,
    done: str,
    about: Sequence[Override],
    *,
    who: str,
    why: str = "",
    inputs: Mapping[str, str] | None = None,
) -> None:
    """By number and count only: an entry can never be taken out, and the people of these records may be forgotten."""
    from registry_pipeline.govern import journal
    from registry_pipeline.storage import Home

    kinds = Counter(each.kind for each in about)
    what = {
        "done": done,
        "overrides": [each.override_id for each in about],
        "kinds": dict(kinds),
        "pairs_of_records": sum(len(each.pairs) for each in about),
    }
    journal.record(Home(configuration.home), "override", who=who.strip(), why=why.strip(), what=what, inputs=inputs)


def _tell(made: Made) -> None:
    _say(f"{_made(made)} {NEXT_RUN}")


def _made(made: Made) -> str:
    until = f", on nights before {made.override.ends}" if made.override.ends else ""
    effect = made.effect[0].upper() + made.effect[1:]
    return f"Override {made.override.override_id}: {_words(made.override)}{until}. {effect}."


def _words(override: Override) -> str:
    says = "are one person" if override.kind == "must_link" else "are never one person"
    return f"{override.left} and {override.right} {says}"
