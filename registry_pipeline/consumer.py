"""What a consumer of the registry is given, and what it gives back.

What belongs here: the reading of one published snapshot as one purpose may see it, the refusal of a snapshot of another
form, and the shape of what a consumer made. What does not: any score, gap, list or measure (`risk`, `care`, `audit`),
what a purpose may see (`registry.purposes`, `govern`), and the order in which consumers work (`release`).

A consumer is a function `(reading, folder) -> Made`. It reads views of the registry's own names on `reading.connection`
and nothing else, and writes its table `<folder>/<table>.parquet` (and pages beside it) with `storage.write_table`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration, ConsumerName, Purpose
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import (
    FORMER,
    SCHEMA_VERSION,
    Home,
    connect,
    read_json,
    scan,
    snapshot_night,
    snapshot_order,
)
from registry_pipeline.tables import CONSUMER_TABLES, LINKAGE_ALTERNATIVE, REGISTRY_TABLES, TABLES, Table

if TYPE_CHECKING:
    import duckdb

PURPOSE_OF: Mapping[ConsumerName, Purpose] = {
    "risk_stratification": "direct_care",
    "care_gap": "direct_care",
    "patient_care_team": "direct_care",
    "case_conference_list": "case_conference",
    "audit_measure": "audit",
}
"""Under which purpose each consumer's table is made and read. Risk scores for the purpose `risk_stratification`, which
tell no identity, lie with that purpose's output besides."""

MADE_BEFORE: tuple[ConsumerName, ...] = ("risk_stratification", "care_gap", "patient_care_team")
"""Consumers' tables that later ones may read, as views of the same names; empty where they were not made."""

READS: Mapping[ConsumerName, tuple[ConsumerName, ...]] = {
    "risk_stratification": (),
    "care_gap": ("risk_stratification",),
    "patient_care_team": (),
    "case_conference_list": ("risk_stratification", "care_gap"),
    "audit_measure": (),
}
"""Which of those each consumer makes something of."""

RISK_BEFORE = "risk_before"
"""View of an earlier night's `risk_stratification`: the newest that is four weeks old, else the oldest there is. From
one night to the next nobody changes enough to tell; it is empty where there is none of the last 90 days."""

ENOUGH_DAYS_BEFORE, MOST_DAYS_BEFORE = 28, 90


@dataclass(frozen=True)
class Reading:
    """One published snapshot, as one purpose may see it.

    Attributes:
        configuration: the deployment.
        purpose: what it is read for.
        snapshot_id: which snapshot.
        night: its night: the day that every age, interval and score is counted to.
        connection: has a view of each of `READ_TABLES`, restricted to what the purpose may see; the view
            `linkage_alternative`; the views of `MADE_BEFORE`, and `risk_before`.
        absent: views among the last three kinds that are empty because nothing was made.
        left_out: people left out, wholly or in part, by reason.
    """

    configuration: Configuration
    purpose: Purpose
    snapshot_id: str
    night: date
    connection: duckdb.DuckDBPyConnection
    absent: frozenset[str] = frozenset()
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What a consumer made.

    Attributes:
        rows: rows by table.
        checks: what a data engineer should see of it.
        about: what its manifest is to say besides (versions, sources, what was left out and why): no personal value.
        pages: HTML files, beside the table.
    """

    rows: Mapping[str, int]
    checks: tuple[CheckOutcome, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    pages: tuple[Path, ...] = ()


Consumer = Callable[[Reading, Path], Made]
"""Makes its table and pages in a folder."""

READ_TABLES: tuple[str, ...] = tuple(t for t in REGISTRY_TABLES if t not in ("needs_attention", "identity_event"))
"""Tables of a snapshot that consumers read."""


def refuse_other_form(snapshot: Path) -> None:
    """Stop where a snapshot lacks what consumers read: it was made by an older version of this code, or a newer one.

    Every file says in which version of its form its table is (`tables.SCHEMA_VERSIONS`). One of the same major version
    may hold columns that this version does not know; one of before there were versions is judged by its columns.

    Raises:
        BadInput: a table or column is missing or of another type, or a table's form is of another major version; the
            sentence names the file.
        RunFailed: a file cannot be read.
    """
    import duckdb

    with closing(duckdb.connect(config={"threads": 1})) as connection:
        for name in READ_TABLES:
            file = snapshot / f"{name}.parquet"
            if not file.is_file():
                raise BadInput(_older(snapshot, f"has no table {name} ({file} is missing)"))
            held, known = _major_version(file), _major_of(TABLES[name].version)
            if held is not None and known is not None and held > known:
                raise BadInput(
                    f"The snapshot {snapshot.name} holds {name} in the form {held}.x, and this version reads form"
                    f" {known}.x ({file}): it is of a newer form; read it with the version that made it, or later."
                )
            lacks = _difference(connection, file, TABLES[name])
            if lacks is not None:
                raise BadInput(_older(snapshot, f"{lacks} ({file})"))


def _difference(connection: duckdb.DuckDBPyConnection, file: Path, table: Table) -> str | None:
    """In what a file is not of a table's form, in words; None where it is, or has more than that.

    Raises:
        RunFailed: the file cannot be read.
    """
    held_major, known_major = _major_version(file), _major_of(table.version)
    if held_major is not None and known_major is not None and held_major != known_major:
        return f"holds {table.name} in the form {held_major}.x, not {known_major}.x"
    held, known = _types(connection, f"FROM {scan(file)}"), _known_types(connection, table)
    missing = [column for column in known if column not in held]
    if missing:
        return f"has no column {missing[0]} in {table.name}"
    other = [column for column, kind in known.items() if held[column] != kind]
    if other:
        return f"holds the column {other[0]} of {table.name} as {held[other[0]]}, not as {known[other[0]]}"
    return None


def _types(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """Columns of a query and their types, as DuckDB writes them."""
    return {str(name): str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {query}").fetchall()}


def _known_types(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    return _types(connection, "SELECT " + ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in table.columns))


def _major_version(file: Path) -> int | None:
    """The major version of the form that a file says it is of; None of before there were versions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        said = (pq.read_metadata(file).metadata or {}).get(SCHEMA_VERSION.encode())
    except (OSError, pa.ArrowInvalid) as problem:
        raise RunFailed(
            f"{file} cannot be read (truncated or damaged): restore it from a backup, or run its night again (registry"
            " run)."
        ) from problem
    return _major_of(said.decode() if said is not None else None)


