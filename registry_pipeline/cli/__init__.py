"""The `registry` command: the night and its questions, from a terminal.

What belongs here: arguments, progress, tables of counts, exit codes. What does not: any work of a stage (`night` and
the stages do it), Dagster (`registry dev` starts it as a program of its own), and any patient's value on the screen.

Exit codes: 0 only when it did what was asked, 2 for bad input, 1 for a failed run.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry_pipeline.config import REPOSITORY, Configuration, load_configuration
from registry_pipeline.errors import BadInput, RegistryError, RunFailed
from registry_pipeline.storage import create_for_owner_only

if TYPE_CHECKING:
    from rich.table import Table

    from registry_pipeline.explain import Explained
    from registry_pipeline.night import NightSummary
    from registry_pipeline.release import Report

app: typer.Typer = typer.Typer(
    help="A patient registry over all care settings: data quality, record linkage, publication.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigFolder = Annotated[
    Path,
    typer.Option(
        "--config", envvar="REGISTRY_CONFIG", help="Folder that holds registry.yaml and providers/.", show_default=True
    ),
]
Night = Annotated[str, typer.Option("--night", help="The night, as YYYY-MM-DD.")]
DEFAULT_CONFIG = Path()

WORDS = (
    "state", "why", "rule", "made by", "field by field", "note", "decided by", "outcome", "by themselves", "purposes",
)  # fmt: skip
"""Columns of tables that hold words; figures stand to the right."""
KEYS = ("record", "other record", "of", "left", "right", "from", "to", "other id")
"""Columns of tables that hold keys and ids, which are to be copied whole."""


DEMO_MONTHS = 36
"""Months of events of the demo: a risk model that learns from one year and is tested on a later one needs three, and so
do audit's measures that look back a year over two years of months."""


def main() -> None:
    """Run the command; turn every known error into one sentence on stderr and its exit code."""
    atexit.register(_hush_duckdb_at_exit)
    create_for_owner_only()
    try:
        app()
    except RegistryError as problem:
        sys.stderr.write(f"registry: {problem}\n")
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("registry: interrupted; the last registry still stands, run again to finish.\n")
        sys.exit(130)
    except Exception as problem:
        if os.environ.get("REGISTRY_TRACEBACK"):
            raise
        # An unforeseen error's own text may hold a patient's value, so only its kind is shown.
        sys.stderr.write(
            f"registry: failed unexpectedly ({type(problem).__name__}); the last registry still stands. Set"
            " REGISTRY_TRACEBACK=1 to see where (the traceback may hold patients' values), and report it.\n"
        )
        sys.exit(1)


@app.command()
def run(
    night: Night,
    config: ConfigFolder = DEFAULT_CONFIG,
    data_docs: Annotated[
        bool, typer.Option("--data-docs", help="Also build Great Expectations' Data Docs of the night.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the summary, with every check, to this file.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Link every record and count term frequencies anew.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also link every record beside the changes, and compare before publishing.")
    ] = False,
) -> None:
    """Run one night: take in every provider, link, publish the registry."""
    configuration, on = load_configuration(config), _night(night)
    summary = _run(configuration, on, data_docs=data_docs, full=full, verify=verify)
    _print_summary(summary, configuration)
    if json_file is not None:
        from registry_pipeline.storage import write_json

        write_json(json_file, summary.as_json())
    if any(c.problem for c in summary.consumers) or any(output.problem for output in summary.outputs):
        raise RunFailed("The registry is published; not everything was made of it, for the reason above.")


