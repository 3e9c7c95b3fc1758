"""Where overrides are kept: rows that are added and never changed, in SQLite under the data folder or in PostgreSQL.

What belongs here: the tables, the triggers by which the database itself refuses change, numbering, opening and reading
the store, and what a row is. What does not: what an override may say (`overrides` and `override_check` refuse).

An override is a row of `registry_override` with a row of `registry_override_record` for each person record that its
sides stood for when it was made; taking it back is a row of `registry_override_undo`. Both engines hold the same
tables. Whoever writes holds the store alone (SQLite: BEGIN IMMEDIATE; PostgreSQL: an advisory lock of the transaction),
so that what was checked still holds when it is written, and numbers run 1, 2, 3 without a gap.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy import event

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.storage import Home

Kind = Literal["must_link", "cannot_link"]
Level = Literal["record", "person"]
Side = Literal["left", "right"]

WAIT_SECONDS = 30
"""How long one writer waits for another: a file of ten thousand overrides is checked and written in less."""

CONNECT_SECONDS = 10
"""How long a PostgreSQL may take to answer before the night fails: without its overrides a night would undo them."""

WRITERS_LOCK = 7_205_759_403
"""Key of PostgreSQL's advisory lock for whoever writes; any number that nothing else in the database uses."""


@dataclass(frozen=True)
class Undone:
    """Who took an override back, why and when (UTC)."""

    who: str
    role: str | None
    why: str
    made_at: datetime


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person decides about two records, or two people.

    Attributes:
        kind: one person whatever the data say, or never one person.
        level: whether a side was given as a person; the records that the person had then are what counts.
        left, right: what was given: a record key or a patient_id.
        left_records, right_records: record keys that the sides stood for when it was made, sorted.
        who, role, why: who made it, in which role, and for what reason.
        ends: in force on nights before this date; None: until it is undone.
    """

    kind: Kind
    level: Level
    left: str
    right: str
    left_records: tuple[str, ...]
    right_records: tuple[str, ...]
    who: str
    role: str | None = None
    why: str
    ends: date | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The record pairs that it comes to, the smaller key first.

        A must-link pairs all records of both sides with each other, so that it holds also on a night when some of them
        are not there; a cannot-link pairs every left record with every right one.
        """
        if self.kind == "must_link":
            return list(combinations(sorted({*self.left_records, *self.right_records}), 2))
        apart = product(self.left_records, self.right_records)
        return sorted({(min(pair), max(pair)) for pair in apart if pair[0] != pair[1]})


@dataclass(frozen=True, kw_only=True)
class Override(Decision):
    """A decision that was written down.

    Attributes:
        override_id: its number.
        made_at: when it was made (UTC).
        undone: who took it back, if anybody did.
    """

    override_id: int
    made_at: datetime
    undone: Undone | None = None

    def in_force(self, night: date) -> bool:
        """Whether a run of this night keeps to it: not undone, and the night lies before its end."""
        return self.undone is None and (self.ends is None or night < self.ends)


# Tables -------------------------------------------------------------------------------------------------------------

_METADATA = sa.MetaData()