def _major_of(version: str | None) -> int | None:
    return int(version.split(".")[0]) if version is not None else None


def _older(snapshot: Path, lacks: str) -> str:
    return (
        f"The snapshot {snapshot.name} {lacks}, which consumers of this version read: it is of an older form; run its"
        " night again (registry run), or read it with the version that made it."
    )


@contextmanager
def open_whole(configuration: Configuration, snapshot_id: str, purpose: Purpose = "direct_care") -> Iterator[Reading]:
    """A whole snapshot, as direct care sees it.

    Raises:
        BadInput: the snapshot is of an older form.
        RunFailed: there is no such snapshot.
    """
    home, deployment = Home(configuration.home), configuration.deployment
    folder = home.snapshot(snapshot_id)
    if not (folder / "manifest.json").is_file():
        raise RunFailed(f"The snapshot {snapshot_id} is gone from {home.snapshots}: run its night again.")
    refuse_other_form(folder)
    night = date.fromisoformat(read_json(folder / "manifest.json")["night"])
    with closing(connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)) as connection:
        for name in READ_TABLES:
            connection.execute(f"CREATE TEMP VIEW {name} AS FROM {scan(folder / f'{name}.parquet')}")
        absent = name_made_before(connection, home, snapshot_id, night)
        yield Reading(configuration, purpose, snapshot_id, night, connection, absent)


def name_made_before(
    connection: duckdb.DuckDBPyConnection, home: Home, snapshot_id: str, night: date
) -> frozenset[str]:
    """Make the views of what was made of this snapshot and of earlier nights; returns the names of empty ones.

    What another version of this code made in another form is as if it had not been made.

    Raises:
        RunFailed: a file cannot be read.
    """
    alternative = home.snapshot(snapshot_id) / f"{LINKAGE_ALTERNATIVE.name}.parquet"
    sources: dict[str, tuple[Table, Path | None]] = {LINKAGE_ALTERNATIVE.name: (LINKAGE_ALTERNATIVE, alternative)}
    for name in MADE_BEFORE:
        sources[name] = (CONSUMER_TABLES[name], home.consumer(name, snapshot_id) / f"{name}.parquet")
    risk = CONSUMER_TABLES["risk_stratification"]
    sources[RISK_BEFORE] = (risk, _some_time_before(home, risk.name, night))
    absent = set()
    for view, (table, file) in sources.items():
        if file is not None and file.is_file() and _difference(connection, file, table) is None:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM {scan(file)}")
        else:
            absent.add(view)
            columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in table.columns)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {columns} LIMIT 0")
    return frozenset(absent)


def _some_time_before(home: Home, table: str, night: date) -> Path | None:
    """The table that was made of an earlier night that says most of how people have changed; see `RISK_BEFORE`."""
    made = [folder for folder in (home.root / "consumers" / table).glob("[0-9]*.*/") if not folder.is_symlink()]
    days_ago = {folder: (night - snapshot_night(folder)).days for folder in made if not folder.name.endswith(FORMER)}
    usable = {folder: days for folder, days in days_ago.items() if 0 < days <= MOST_DAYS_BEFORE}
    if not usable:
        return None
    old_enough = [folder for folder, days in usable.items() if days >= ENOUGH_DAYS_BEFORE]
    if old_enough:
        return max(old_enough, key=snapshot_order) / f"{table}.parquet"
    longest = max(usable.values())
    return max((f for f, days in usable.items() if days == longest), key=snapshot_order) / f"{table}.parquet"