@app.command()
def demo(
    people: Annotated[int, typer.Option(help="People in the made-up care system.", min=100)] = 20_000,
    nights: Annotated[int, typer.Option(help="Nights to run.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Another seed, another population.")] = 1,
) -> None:
    """Make up a care system, run its night, and show what came of it."""
    from registry_pipeline import dictionary as data_dictionary
    from registry_pipeline import link
    from registry_pipeline.night import FIRST_MADE_UP_NIGHT, nights_from

    home = Path(os.environ.get("REGISTRY_HOME", "registry_home")).resolve()
    made_up = home / "made_up"
    _synthesise(made_up, people=people, nights=nights, seed=seed, history_months=DEMO_MONTHS, replace=True)
    configuration = load_configuration(made_up, home=home)
    for on in nights_from(FIRST_MADE_UP_NIGHT, nights):
        is_first = on == FIRST_MADE_UP_NIGHT
        summary = _run(configuration, on, data_docs=is_first, fit_risk=is_first)
        _print_summary(summary, configuration)
    evaluation = link.evaluate(configuration, on, made_up / "truth" / "person_record.parquet")
    _say(
        f"Against the made-up truth: precision {evaluation.precision:.4%}, recall {evaluation.recall:.4%} of"
        f" {evaluation.true_pairs:,} true pairs."
    )
    written = data_dictionary.write(home / "dictionary", configuration)
    _say(f"The data dictionary: {written.page}")
    _say(f"The registry: {home / 'registry' / 'current'}. Watch it in Dagster: make dev.")


@app.command()
def synthesise(
    out: Annotated[Path, typer.Argument(help="Folder to write; it becomes a configuration folder of its own.")],
    people: Annotated[int, typer.Option("--people", min=100)] = 20_000,
    nights: Annotated[int, typer.Option("--nights", min=1)] = 1,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    history_months: Annotated[
        int, typer.Option(min=0, help="Months of events that the first night brings; 0: one usual night's.")
    ] = 24,
) -> None:
    """Make up a care system with known truth: people, providers and their extracts."""
    _synthesise(out, people=people, nights=nights, seed=seed, history_months=history_months)
    _say(f"Run it: registry run --config {out} --night 2026-04-01")


@app.command()
def train(night: Night, config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Train the next version of the linkage model on one night's person records."""
    from registry_pipeline.night import train_model

    configuration, on = load_configuration(config), _night(night)
    with _progress() as report:
        trained = train_model(configuration, on, report=report)
    _say(f"Wrote model {trained.version}: {trained.path}, with its model card beside it. Review it before it is used.")


@app.command()
def explain(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="PATIENT_ID",
            help="A patient_id, also a joined or retired one, or a record key (PROVIDER:local_id).",
        ),
    ],
    config: ConfigFolder = DEFAULT_CONFIG,
) -> None:
    """Why a person is one person: records, links field by field, nearest others, overrides, origin of each value."""
    from registry_pipeline.explain import explain_patient

    _print_explained(explain_patient(load_configuration(config), asked))


@app.command()
def status(config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """What stands: the current registry, and each provider's last nights."""
    from registry_pipeline.explain import deployment_status

    _print_explained(deployment_status(load_configuration(config)))


@app.command(name="check-config")
def check_config(config: ConfigFolder = DEFAULT_CONFIG) -> None:
    """Read the configuration and say what is wrong with it, or that nothing is."""
    from registry_pipeline import consume, release
    from registry_pipeline.night import check_configuration

    configuration = load_configuration(config)
    check_configuration(configuration)
    release.check_configuration(configuration)
    consume.check_configuration(configuration)
    feeds = sum(len(p.feeds) for p in configuration.providers.values())
    _say(f"{configuration.directory}: {len(configuration.providers)} providers with {feeds} feeds; nothing is wrong.")


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 3000) -> None:
    """Open the Dagster UI on loopback, over the made-up care system unless REGISTRY_CONFIG names another."""
    import shutil

    home = Path(os.environ.get("REGISTRY_HOME", "registry_home")).resolve()
    environment = {
        **os.environ,
        "REGISTRY_HOME": str(home),
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", str(REPOSITORY / "dagster_home")),
        "VIRTUAL_ENV": sys.prefix,  # else dg warns that none is active
    }
    if "REGISTRY_CONFIG" not in environment:
        made_up = home / "made_up"
        if not (made_up / "registry.yaml").is_file():
            _synthesise(made_up, people=2_000, nights=3, seed=1, history_months=DEMO_MONTHS)
        environment["REGISTRY_CONFIG"] = str(made_up)
    program = Path(sys.executable).with_name("dg")
    if not program.is_file() and shutil.which("dg") is None:
        raise RunFailed("The program dg is not installed: install the development dependencies (make dev does).")
    _say(f"Dagster on http://127.0.0.1:{port} (stop it with Ctrl-C)")
    os.chdir(REPOSITORY)
    command = [str(program), "dev", "--no-check-yaml", "--host", "127.0.0.1", "--port", str(port)]
    os.execve(program, command, environment)  # noqa: S606  # our own environment's dg


