"""A registry of a handful of records, written by hand: who objected, and whom the national check may be asked about.

What belongs here: writing the tables that objections read. What does not: running a night (tests/pipeline).
"""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.storage import Home, connect, swap_symlink, write_json, write_table
from registry_pipeline.tables import TABLES

NIGHT = date(2026, 4, 1)
SETTINGS = {"G": "gp", "H": "gp", "R": "acute"}
MAILBOX = "MADEUP01"


def number(n: int) -> str:
    """The n-th valid NHS number of the synthetic range."""
    nine = 900_000_100 + 7 * n
    while (digit := 11 - sum(int(d) * (10 - i) for i, d in enumerate(str(nine))) % 11) == 10:
        nine += 1
    return f"{nine}{digit % 11}"


def person(n: int) -> str:
    """The n-th person's id."""
    return str(uuid.UUID(int=n))


def record(record_id: str, of: int, nhs_number: str | None = None) -> dict:
    """A record of a person: G and H are practices, R is a hospital."""
    provider, _, local_id = record_id.partition(":")
    return {
        "record_id": record_id, "patient_id": person(of), "provider": provider, "local_id": local_id,
        "setting": SETTINGS[provider], "nhs_number": nhs_number, "night": NIGHT,
    }  # fmt: skip


def configuration(folder: Path, **deployment) -> Configuration:
    """A deployment with a MESH client's folders and an output for research."""
    for name in ("outbox", "inbox"):
        (folder / "mesh" / name).mkdir(parents=True, exist_ok=True)
    described = {
        "national_opt_out": {"mailbox": MAILBOX, "outbox": "mesh/outbox", "inbox": "mesh/inbox"},
        "outputs": {"research": {"key": {"env": "NO_KEY"}}},
        **deployment,
    }
    providers = {
        code: Provider.model_validate(
            {
                "provider": code,
                "setting": setting,
                "feeds": {"patient": {"source": {"kind": "csv", "path": "none.csv"}}},
            }
        )
        for code, setting in SETTINGS.items()
    }
    return Configuration(
        directory=folder, home=folder / "home", deployment=Deployment.model_validate(described), providers=providers
    )


def publish(folder: Path, records: list[dict], former: list[dict] = ()) -> Home:
    """These records as the night's shares, its crosswalk, and the current snapshot."""
    home = Home(folder / "home")
    snapshot = home.snapshot(f"{NIGHT}.1")
    providers = sorted({r["provider"] for r in records})
    for provider in providers:
        mine = [r for r in records if r["provider"] == provider]
        write("person_record", mine, home.staged("person_record", provider, NIGHT))
    for table, rows in (("patient_record", records), ("former_record", former)):
        write(table, rows, home.linked(table, NIGHT))
        write(table, rows, snapshot / f"{table}.parquet")
    inputs = [{"provider": p, "feed": "patient", "night": NIGHT.isoformat()} for p in providers]
    write_json(snapshot / "manifest.json", {"inputs": inputs, "night": NIGHT.isoformat()})
    write_json(snapshot / "published.json", {})
    if not home.current.exists():
        swap_symlink(home.current, snapshot)
    return home


def write(name: str, rows: list[dict], path: Path) -> None:
    """Rows of a table of the dictionary; columns that are not given are null."""
    table = TABLES[name]
    connection = connect(Home(path.parent), macros=False, threads=1)
    try:
        empty = ", ".join(f"NULL::{c.type} AS {c.name}" for c in table.columns)
        connection.execute(f"CREATE TEMP TABLE written AS SELECT {empty} LIMIT 0")
        known = [c for c in table.column_names if rows and c in rows[0]]
        marks = ", ".join("?" for _ in known)
        if rows:
            connection.executemany(
                f"INSERT INTO written ({', '.join(known)}) VALUES ({marks})", [[row[c] for c in known] for row in rows]
            )
        write_table(connection, "SELECT * FROM written", table, path)
    finally:
        connection.close()


def covering(home: Home, records: list[dict], conditions: list[dict] = ()):
    """A connection with the views that an output gives to `name_left_out`."""
    connection = connect(home, macros=False, threads=1)
    listed = [(r["record_id"], r["patient_id"], r["setting"], r["nhs_number"]) for r in records]
    connection.execute(
        "CREATE TEMP TABLE covered_record (record_id VARCHAR, patient_id UUID, setting VARCHAR, nhs_number VARCHAR)"
    )
    connection.executemany("INSERT INTO covered_record VALUES (?, ?, ?, ?)", listed)
    connection.execute(
        "CREATE TEMP TABLE covered_condition"
        " (record_id VARCHAR, setting VARCHAR, code VARCHAR, coding_system VARCHAR, start_date DATE)"
    )
    for c in conditions:
        connection.execute(
            "INSERT INTO covered_condition VALUES (?, ?, ?, ?, ?)",
            [c["record_id"], SETTINGS[c["record_id"][0]], c["code"], c.get("system"), c.get("on")],
        )
    return connection


def left_out(connection) -> dict[str, set[str]]:
    """Record keys that are left out, by reason."""
    found: dict[str, set[str]] = {}
    for record_id, reason in connection.execute("SELECT record_id, reason FROM left_out_record").fetchall():
        found.setdefault(reason, set()).add(record_id)
    return found
