"""Deliveries for the tests of suites: good rows, and the means to stage any rows as a provider's raw feed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.storage import Home, connect, scan, write_table
from registry_pipeline.tables import CONSUMER_TABLES, FEEDS, TABLES, Table, raw_columns

NIGHT = date(2026, 4, 1)
NIGHTS_BEFORE = [40, 41, 40]
"""Accepted rows of three earlier nights, about as many as `forty` rows."""


def nhs_number(number: int, first: int = 400_000_019) -> str:
    """The number with a right check digit that begins at the nine digits first + 37 * number or soon after."""
    digits = first + 37 * number
    while True:
        total = sum(int(d) * w for d, w in zip(f"{digits:09}", range(10, 1, -1), strict=True))
        check = (11 - total % 11) % 11
        if check < 10:
            return f"{digits:09}{check}"
        digits += 1


GOOD: dict[str, dict[str, Any]] = {
    "patient": {
        "nhs_number_status": "01",
        "title": "Ms",
        "given_name": "Zoë",
        "middle_names": "Ann",
        "family_name": "O'Neill-Łuk",
        "previous_family_name": None,
        "birth_date": "1961-07-23",
        "death_date": None,
        "sex": "2",
        "ethnicity": "A",
        "address": "1 High Street",
        "postcode": "AB1 2CD",
        "phone": "01632 960123",
        "email": "z@example.org",
        "gp_practice": "A81001",
        "sensitive": "N",
        "test_patient": "FALSE",
        "deleted": "0",
        "merged_into": None,
    },
    "spell": {
        "start_date": "2026-03-28T10:15:00",
        "end_date": "2026-03-30",
        "admission_method": "21",
        "admission_source": "19",
        "discharge_method": "1",
        "discharge_destination": "19",
        "patient_classification": "1",
        "specialty": "300",
        "diagnoses": "I10X;E11.9",
        "procedures": "W37.1",
        "clinically_ready_date": "2026-03-29",
        "site": "RX101",
    },
    "attendance": {"start_date": "2026-03-31 23:59:00", "end_date": "2026-04-01 02:00:00", "department_type": "01"},
    "contact": {
        "start_date": "2026-03-31",
        "duration_minutes": "20",
        "attendance_status": "5",
        "consultation_mechanism": "01",
    },
    "referral": {"start_date": "2026-03-31", "end_date": "2026-03-31", "priority": "2"},
    "medication": {
        "start_date": "2026-03-31",
        "end_date": None,
        "code": "42109611000001109",
        "description": "Metformin 500mg tablets",
        "repeat": "Y",
    },
    "condition": {
        "start_date": "2026-03-31",
        "end_date": None,
        "code": "44054006",
        "coding_system": "snomed",
        "description": "Type 2 diabetes",
    },
    "care_plan": {
        "plan_type": "integrated",
        "start_date": "2026-03-01",
        "updated_date": "2026-03-02",
        "review_date": "2026-09-02",
        "end_date": None,
        "agreed": "Y",
    },
    "service": {"start_date": "2026-03-31", "end_date": None, "service_type": "Long Term Support: Community"},
    "carer": {
        "carer_local_id": "C1",
        "start_date": "2026-03-31",
        "end_date": None,
        "assessment_date": "2026-03-31",
    },
    "observation": {
        "start_date": "2026-03-31",
        "code": "999791000000106",
        "coding_system": "snomed",
        "description": "Haemoglobin A1c level",
        "value": "53.5",
        "unit": "mmol/mol",
    },
    "nhs_number_replacement": {"start_date": "2026-03-31"},
}


def row(feed: str, number: int, **changes: Any) -> dict[str, Any]:
    """One good row of a feed, with a key of its own, and with changes."""
    shape = FEEDS[feed]
    made: dict[str, Any] = dict.fromkeys(shape.column_names)
    made |= GOOD[feed]
    if "event_id" in made:
        made |= {"event_id": f"E{number}", "local_id": f"L{number % 7}"}
    if "deleted" in made:
        made["deleted"] = "N"
    if feed == "patient":
        made |= {"local_id": f"L{number}", "nhs_number": nhs_number(number)}
        made["birth_date"] = f"19{60 + number % 40}-0{1 + number % 9}-{11 + number % 18}"
    if feed == "nhs_number_replacement":
        made |= {"nhs_number": nhs_number(number), "replaced_by": nhs_number(number + 5000)}
    return made | changes


def rows(feed: str, count: int) -> list[dict[str, Any]]:
    """Good rows of a feed."""
    return [row(feed, number) for number in range(count)]


def deployment(home: Path, feed: str, *, synthetic: bool = False, **provider: Any) -> tuple[Configuration, Provider]:
    """A deployment of one provider whose names are the canonical ones; `columns` may say otherwise."""
    columns = provider.pop("columns", {name: name for name in FEEDS[feed].column_names})
    described = Provider.model_validate(
        {
            "provider": "RX1",
            "setting": "acute",
            "feeds": {feed: {"source": {"kind": "csv", "path": "x.csv"}, "columns": columns}},
            **provider,
        }
    )
    configuration = Configuration(
        directory=home,
        home=home,
        deployment=Deployment(synthetic_nhs_numbers=synthetic),
        providers={"RX1": described},
    )
    return configuration, described


def stage_raw(home: Path, feed: str, delivered: list[dict[str, Any]], *, without: tuple[str, ...] = ()) -> None:
    """Write rows as extract leaves them."""
    names = [c.name for c in raw_columns(feed) if c.name not in without]
    origin = [
        {"source_row": n, "source_file": "x.csv", "source_line": n + 1, "delivery": "RX1/x/v1"} | each
        for n, each in enumerate(delivered, start=1)
    ]
    types = {"source_row": pa.int64(), "source_line": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
    path = Home(home).staged(f"raw_{feed}", "RX1", NIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{n: r.get(n) for n in names} for r in origin], schema=schema), path)


def stage_unreadable(home: Path, feed: str, reasons: list[str]) -> None:
    """Write rows that extract could not read."""
    schema = pa.schema(
        [
            ("source_row", pa.int64()),
            ("source_file", pa.string()),
            ("source_line", pa.int64()),
            ("delivery", pa.string()),
            ("reason", pa.string()),
        ]
    )
    lines = [
        {"source_row": None, "source_file": "x.csv", "source_line": n, "delivery": "RX1/x/v1", "reason": reason}
        for n, reason in enumerate(reasons, start=1000)
    ]
    path = Home(home).unreadable(feed, "RX1", NIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(lines, schema=schema), path)


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet file."""
    return pq.read_table(path).to_pylist()


def write_made(folder: Path, table: str, values: list[dict[str, Any]], *, without: tuple[str, ...] = ()) -> Path:
    """Write a made table from values as SQL expressions, typed as the dictionary has it."""
    shape = CONSUMER_TABLES.get(table) or TABLES[table]
    columns = tuple(c for c in shape.columns if c.name not in without)
    made = Table(shape.name, shape.one_row_per, shape.key, columns)
    selects = [
        "SELECT " + ", ".join(f"{value.get(c.name, 'NULL')}::{c.type} AS {c.name}" for c in columns) for value in values
    ]
    nothing = "SELECT " + ", ".join(f"NULL::{c.type} AS {c.name}" for c in columns) + " WHERE false"
    path = folder / f"{table}.parquet"
    connection = connect(Home(folder))
    try:
        write_table(connection, " UNION ALL ".join(selects) or nothing, made, path)
        assert connection.sql(f"SELECT count(*) FROM {scan(path)}").fetchall() == [(len(values),)]
    finally:
        connection.close()
    return path