def _hush_duckdb_at_exit() -> None:
    """Close stderr for what comes after Python: DuckDB 2.0 under SQLAlchemy prints 60 lines about leaked instances.

    Registered before all others, so it runs after every other exit handler; nothing of ours writes later.
    """
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _night(text: str, option: str = "--night") -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a night is a date, without a time zone
    except ValueError as problem:
        raise BadInput(f"{option} {text!r} is not a date: write it as YYYY-MM-DD.") from problem


def _run(
    configuration: Configuration,
    on: date,
    *,
    data_docs: bool,
    full: bool = False,
    verify: bool = False,
    fit_risk: bool = False,
) -> NightSummary:
    from registry_pipeline.night import run_night, steps_of_night

    with _progress(steps_of_night(configuration, data_docs=data_docs) + int(fit_risk)) as report:
        return run_night(
            configuration, on, report=report, data_docs=data_docs, full=full, verify=verify, fit_risk=fit_risk
        )


def _synthesise(out: Path, *, people: int, nights: int, seed: int, history_months: int, replace: bool = False) -> None:
    from registry_pipeline import synthetic

    with _progress() as report:
        made = synthetic.synthesise(
            out,
            people=people,
            nights=nights,
            seed=seed,
            history_months=history_months,
            replace=replace,
            progress=lambda step, _share: report("synthesise", step),
        )
    _say(f"Made up {people:,} people over {nights} night(s) in {made.seconds:.1f} s: {out}")


