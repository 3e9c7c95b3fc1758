"""`registry risk`: fitting the model of emergency admission, and what is known of a fitted one, from a terminal.

What belongs here: the commands' arguments and what they say. What does not: fitting and counting (`risk.fit`,
`risk.evaluate`), and who may be seen (`release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, _progress, _say, _show, _table
from registry_pipeline.config import load_configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

app: typer.Typer = typer.Typer(
    help="The local model of emergency admission within 12 months: fitted when somebody asks for it, never nightly.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


SHOWN_OF_GROUPS = 7
"""Columns of a group's figures that a terminal has room for."""


@app.command()
def fit(
    config: ConfigFolder = DEFAULT_CONFIG,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", help="A snapshot such as 2026-04-01.1; without it the last published.")
    ] = None,
) -> None:
    """Fit the next version on a snapshot's past, test it on later days, and write it with its card."""
    from registry_pipeline import consume, release

    configuration = load_configuration(config)
    found = release.find(configuration, snapshot)
    with _progress() as told:
        told("fit", f"the snapshot {found.snapshot_id}")
        fitted = consume.fit_risk_model(configuration, found.snapshot_id)
    _print_figures(fitted.figures)
    _say(f"Wrote model {fitted.version}: {fitted.json_file}, with its model card beside it; read the card.")
    named = configuration.deployment.risk.model
    if named is None:
        _say("It scores people from the next night on, unless risk.model of registry.yaml names another version.")
    else:
        _say(f"People go on being scored with {named}, as long as risk.model of registry.yaml names it.")


@app.command()
def show(
    version: Annotated[str | None, typer.Argument(help="A version such as v0001; without it the newest.")] = None,
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """What a fitted version learned from, how good it is and for whom."""
    from registry_pipeline.errors import BadInput
    from registry_pipeline.risk import model
    from registry_pipeline.risk.card import SPLITS
    from registry_pipeline.storage import Home

    home = Home(load_configuration(config).home)
    known = model.versions(home)
    if version is None and not known:
        raise BadInput(f"No model is fitted yet in {home.risk_models}: fit one (registry risk fit).")
    chosen = version or known[0][0]
    file = dict(known).get(chosen)
    if file is None:
        there = ", ".join(name for name, _ in known) or "none"
        raise BadInput(f"There is no model {chosen} in {home.risk_models} (there: {there}).")
    loaded = model.load(file)
    training = loaded.told["training"]
    _say(
        f"Model {loaded.version}, fitted on snapshot {training['snapshot']} ({len(loaded.features)} features, longest"
        f" window {loaded.longest} days): learned from {training['train_index']}, tested on {training['test_index']}."
    )
    _say(SPLITS[training["split"]])
    _print_figures(loaded.told["evaluation"])


def _print_figures(figures: Mapping[str, Any]) -> None:
    from registry_pipeline.risk import card

    _print_table("Over all", ("figure", "value"), card.overall_rows(figures))
    _print_table("Acting on the top of the list", card.TOP_COLUMNS, card.top_rows(figures))
    _print_table("Calibration", card.RELIABILITY_COLUMNS, card.reliability_rows(figures))
    for dimension, title in card.TITLES.items():
        # The card has them for every top of the list.
        rows = [row[:SHOWN_OF_GROUPS] for row in card.group_rows(figures["groups"][dimension])]
        _print_table(title, card.GROUP_COLUMNS[:SHOWN_OF_GROUPS], rows)
    flags = figures["worse_served"]
    _say("Clearly worse served: " + ("; ".join(flags) if flags else "no group that can be shown") + ".")


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = _table(title, *columns)
    for row in rows:
        table.add_row(*row)
    _show(table)
