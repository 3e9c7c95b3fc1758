"""`registry model`: what a linkage model would change, and letting it in, from a terminal.

What belongs here: the commands' arguments and what they say. What does not: what is counted, and which model a night
uses (`link.admission` does that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry_pipeline.cli import DEFAULT_CONFIG, ConfigFolder, Night, _night, _progress, _say, _show, _table
from registry_pipeline.config import load_configuration

if TYPE_CHECKING:
    from registry_pipeline.link.admission import ModelReport

app: typer.Typer = typer.Typer(
    help="Linkage models: whose ids another version would change, and letting it in. A published registry keeps the"
    " version that it was linked with until then.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Version = Annotated[str, typer.Argument(help="A version in the folder of models, such as v0002.")]


@app.command()
def report(version: Version, night: Night, config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Link a night with a version and count whose ids it would change; nothing is published."""
    from registry_pipeline import outcomes, registry
    from registry_pipeline.link import admission
    from registry_pipeline.night import refuse_impossible_night
    from registry_pipeline.storage import Home, lock

    configuration, on = load_configuration(config), _night(night)
    refuse_impossible_night(configuration, on)
    home = Home(configuration.home)
    with lock(home, f"night-{on}"), _progress() as told:
        told("report", f"the night {on} with the model {version}")
        made = admission.report(
            configuration,
            version,
            on,
            outcomes.shares_of_night(configuration, on),
            prior=registry.prior_snapshot(home, on),
        )
    _print_report(made)
    _say(f"Kept as {admission.report_file(home, version)}; nothing was published. Let it in: registry model admit.")


@app.command()
def admit(
    version: Version,
    who: Annotated[str, typer.Option("--who", help="Who lets it in.")],
    why: Annotated[str, typer.Option("--why", help="For what reason.")],
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Let a version in that was reported on: nights link with it from now on."""
    from registry_pipeline.govern import journal
    from registry_pipeline.govern.free_text import refuse_personal
    from registry_pipeline.link import admission
    from registry_pipeline.storage import Home

    configuration = load_configuration(config)
    for text, option in ((who, "--who"), (why, "--why")):
        refuse_personal(text, option)
    journal.check_ready(Home(configuration.home))
    let_in = admission.admit(configuration, version, who=who, why=why)
    journal.record(
        Home(configuration.home),
        "model_admitted",
        who=let_in.who,
        why=let_in.why,
        what={"version": let_in.version},
        inputs={f"{let_in.version}.json": let_in.sha256, "report": let_in.report_sha256},
    )
    _say(f"Model {let_in.version} is let in from the next run on ({let_in.who}, {let_in.when}: {let_in.why}).")


@app.command()
def status(config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Which version is in use, which wait, and which were let in, by whom and why."""
    from registry_pipeline.link import admission
    from registry_pipeline.link.model import saved_versions
    from registry_pipeline.storage import Home

    configuration = load_configuration(config)
    home = Home(configuration.home)
    linked_with = admission.version_published(home)
    table = _table("Linkage models, the newest first", "version", "state", "let in by", "on", "why")
    let_in = {each.version: each for each in admission.admissions(home)}
    in_use, waiting = admission.version_in_use(configuration), admission.newer_versions(configuration)
    for version, _ in saved_versions(configuration.models):
        states = ["in use"] if version == in_use else ["waits"] if version in waiting else []
        states += ["the registry is linked with it"] if version == linked_with else []
        states += ["reported on"] if admission.report_file(home, version).is_file() else []
        entry = let_in.get(version)
        told = (entry.who, entry.when, entry.why) if entry else ("", "", "")
        table.add_row(version, ", ".join(states), *told)
    _show(table)
    if linked_with is None:
        _say("Nothing is published yet: the first night takes the newest version that fits.")


def _print_report(made: ModelReport) -> None:
    since = "" if made.same_night else " The records' own changes since that snapshot are among the counts."
    _say(
        f"Model {made.version} on the night {made.night}, beside snapshot {made.compared_with}"
        f" (model {made.instead_of}): {made.people_changed:,} of {made.people:,} people would get another id for a"
        f" record of theirs.{since}"
    )
    figures = _table("What would change", "figure", "count")
    for name, count in made.ids.items():
        figures.add_row(f"ids {name}", f"{count:,}")
    for name in ("records_moved", "pairs_gained", "pairs_lost"):
        figures.add_row(name.replace("_", " "), _figure(getattr(made, name)))
    _show(figures)
    counted = ("records", "people", "people_changed", "records_moved", "pairs_gained", "pairs_lost")
    settings = _table("By setting", "setting", *(name.replace("_", " ") for name in counted))
    for one in made.by_setting:
        settings.add_row(one.setting, *(_figure(getattr(one, name)) for name in counted))
    _show(settings)


def _figure(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"
