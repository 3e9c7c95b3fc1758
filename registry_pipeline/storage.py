"""Where things lie, and how they are written: the only module that knows paths under REGISTRY_HOME.

What belongs here: paths, atomic writes, DuckDB connections, loading SQL files, locks. What does not: what a table
means (`tables.py`), and what happened to a feed (`outcomes.py`).

Layout under REGISTRY_HOME:

    landing/<provider>/<feed>/<night>/v<n>/          delivered files and their manifest.json; never changed
    staging/<night>/<provider>/<table>[.<feed>].parquet    raw_, accepted_, person_record, events; outcome.<feed>.json
    quarantine/<night>/<provider>/<table>.parquet    quarantined_<feed>
    linkage/<night>/<table>.parquet                  linked_pair, person_cluster
    registry/snapshots/<id>/<table>.parquet          published tables and manifest.json
    registry/snapshots/<id>/published.json           written when the snapshot is published, never before
    registry/failed/<id>/                            snapshots that failed their audit, kept as evidence
    registry/current                                 symlink to a snapshot, swapped atomically
    reports/<id>/                                    linkage quality report of a snapshot, and Data Docs
    outputs/<purpose>/<id>/<table>.parquet           a snapshot's pseudonymised tables for a purpose, manifest.json
    outputs/<purpose>/current                        symlink to the one that the purpose may read
    consumers/<table>/<id>/<table>.parquet           what a consumer made of a snapshot, its pages and manifest.json
    consumers/<table>/current                        symlink to the one that its readers see
    risk_models/<version>.json, .md                  locally fitted risk models, each with its card
    govern/                                          opt-out replies, objections, tombstones of forgotten people
    journal/journal.jsonl                            who did what: append-only, hash-chained
    overrides/overrides.sqlite                       overrides, append-only; unless PostgreSQL keeps them
    tmp/, locks/                                     DuckDB spill and unfinished files; one file a lock
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.errors import RunFailed
from registry_pipeline.tables import Column, Table

if TYPE_CHECKING:
    import duckdb

PARQUET_ROW_GROUP = 122_880
"""Rows in a Parquet row group: DuckDB's own unit of parallel reading."""

SMALL_FILE = 2 << 20
"""Bytes of a Parquet file of some ten thousand rows: far fewer than a row group holds."""

SCHEMA_VERSION = "schema_version"
"""Key under which a published Parquet file, and a manifest, say in which version of its form a table is."""

PARQUET_COMPRESSION = "COMPRESSION zstd, COMPRESSION_LEVEL 1"
"""A tenth faster to write than the default level, and no larger: most columns are dictionaries."""


