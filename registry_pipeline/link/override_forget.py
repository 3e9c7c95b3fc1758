"""Overrides that speak of a person who is to be forgotten: the decisions stay, the person's keys go.

What belongs here: the one exception to the rule that overrides are never changed, since the law on erasure stands above
it. What does not: everything else about overrides (`override_store`).

Record keys give way to a name that means nobody; free text stays, but for values of the person in it. The triggers that
refuse change are dropped and made again inside one transaction: nobody else can write meanwhile, and after a kill the
store is as it was before.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any

import sqlalchemy as sa

from registry_pipeline.config import Configuration
from registry_pipeline.link import override_store
from registry_pipeline.link.override_store import Store, store_of

TAKEN_OUT = "[taken out]"
"""What stands in a reason where a value of the person stood."""

_GIVEN = ("left_given", "right_given")
_TABLES = ("registry_override", "registry_override_record", "registry_override_undo")


def forget(configuration: Configuration, records: Collection[str], stand_in: str, values: Sequence[str]) -> int:
    """Take a person's record keys, and values in reasons, out of the store of overrides.

    Args:
        configuration: the deployment.
        records: the person's record keys.
        stand_in: what takes the place of each.
        values: the person's values as they may be written in a reason.

    Returns:
        Rows that were changed; 0 where no override speaks of the person, and then nothing is written.

    Raises:
        BadInput: the database that the deployment names for overrides cannot be told.
        RunFailed: the store cannot be read or written.
    """
    store = store_of(configuration)
    if not store.is_there:
        return 0
    patterns = [re.compile(re.escape(value), re.IGNORECASE) for value in sorted(values, key=len, reverse=True)]
    with store.writing() as writer:
        changed = _Changing(writer.connection, set(records), stand_in, patterns).run()
    if changed:
        _compact(store)
    return changed


class _Changing:
    """One pass over the store."""

    def __init__(
        self, connection: sa.Connection, records: set[str], stand_in: str, patterns: list[re.Pattern[str]]
    ) -> None:
        self._connection = connection
        self._records = records
        self._stand_in = stand_in
        self._patterns = patterns

    def run(self) -> int:
        rows = {table: self._rows(table) for table in _TABLES}
        given = [row for row in rows["registry_override"] if self._concerns(row)]
        undone = [row for row in rows["registry_override_undo"] if self._cleared(row["why"]) != row["why"]]
        named = [row for row in rows["registry_override_record"] if row["record_id"] in self._records]
        if not (given or undone or named):
            return 0
        triggers = self._drop_triggers()
        for row in given:
            new = {c: self._stand_in if row[c] in self._records else row[c] for c in _GIVEN}
            self._execute(
                "UPDATE registry_override SET left_given = :left_given, right_given = :right_given, why = :why"
                " WHERE override_id = :override_id",
                {**new, "why": self._cleared(row["why"]), "override_id": row["override_id"]},
            )
        for row in undone:
            self._execute(
                "UPDATE registry_override_undo SET why = :why WHERE override_id = :override_id",
                {"why": self._cleared(row["why"]), "override_id": row["override_id"]},
            )
        for row in named:
            self._execute(
                "DELETE FROM registry_override_record"
                " WHERE override_id = :override_id AND side = :side AND record_id = :record_id",
                row,
            )
        for number, side in sorted({(row["override_id"], row["side"]) for row in named}):
            self._execute(
                "INSERT INTO registry_override_record (override_id, side, record_id) VALUES (:n, :side, :record)",
                {"n": number, "side": side, "record": self._stand_in},
            )
        for statement in triggers:
            self._connection.exec_driver_sql(statement)
        return len(given) + len(undone) + len(named)

    def _rows(self, table: str) -> list[dict[str, Any]]:
        found = self._connection.execute(sa.text(f"SELECT * FROM {table}"))  # noqa: S608  # names from this module
        return [dict(row) for row in found.mappings()]

    def _execute(self, statement: str, values: dict[str, Any]) -> None:
        self._connection.execute(sa.text(statement), values)

    def _concerns(self, row: dict[str, Any]) -> bool:
        return any(row[c] in self._records for c in _GIVEN) or self._cleared(row["why"]) != row["why"]

    def _cleared(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(TAKEN_OUT, text)
        return text

    def _drop_triggers(self) -> list[str]:
        """Drop the triggers that refuse change; returns what makes them again."""
        connection = self._connection
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
            held = connection.exec_driver_sql(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'registry_override%'"
            ).fetchall()
            for name, _ in held:
                connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
            return [str(made) for _, made in held]
        for table in _TABLES:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER {table}_no_change")
        return [f"ALTER TABLE {table} ENABLE TRIGGER {table}_no_change" for table in _TABLES]


def _compact(store: Store) -> None:
    """Write the store anew without what was deleted: databases keep it in free pages."""
    if store.file is not None:
        with closing(sqlite3.connect(store.file, timeout=override_store.WAIT_SECONDS)) as connection:
            connection.execute("VACUUM")
        return
    engine = sa.create_engine(store.url, poolclass=sa.NullPool, hide_parameters=True, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for table in _TABLES:
            connection.exec_driver_sql(f"VACUUM FULL {table}")