@contextmanager
def _progress(steps: int | None = None) -> Iterator[Report]:
    """A bar with the stage, on a terminal; nothing where stderr is a file.

    Args:
        steps: how often the work will report; None where nobody knows.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[at]}"))
    hidden = not console.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("start", total=steps, at="")
        begun = 0

        def report(stage: str, at: str) -> None:
            nonlocal begun
            progress.update(task, description=stage, at=at, completed=begun)
            begun += 1

        yield report


def _print_summary(summary: NightSummary, configuration: Configuration) -> None:
    table = _table(f"Night {summary.night}", "provider", "delivered", "accepted", "quarantined", "state")
    for code, provider in configuration.providers.items():
        feeds = [f for f in summary.feeds if f.provider == code]
        wrong = [f for f in feeds if not f.accepted]
        state = "accepted" if not wrong else ", ".join(f"{f.feed} {f.status}" for f in wrong)
        table.add_row(
            f"{code} {provider.name}".strip(),
            f"{sum(f.rows_delivered for f in feeds):,}",
            f"{sum(f.rows_accepted for f in feeds if f.accepted):,}",
            f"{sum(f.rows_quarantined for f in feeds):,}",
            state,
        )
    _show(table)
    for feed in summary.feeds:
        if feed.problem:
            sys.stderr.write(f"{feed.problem}\n")
    for said in _said_of_agreements(summary):
        sys.stderr.write(f"{said}\n")
    refused = sum(feed.null_reasons.get("nhs_number: synthetic_range", 0) for feed in summary.feeds)
    if refused:
        sys.stderr.write(
            f"{refused:,} NHS numbers of the range for made-up people were set to null: set synthetic_nhs_numbers: true"
            f" in {configuration.directory / 'registry.yaml'} if this deployment may hold such people.\n"
        )
    _print_linkage(summary)
    if summary.built is not None:
        for check in summary.linked.checks if summary.linked is not None else ():
            if check.name == "newest_model_is_in_use" and not check.passed:
                sys.stderr.write(f"A newer linkage model is {check.observed} (registry model status).\n")
        rows = summary.built.rows
        published = "published" if summary.is_current else "kept beside the later night that is current"
        _say(
            f"Snapshot {summary.built.snapshot_id} {published}: {rows.get('patient', 0):,} people from"
            f" {rows.get('patient_record', 0):,} person records."
        )
    _print_consumers(summary)
    _print_outputs(summary)
    seconds = _table("", *summary.seconds, "the night by the clock")
    seconds.add_row(*(f"{s:.1f} s" for s in summary.seconds.values()), f"{summary.wall_seconds:.1f} s")
    _show(seconds)


def _print_consumers(summary: NightSummary) -> None:
    if summary.risk_model:
        _say(f"Fitted the local risk model {summary.risk_model} (registry risk show).")
    if summary.no_risk_model:
        sys.stderr.write(f"No local risk model: {summary.no_risk_model}\n")
    consumers.print_consumers(summary.consumers)


def _print_outputs(summary: NightSummary) -> None:
    for output in summary.outputs:
        if output.problem:
            sys.stderr.write(f"Output for {output.purpose}: {output.problem}\n")
        elif output.waits_for:
            _say(f"Output for {output.purpose}: made; waits for {output.waits_for} signature(s) (registry sign-off).")
        else:
            _say(f"Output for {output.purpose}: {output.rows.get('patient', 0):,} people under pseudonyms.")
    if summary.report is not None:
        lights = "; ".join(f"{name} {value} ({colour})" for name, colour, value in summary.report.lights)
        _say(f"Linkage quality report: {summary.report.page}\n  {lights}")


def _said_of_agreements(summary: NightSummary) -> list[str]:
    """What is to be seen to about agreements, once for each provider; that a trial has none is in its checks only."""
    from registry_pipeline.govern import agreements

    told = (agreements.NOT_ENDING.name, agreements.COVERS_DIRECT_CARE.name)
    said = [
        f"{feed.provider}: {check.name}: {check.observed}. {check.reason}"
        for feed in summary.feeds
        for check in feed.checks
        if check.name in told and not check.passed
    ]
    return list(dict.fromkeys(said))


def _print_linkage(summary: NightSummary) -> None:
    linked = summary.linked.linked if summary.linked else None
    if summary.linked is None or linked is None:
        return
    for check in summary.linked.checks:
        if check.name == "linked_incrementally":
            _say(f"Linked {check.observed}.")
        elif not check.passed:
            sys.stderr.write(f"{check.name}: {check.observed}. {check.reason}\n")
    if linked.verified:
        _say("Verified: linking every record gives the same pairs and clusters.")
    if linked.attention:
        _say("Needs attention: " + ", ".join(f"{reason} {rows:,}" for reason, rows in linked.attention.items()) + ".")


def _print_explained(explained: Explained) -> None:
    from rich.text import Text

    _say(explained.headline)
    for title, columns, rows in explained.sections:
        table = _table(title, *columns)
        for row in rows:
            table.add_row(*map(Text, row))  # what people wrote is no markup
        if rows:
            _show(table)
        else:
            _say(f"{title}: none")


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if number == 0 or column in WORDS else "right"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in KEYS)
    return table


def _show(table: Table) -> None:
    from rich.console import Console

    console = Console()
    # Where the output is a file or a pipe nothing may be cut off for want of a wide screen.
    Console(width=None if console.is_terminal else 160).print(table)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


from registry_pipeline.cli import (  # noqa: E402  # they are made of what stands above
    consumers,
    dictionary,  # noqa: F401  # its commands name themselves, as those below with the same mark do
    evaluate,  # noqa: F401
    forget,  # noqa: F401
    journal,
    model,
    objection,
    opt_out,
    override,
    reporting,  # noqa: F401
    resolve,  # noqa: F401
    risk,
)
from registry_pipeline.cli import output as outputs  # noqa: E402  # as above; an output itself is called so here

app.add_typer(override.app, name="override")
app.add_typer(model.app, name="model")
app.add_typer(objection.app, name="objection")
app.add_typer(opt_out.app, name="opt-out")
app.add_typer(outputs.key_app, name="key")
app.add_typer(journal.app, name="journal")
app.add_typer(risk.app, name="risk")