@dataclass(frozen=True)
class Home:
    """The data folder of one deployment."""

    root: Path

    def landing(self, provider: str, feed: str, night: date) -> Path:
        """Folder of a feed's deliveries of one night; its versions lie in it as v1, v2, ..."""
        return self.root / "landing" / provider / feed / night.isoformat()

    def staged(self, table: str, provider: str, night: date, feed: str | None = None) -> Path:
        """A provider's share of a table; events carry the feed that they came from in their name."""
        name = f"{table}.{feed}.parquet" if feed else f"{table}.parquet"
        return self.root / "staging" / night.isoformat() / provider / name

    def unreadable(self, feed: str, provider: str, night: date) -> Path:
        """Rows of a delivery that could not be read as rows."""
        return self.staged(f"unreadable_{feed}", provider, night)

    def extracted(self, feed: str, provider: str, night: date) -> Path:
        """What extract found in a delivery: from which version and description `raw_<feed>` was made."""
        return self.root / "staging" / night.isoformat() / provider / f"extracted.{feed}.json"

    def quarantined(self, feed: str, provider: str, night: date) -> Path:
        """Rows that may not go on."""
        return self.root / "quarantine" / night.isoformat() / provider / f"quarantined_{feed}.parquet"

    def validation(self, feed: str, provider: str, night: date) -> Path:
        """What the suite of a feed found on a night: figures for the Data Docs, no value."""
        return self.root / "staging" / night.isoformat() / provider / f"validation.{feed}.json"

    def outcome(self, provider: str, feed: str, night: date) -> Path:
        """What happened to a feed on a night."""
        return self.root / "staging" / night.isoformat() / provider / f"outcome.{feed}.json"

    def linked(self, table: str, night: date) -> Path:
        """A table of the link stage, for the night."""
        return self.root / "linkage" / night.isoformat() / f"{table}.parquet"

    @property
    def frozen(self) -> Path:
        """What is counted once per model version and then held fixed: `<version>/<n>/`."""
        return self.root / "linkage" / "frozen"

    @property
    def models(self) -> Path:
        """What is known of linkage models in this home: reports on them, and which were let in."""
        return self.root / "linkage" / "models"

    def snapshot(self, snapshot_id: str) -> Path:
        """A registry snapshot."""
        return self.root / "registry" / "snapshots" / snapshot_id

    @property
    def snapshots(self) -> Path:
        """The folder of all snapshots."""
        return self.root / "registry" / "snapshots"

    def failed(self, snapshot_id: str) -> Path:
        """A snapshot that failed its audit: evidence, never read as a registry."""
        return self.root / "registry" / "failed" / snapshot_id

    @property
    def current(self) -> Path:
        """The symlink to the snapshot that readers see."""
        return self.root / "registry" / "current"

    def report(self, report_id: str) -> Path:
        """A report's folder."""
        return self.root / "reports" / report_id

    @property
    def overrides(self) -> Path:
        """The embedded store of overrides, once one was made. No run can make it again: back it up."""
        return self.root / "overrides" / "overrides.sqlite"

    def output(self, purpose: str, snapshot_id: str) -> Path:
        """The pseudonymised tables of a snapshot for one purpose."""
        return self.root / "outputs" / purpose / snapshot_id

    def output_current(self, purpose: str) -> Path:
        """The symlink to the output that a purpose may read."""
        return self.root / "outputs" / purpose / "current"

    def consumer(self, table: str, snapshot_id: str) -> Path:
        """What a consumer made of a snapshot: its table, its pages and its manifest."""
        return self.root / "consumers" / table / snapshot_id

    def consumer_current(self, table: str) -> Path:
        """The symlink to what a consumer's readers see."""
        return self.root / "consumers" / table / "current"

    @property
    def risk_models(self) -> Path:
        """Locally fitted risk models, each beside its card."""
        return self.root / "risk_models"

    @property
    def govern(self) -> Path:
        """What governance keeps between nights: opt-out replies, objections, tombstones."""
        return self.root / "govern"

    @property
    def journal(self) -> Path:
        """The journal. No run can make it again: back it up."""
        return self.root / "journal" / "journal.jsonl"

    @property
    def temporary(self) -> Path:
        """Unfinished files and DuckDB's spill; nothing in it is ever read again after a run."""
        return self.root / "tmp"

    def nights(self) -> list[date]:
        """Nights with anything staged, in order."""
        staging = self.root / "staging"
        return sorted(date.fromisoformat(p.name) for p in staging.iterdir()) if staging.is_dir() else []


def create_for_owner_only() -> None:
    """From here on, whatever this process and its children create can be read by its own account only."""
    os.umask(0o077)


