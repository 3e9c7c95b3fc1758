"""Answers about what stands: why a person is one person, and how each provider's last nights went.

What belongs here: reading the published registry, the linkage of its night and the outcomes, and putting them into
tables of keys, rules, weights and counts. What does not: any change to them, and any patient's value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from registry_pipeline import outcomes
from registry_pipeline.config import Configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.storage import Home, connect, load_sql, read_json, scan

STATUS_NIGHTS = 7
"""Nights that `registry status` shows: a week."""


@dataclass
class Explained:
    """A headline, and sections of (title, column names, rows)."""

    headline: str
    sections: list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]] = field(default_factory=list)


def explain_patient(configuration: Configuration, patient_id: str) -> Explained:
    """Which records are this person, what joined them field by field, and which rule chose each value.

    Args:
        configuration: the deployment.
        patient_id: an id that is or was in the registry; a joined one leads to the one that lives on.

    Raises:
        BadInput: not an id, or never an id of this registry.
        RunFailed: nothing has been published yet.
    """
    from registry_pipeline.link import identity

    home = Home(configuration.home)
    snapshot = _current(home)
    manifest = read_json(snapshot / "manifest.json")
    night = date.fromisoformat(manifest["night"])
    connection = connect(home, memory_limit=configuration.deployment.memory_limit)
    try:
        for table in ("patient", "patient_record", "identity_event"):
            connection.execute(
                f"CREATE TEMP VIEW {table} AS SELECT * FROM {scan(snapshot / f'{table}.parquet')}"  # noqa: S608  # own names and paths
            )
        connection.execute(
            f"CREATE TEMP VIEW linked_pair AS SELECT * FROM {scan(home.linked('linked_pair', night))}"  # noqa: S608  # own path
        )
        living = identity.resolve(connection, patient_id)
        asked = patient_id.strip().lower()
        explained = Explained(living if living == asked else f"{asked} was joined into {living}")
        for title, name, columns in _QUESTIONS:
            answers = connection.execute(load_sql(name), {"patient_id": living}).fetchall()
            rows = [tuple("" if cell is None else str(cell) for cell in row) for row in answers]
            explained.sections.append((title, columns, rows))
        explained.headline += (
            f": snapshot {manifest['snapshot_id']}, model {manifest['model_version']},"
            f" code {manifest['code']['version']} {manifest['code']['commit'] or ''}".rstrip()
        )
        return explained
    finally:
        connection.close()


_QUESTIONS = (
    ("Records", "explain_records", ("record", "setting", "extract of", "held by", "probability")),
    ("Links between them", "explain_links", ("record", "record", "decided by", "outcome", "weight", "field by field")),
    ("Values", "explain_values", ("field", "from record", "rule")),
    ("History of the id", "explain_history", ("night", "event", "other id", "why")),
)


def deployment_status(configuration: Configuration) -> Explained:
    """The current snapshot, and each feed's outcome on the last nights."""
    home = Home(configuration.home)
    if home.current.exists():
        manifest = read_json(home.current / "manifest.json")
        headline = f"Registry {manifest['snapshot_id']} is current: {manifest['rows']['patient']:,} people."
    else:
        headline = f"Nothing is published under {home.root} yet."
    nights = home.nights()[-STATUS_NIGHTS:]
    rows: list[tuple[str, ...]] = []
    for code, provider in configuration.providers.items():
        for feed in provider.feeds:
            found = [outcomes.find(home, code, feed, night) for night in nights]
            rows.append((f"{code} {feed}", *("" if o is None else o.status for o in found)))
    problems: list[tuple[str, ...]] = [
        (f"{o.night}", o.problem)
        for code, provider in configuration.providers.items()
        for feed in provider.feeds
        if nights and (o := outcomes.find(home, code, feed, nights[-1])) is not None and o.problem
    ]
    explained = Explained(headline, [("Feeds", ("feed", *(f"{n}" for n in nights)), rows)])
    if problems:
        explained.sections.append(("What was wrong on the last night", ("night", "why"), problems))
    return explained


def _current(home: Home) -> Path:
    if not home.current.exists():
        raise RunFailed(f"Nothing is published under {home.root} yet: run a night first (registry run).")
    return home.current.resolve()