_OVERRIDE = sa.Table(
    "registry_override",
    _METADATA,
    sa.Column("override_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, sa.CheckConstraint("kind IN ('must_link', 'cannot_link')"), nullable=False),
    sa.Column("level", sa.Text, sa.CheckConstraint("level IN ('record', 'person')"), nullable=False),
    sa.Column("left_given", sa.Text, nullable=False),
    sa.Column("right_given", sa.Text, nullable=False),
    sa.Column("who", sa.Text, sa.CheckConstraint("trim(who) <> ''"), nullable=False),
    sa.Column("role", sa.Text),
    sa.Column("why", sa.Text, sa.CheckConstraint("trim(why) <> ''"), nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ends", sa.Date),
)
_RECORD = sa.Table(
    "registry_override_record",
    _METADATA,
    sa.Column("override_id", sa.ForeignKey(_OVERRIDE.c.override_id), primary_key=True),
    sa.Column("side", sa.Text, sa.CheckConstraint("side IN ('left', 'right')"), primary_key=True),
    sa.Column("record_id", sa.Text, primary_key=True),
)
_UNDO = sa.Table(
    "registry_override_undo",
    _METADATA,
    sa.Column("override_id", sa.ForeignKey(_OVERRIDE.c.override_id), primary_key=True),
    sa.Column("who", sa.Text, sa.CheckConstraint("trim(who) <> ''"), nullable=False),
    sa.Column("role", sa.Text),
    sa.Column("why", sa.Text, sa.CheckConstraint("trim(why) <> ''"), nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
)

_REFUSAL = "overrides are append-only: what was decided is undone by a row of its own"
_SQLITE_CHANGE = """
CREATE TRIGGER %(table)s_no_{change} BEFORE {change} ON %(table)s
BEGIN SELECT RAISE(ABORT, '{refusal}'); END
"""
# SQLite's REPLACE removes a row without asking the triggers that watch deletion.
_SQLITE_REPLACE = """
CREATE TRIGGER %(table)s_no_replace BEFORE INSERT ON %(table)s
WHEN EXISTS (SELECT 1 FROM %(table)s WHERE {same})
BEGIN SELECT RAISE(ABORT, '{refusal}'); END
"""
_POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION registry_override_refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$
"""
_POSTGRESQL_CHANGE = """
CREATE TRIGGER %(table)s_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON %(table)s
FOR EACH STATEMENT EXECUTE FUNCTION registry_override_refuse()
"""


def _made_append_only(table: sa.Table) -> None:
    """Have the database itself refuse every change of what a table holds."""
    same = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key)
    for_sqlite = (
        *(_SQLITE_CHANGE.format(change=change, refusal=_REFUSAL) for change in ("update", "delete")),
        _SQLITE_REPLACE.format(same=same, refusal=_REFUSAL),
    )
    for statement in for_sqlite:
        event.listen(table, "after_create", _ddl(statement).execute_if(dialect="sqlite"))
    for statement in (_POSTGRESQL_FUNCTION.format(refusal=_REFUSAL), _POSTGRESQL_CHANGE):
        event.listen(table, "after_create", _ddl(statement).execute_if(dialect="postgresql"))


def _ddl(statement: str) -> sa.DDL:
    return sa.DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy has not annotated it


for _each in (_OVERRIDE, _RECORD, _UNDO):
    _made_append_only(_each)


# Opening ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Store:
    """The store of one deployment.

    Attributes:
        url: SQLAlchemy's address; may hold a password, so it is never shown.
        where: what messages call it.
    """

    url: sa.URL
    where: str

    @property
    def is_there(self) -> bool:
        """Whether anything was ever written, as far as can be told without connecting."""
        return self.file is None or self.file.is_file()

    @property
    def file(self) -> Path | None:
        """SQLite's file."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    def overrides(self) -> list[Override]:
        """Every override ever made, by number; empty where there is no store yet, and none is made by asking.

        Raises:
            RunFailed: the store cannot be read.
        """
        if not self.is_there:
            return []
        with self._connected(is_writer=False) as connection:
            return _read(connection)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Hold the store alone; what was added is kept when the block ends well, and nothing of it otherwise.

        Raises:
            RunFailed: the store cannot be written.
        """
        with self._connected(is_writer=True) as connection:
            _METADATA.create_all(connection)
            self._refuse_unguarded(connection)
            yield Writer(connection)

    def _refuse_unguarded(self, connection: sa.Connection) -> None:
        """A store that was copied without its triggers would forget what was decided without a word."""
        is_sqlite = connection.dialect.name == "sqlite"
        held = "SELECT name FROM sqlite_master WHERE type = 'trigger'" if is_sqlite else "SELECT tgname FROM pg_trigger"
        names = set(connection.exec_driver_sql(held).scalars())
        endings = ("update", "delete", "replace") if is_sqlite else ("change",)
        missing = {f"{table}_no_{ending}" for table in _METADATA.tables for ending in endings} - names
        if missing:
            raise RunFailed(
                f"The overrides in {self.where} have lost the triggers that keep them from being changed"
                f" ({', '.join(sorted(missing))}): restore them from a backup; nothing was changed."
            )

    @contextmanager
    def _connected(self, *, is_writer: bool) -> Iterator[sa.Connection]:
        try:
            if is_writer and self.file is not None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            with _engine(self.url, is_writer=is_writer).begin() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, ImportError) as problem:
            # The driver's own text may quote the address; only its kind is told.
            kind = type(getattr(problem, "orig", None) or problem).__name__
            doing = "written" if is_writer else "read"
            raise RunFailed(
                f"The overrides in {self.where} cannot be {doing} ({kind}): see that it is there, whole and within"
                " reach, then run again; nothing was changed."
            ) from problem


def store_of(configuration: Configuration, environment: Mapping[str, str] = os.environ) -> Store:
    """The deployment's store: the PostgreSQL that it names, else SQLite under the data folder.

    Args:
        configuration: the deployment.
        environment: where the variable that it names is looked up.

    Raises:
        BadInput: the variable is not set, or does not hold the address of a PostgreSQL.
    """
    name = configuration.deployment.overrides_url_env
    if name is None:
        path = Home(configuration.home).overrides
        return Store(sa.URL.create("sqlite", database=str(path)), str(path))
    given = environment.get(name, "").strip()
    if not given:
        raise BadInput(
            f"registry.yaml keeps overrides in the database that the environment variable {name} names"
            " (overrides_url_env), and it is not set: set it to postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    try:
        url = sa.make_url(given)
    except sa.exc.ArgumentError:
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        # The address is not quoted: it may hold a password.
        raise BadInput(
            f"The environment variable {name} (overrides_url_env) is not the address of a PostgreSQL:"
            " set it to postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    return Store(url.set(drivername="postgresql+psycopg"), f"the PostgreSQL that {name} names")


def _engine(url: sa.URL, *, is_writer: bool) -> sa.Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    wait = {"timeout": WAIT_SECONDS} if is_sqlite else {"connect_timeout": CONNECT_SECONDS}
    engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=wait)

    def connected(connection: Any, _record: Any) -> None:
        if is_sqlite:
            connection.isolation_level = None  # else the driver begins transactions of its own, and too late
            connection.execute("PRAGMA foreign_keys = ON")

    def begun(connection: sa.Connection) -> None:
        if is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
        elif is_writer:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS_LOCK)))

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


# Rows ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writer:
    """The store while nobody else can write."""

    connection: sa.Connection

    def overrides(self) -> list[Override]:
        """Every override ever made, by number."""
        return _read(self.connection)

    def add(self, decided: Decision) -> Override:
        """Write a decision down under the next number."""
        highest = sa.select(sa.func.coalesce(sa.func.max(_OVERRIDE.c.override_id), 0))
        number = self.connection.execute(highest).scalar_one() + 1
        made = Override(**vars(decided), override_id=number, made_at=_now())
        row = {c.name: getattr(made, c.name.removesuffix("_given")) for c in _OVERRIDE.columns}
        self.connection.execute(_OVERRIDE.insert(), row)
        sides: tuple[tuple[Side, tuple[str, ...]], ...] = (("left", made.left_records), ("right", made.right_records))
        self.connection.execute(
            _RECORD.insert(),
            [
                {"override_id": made.override_id, "side": side, "record_id": record}
                for side, records in sides
                for record in records
            ],
        )
        return made

    def undo(self, override_id: int, *, who: str, role: str | None, why: str) -> Undone:
        """Take an override back; the caller has seen that it is there and stands."""
        undone = Undone(who=who, role=role, why=why, made_at=_now())
        self.connection.execute(
            _UNDO.insert(),
            {"override_id": override_id, "who": who, "role": role, "why": why, "made_at": undone.made_at},
        )
        return undone


def _read(connection: sa.Connection) -> list[Override]:
    if not sa.inspect(connection).has_table(_OVERRIDE.name):
        return []
    records: dict[tuple[int, str], list[str]] = {}
    for number, side, record in connection.execute(sa.select(_RECORD)):
        records.setdefault((number, side), []).append(record)
    undone = {
        row.override_id: Undone(row.who, row.role, row.why, _utc(row.made_at))
        for row in connection.execute(sa.select(_UNDO))
    }
    return [
        Override(
            override_id=row.override_id,
            kind=cast("Kind", row.kind),
            level=cast("Level", row.level),
            left=row.left_given,
            right=row.right_given,
            left_records=tuple(sorted(records.get((row.override_id, "left"), ()))),
            right_records=tuple(sorted(records.get((row.override_id, "right"), ()))),
            who=row.who,
            role=row.role,
            why=row.why,
            made_at=_utc(row.made_at),
            ends=row.ends,
            undone=undone.get(row.override_id),
        )
        for row in connection.execute(sa.select(_OVERRIDE).order_by(_OVERRIDE.c.override_id))
    ]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _utc(moment: datetime) -> datetime:
    """SQLite keeps no time zone: what was written in UTC comes back without one."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