def connect(
    home: Home, *, memory_limit: str = "3GB", threads: int | None = None, macros: bool | str = True
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the macros of `sql/macros.sql`, which spills to the home's temporary folder.

    Args:
        home: the data folder.
        memory_limit: what DuckDB may hold before it spills.
        threads: None takes every core.
        macros: False leaves them out, and SQL text takes only those that it names: making all of them takes three times
            as long as the connection itself, which counts where a stage has many small feeds.
    """
    import duckdb

    spill = home.temporary / f"duckdb-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    spill.parent.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"memory_limit": memory_limit, "temp_directory": str(spill)}
    if threads:
        settings["threads"] = threads
    connection = duckdb.connect(config=settings)
    # Else DuckDB prints a bar of its own to standard output whenever a query takes more than two seconds.
    connection.execute("SET enable_progress_bar = false")
    # Else DuckDB turns IN (...) with a handful of constants into a join, which costs more to plan and to run than
    # comparing: two thirds of the time of standardising a small feed.
    # And it would compile each regular expression once more, to guess at a range of what may match.
    connection.execute("SET disabled_optimizers = 'in_clause,regex_range'")
    if macros:
        connection.execute(load_sql("macros") if macros is True else macros_of(macros))
    return connection


def threads_for(source: Path, threads: int | None) -> int | None:
    """One thread for a small Parquet file: it is one row group, which one thread reads, and each costs its start."""
    return 1 if source.is_file() and source.stat().st_size < SMALL_FILE else threads


@cache
def load_sql(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return resources.files("registry_pipeline").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def macros_of(text: str) -> str:
    """Those macros of `sql/macros.sql` that a text names, and those that they name in turn, in the file's order."""
    _, *blocks = re.split(r"^CREATE OR REPLACE MACRO (\w+)", load_sql("macros"), flags=re.MULTILINE)
    macros = dict(zip(blocks[::2], blocks[1::2], strict=True))
    needed: set[str] = set()
    asked = {text}
    while asked:
        called = {name for each in asked for name in re.findall(r"(\w+)\(", each)} & macros.keys()
        asked = {macros[name] for name in called - needed}
        needed |= called
    return "".join(f"CREATE OR REPLACE MACRO {name}{body}" for name, body in macros.items() if name in needed)


def write_table(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    table: Table,
    path: Path,
    parameters: Mapping[str, Any] | None = None,
) -> int:
    """Write a query's rows as one Parquet file, whole or not at all; the file describes its own columns.

    The query may give the columns in any order; they are cast to the dictionary's types and put in its order.

    Args:
        connection: where the query runs.
        query: a SELECT, with `$name` parameters.
        table: what the file holds.
        path: the file.
        parameters: bound to the query.

    Returns:
        Rows written.

    Raises:
        RunFailed: the disk is full.
    """
    columns = ", ".join(f'"{c.name}"::{c.type} AS "{c.name}"' for c in table.columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.unfinished")
    copy = (
        f"COPY (SELECT {columns} FROM ({query})) TO '{_quoted(unfinished)}' (FORMAT parquet, {PARQUET_COMPRESSION},"  # noqa: S608  # names from tables.py
        f" ROW_GROUP_SIZE {PARQUET_ROW_GROUP}, KV_METADATA {{{_descriptions(connection, table)}}})"
    )
    try:
        rows = connection.execute(copy, dict(parameters or {})).fetchall()[0][0]
        unfinished.replace(path)
    except BaseException as problem:
        unfinished.unlink(missing_ok=True)
        raise_if_disk_full(problem, path)
        raise
    return int(rows)


def _descriptions(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Parquet key-values: the table's description, and an Arrow schema whose fields carry each column's."""
    import pyarrow as pa

    empty = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in table.columns)
    schema = connection.sql(f"SELECT {empty} LIMIT 0").to_arrow_table().schema
    fields = [field.with_metadata(_said_of(column)) for field, column in zip(schema, table.columns, strict=True)]
    about = {"table": table.name, "one_row_per": table.one_row_per, "key": ", ".join(table.key)}
    if table.version is not None:
        about[SCHEMA_VERSION] = table.version
    arrow = base64.b64encode(pa.schema(fields, metadata=about).serialize().to_pybytes()).decode()
    pairs = {"ARROW:schema": arrow, **about, **{f"description:{c.name}": c.description for c in table.columns}}
    return ", ".join(f"'{key}': '{value.replace(chr(39), chr(39) * 2)}'" for key, value in pairs.items())


def _said_of(column: Column) -> dict[str, str]:
    """What a file's field says of its column."""
    said = {"description": column.description, "type": column.type, "unit": column.unit, "codes": column.codes}
    if not column.is_nullable:
        said["nullable"] = "false"
    return {name: value for name, value in said.items() if value is not None}


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def scan(paths: Path | list[Path]) -> str:
    """A `read_parquet(...)` expression for a FROM clause; file names come from this module, not from data."""
    files = [paths] if isinstance(paths, Path) else paths
    listed = ", ".join(f"'{_quoted(p)}'" for p in files)
    return f"read_parquet([{listed}], union_by_name = true)"


@contextmanager
def whole_file(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """A file that takes its name only when the block ends well; the block writes the path that it is given.

    Args:
        path: the file; its folder is made if need be, and a former file gives way in one step.
        mode: permissions; None leaves them to the process's umask.

    Raises:
        RunFailed: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.unfinished")
    try:
        yield unfinished
        if mode is not None:
            unfinished.chmod(mode)
        unfinished.replace(path)
    except BaseException as problem:
        unfinished.unlink(missing_ok=True)
        raise_if_disk_full(problem, path)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        RunFailed: the disk is full.
    """
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def write_texts(files: Mapping[Path, str]) -> None:
    """Write text files that belong together: each whole, and none before all of them lie on the disk.

    Raises:
        RunFailed: the disk is full.
    """
    ending = f".{uuid.uuid4().hex[:8]}.unfinished"
    unfinished = {path: path.with_name(f".{path.name}{ending}") for path in files}
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished[path].write_text(text, encoding="utf-8")
        for path, made in unfinished.items():
            made.replace(path)
    except BaseException as problem:
        for made in unfinished.values():
            made.unlink(missing_ok=True)
        raise_if_disk_full(problem, next(iter(files)))
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def file_digest(path: Path) -> str:
    """SHA-256 of a file: half a second a gigabyte, far less than reading it as a table."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder that appears under its name only when the block ends well; `path` must not exist yet.

    Raises:
        RunFailed: the disk is full.
    """
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.unfinished")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        unfinished.rename(path)
    except BaseException as problem:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise_if_disk_full(problem, path)
        raise


FORMER = ".former"
"""What a folder is called that readers still see while it is made anew."""


def step_aside(folder: Path, link: Path) -> None:
    """Before a folder that was made anew takes its name: what readers see they go on seeing, under another name.

    Args:
        folder: the one that stands; nothing happens if there is none.
        link: the symlink that readers follow.
    """
    if not folder.exists():
        return
    if link.exists() and link.resolve() == folder.resolve():
        former = folder.with_name(f"{folder.name}{FORMER}")
        if former.exists():
            remove_folder(former)
        with whole_folder(former) as copy:
            shutil.copytree(folder, copy, copy_function=os.link, dirs_exist_ok=True)
        swap_symlink(link, former)
    remove_folder(folder)


def prune_made_of_snapshots(home: Home, kind: str) -> list[str]:
    """Remove what was made of snapshots that are no longer kept; never what readers see.

    Args:
        home: the data folder.
        kind: `outputs` or `consumers`.

    Returns:
        The folders removed, as `<purpose or table>/<id>`.
    """
    removed = []
    for whose in sorted((home.root / kind).glob("*/")):
        current = (whose / "current").resolve()
        for folder in sorted(whose.iterdir()):
            if folder.is_symlink() or folder.name.startswith(".") or folder == current:
                continue
            if folder.name.endswith(FORMER) or not home.snapshot(folder.name).is_dir():
                remove_folder(folder)
                removed.append(f"{whose.name}/{folder.name}")
    return removed


def remove_folder(folder: Path) -> None:
    """Remove a folder, renamed first: a kill must not leave half of one under its name."""
    leaving = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unfinished")
    folder.rename(leaving)
    shutil.rmtree(leaving)


def snapshot_order(path: Path) -> tuple[date, int]:
    """A snapshot's night, and which of that night's it is, from its folder's name `<night>.<n>`.

    Raises:
        ValueError: the name is not one of a snapshot.
    """
    night, _, number = path.name.partition(".")
    return date.fromisoformat(night), int(number)


def snapshot_night(path: Path) -> date:
    """The night of a snapshot folder."""
    return snapshot_order(path)[0]


def published_snapshots(home: Home) -> list[Path]:
    """Snapshot folders that were ever published, in order of night, then of making."""
    return sorted((marker.parent for marker in home.snapshots.glob("*/published.json")), key=snapshot_order)


def swap_symlink(link: Path, target: Path) -> None:
    """Point a symlink at another folder in one step; readers see the old one or the new one, never neither."""
    unfinished = link.with_name(f".{link.name}.{uuid.uuid4().hex[:8]}.unfinished")
    unfinished.symlink_to(os.path.relpath(target, link.parent))
    unfinished.replace(link)


@contextmanager
def lock(home: Home, name: str) -> Iterator[None]:
    """Hold a lock of this home for the block; the operating system frees it if the process dies.

    Raises:
        RunFailed: another process holds it, or the whole home.
    """
    from filelock import FileLock, Timeout

    with _held_home(home, whole=False):
        held = FileLock(home.root / "locks" / f"{name}.lock", timeout=0)
        try:
            held.acquire()
        except Timeout as problem:
            raise RunFailed(
                f"Another run holds {name} under {home.root}: wait until it ends, then run again if it is still needed."
            ) from problem
        try:
            yield
        finally:
            held.release()


@contextmanager
def lock_whole(home: Home) -> Iterator[None]:
    """Hold the home against every run, of any night and provider, for the block.

    Raises:
        RunFailed: some run is at work.
    """
    with _held_home(home, whole=True):
        held = _HELD_WHOLE.set(_HELD_WHOLE.get() | {home.root})
        try:
            yield
        finally:
            _HELD_WHOLE.reset(held)


_HELD_WHOLE: ContextVar[frozenset[Path]] = ContextVar("homes held whole", default=frozenset())
"""Homes that whoever asks for a lock holds for itself alone already."""


@contextmanager
def _held_home(home: Home, *, whole: bool) -> Iterator[None]:
    """The home's own lock: runs share it, and who changes all of the home has it alone."""
    import fcntl

    if not whole and home.root in _HELD_WHOLE.get():
        yield
        return
    folder = home.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "home.lock").open("a") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if whole else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise RunFailed(
                f"{'A run' if whole else 'Forgetting a person'} is at work under {home.root}: wait until it ends, then"
                " run again if it is still needed."
            ) from problem
        yield


def clear_unfinished(home: Home) -> None:
    """Remove what killed runs left: unfinished files and spill. Only while holding the lock of a night."""
    shutil.rmtree(home.temporary, ignore_errors=True)
    for part in ("landing", "staging", "quarantine", "linkage", "registry", "reports", "outputs", "govern"):
        for left in (home.root / part).rglob(".*.unfinished"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def raise_if_disk_full(problem: BaseException, path: Path) -> None:
    """Turn any form of "no space left" into one sentence; other problems pass by.

    Raises:
        RunFailed: the disk is full.
    """
    text = str(problem)
    full = isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left" in text or "failed to offload data block" in text.lower():
        raise RunFailed(
            f"The disk that holds {path.parent} is full: free space and run again; the last registry still stands."
        ) from problem
