"""`registry dictionary`: the data dictionary, from a terminal.

What belongs here: the command's arguments and what it says. What does not: what the dictionary holds (`dictionary`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from registry_pipeline.cli import _say, app
from registry_pipeline.config import load_configuration
from registry_pipeline.errors import BadInput


@app.command()
def dictionary(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; without it dictionary/ under REGISTRY_HOME.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="REGISTRY_CONFIG", help="A deployment, to tell of its own code lists too."),
    ] = None,
) -> None:
    """Write the data dictionary: every published table as one page that opens offline, and as JSON Schema."""
    from registry_pipeline import dictionary as data_dictionary

    folder = out or Path(os.environ.get("REGISTRY_HOME", "registry_home")) / "dictionary"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise BadInput(
            f"The folder {folder} cannot be made ({problem.strerror}): give another with --out, in a place that can be"
            " written to."
        ) from problem
    written = data_dictionary.write(folder.resolve(), None if config is None else load_configuration(config))
    _say(f"Wrote {written.page} and {len(written.schemas)} JSON Schemas in {written.schemas[0].parent}")
