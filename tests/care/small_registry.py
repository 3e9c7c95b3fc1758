"""A registry of a few rows that a test writes itself, read as a consumer reads it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from registry_pipeline.config import Configuration, CsvSource, Deployment, Feed, Provider
from registry_pipeline.consumer import MADE_BEFORE, READ_TABLES, RISK_BEFORE, Reading
from registry_pipeline.storage import load_sql, macros_of
from registry_pipeline.tables import CONSUMER_TABLES, LINKAGE_ALTERNATIVE, TABLES, Table

NIGHT = date(2026, 4, 1)
SETTINGS = {
    "GP1": "gp", "GP2": "gp", "RX1": "acute", "RX2": "acute", "RY1": "community", "RV1": "mental_health",
    "LA1": "social_care",
}  # fmt: skip

Rows = list[dict[str, Any]]


def person(number: int) -> uuid.UUID:
    """The id of the person that tests call by a number; ids are in the order of the numbers."""
    return uuid.UUID(int=number)


def number(patient_id: Any) -> int:
    """The number of an id."""
    return int(uuid.UUID(str(patient_id)).int)


def event(of: int, provider: str, **values: Any) -> dict[str, Any]:
    """A row of an event table."""
    return {"patient_id": person(of), "provider": provider, "setting": SETTINGS[provider], **values}


def provider(code: str) -> Provider:
    """A provider's description."""
    feeds = {"patient": Feed(source=CsvSource(kind="csv", path="patient.csv"))}
    return Provider(provider=code, name=f"Organisation {code}", setting=SETTINGS[code], feeds=feeds)


@contextmanager
def reading(tables: Mapping[str, Rows], purpose: Any = "direct_care", **deployment: Any) -> Iterator[Reading]:
    """A reading of rows given in part: columns that are not given are null, tables that are not given are empty.

    Tables of other consumers that are not given are absent.
    """
    shapes: dict[str, Table] = {name: TABLES[name] for name in READ_TABLES}
    shapes |= {name: CONSUMER_TABLES[name] for name in MADE_BEFORE}
    shapes |= {RISK_BEFORE: CONSUMER_TABLES["risk_stratification"], LINKAGE_ALTERNATIVE.name: LINKAGE_ALTERNATIVE}
    assert tables.keys() <= shapes.keys(), tables.keys() - shapes.keys()
    configuration = Configuration(
        directory=Path("/nowhere"),
        home=Path("/nowhere"),
        deployment=Deployment(name="small", **deployment),
        providers={code: provider(code) for code in SETTINGS},
    )
    with closing(duckdb.connect(config={"threads": 1})) as connection:
        needed = "nhs_number_check_digit_ok(nhs_number_digits("  # care's own; making all of them takes most of a test
        connection.execute(macros_of(load_sql("codes_occurring") + needed))
        for name, shape in shapes.items():
            columns = ", ".join(f'"{column.name}" {column.type}' for column in shape.columns)
            connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
            _fill(connection, shape, name, tables.get(name, []))
        absent = frozenset({*MADE_BEFORE, RISK_BEFORE, LINKAGE_ALTERNATIVE.name} - tables.keys())
        yield Reading(configuration, purpose, f"{NIGHT}.1", NIGHT, connection, absent)


def _fill(connection: duckdb.DuckDBPyConnection, shape: Table, name: str, rows: Rows) -> None:
    alike: dict[tuple[str, ...], Rows] = {}
    for place, row in enumerate(rows):
        told = {**({"event_key": f"{name}:{place:05}"} if "event_key" in shape.column_names else {}), **row}
        assert told.keys() <= set(shape.column_names), told.keys() - set(shape.column_names)
        alike.setdefault(tuple(sorted(told)), []).append(told)
    for columns, told_rows in alike.items():
        names = ", ".join(f'"{column}"' for column in columns)
        places = ", ".join(f"({', '.join('?' for _ in columns)})" for _ in told_rows)
        values = [row[column] for row in told_rows for column in columns]
        connection.execute(f"INSERT INTO {name} ({names}) VALUES {places}", values)


def rows_of(path: Path) -> Rows:
    """The rows of a made table, in the order of the file."""
    with closing(duckdb.connect()) as connection:
        result = connection.execute(f"FROM read_parquet('{path}')")
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
