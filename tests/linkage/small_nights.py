"""Linked nights of a handful of records, written by hand: who is who, and which clusters the night made.

What belongs here: writing such a night as its own tables, so that what reads a linked night can be tested without
linking one. What does not: made-up populations (`made_up_records`).
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.outcomes import FeedOutcome, keep
from registry_pipeline.storage import Home, connect, write_table
from registry_pipeline.tables import TABLES

NIGHT = date(2026, 4, 1)
SETTINGS = {"P": "gp", "Q": "acute"}


def write_night(folder: Path, records: list[dict], pairs: list[dict] = ()) -> Configuration:
    """A home with a linked night of these records: record_id, cluster, and any column of person_record."""
    home = Home(folder / "home")
    connection = connect(home)
    try:
        for provider, setting in SETTINGS.items():
            rows = [{"setting": setting, "night": NIGHT, **r} for r in records if r["record_id"].startswith(provider)]
            _write(connection, "person_record", rows, home.staged("person_record", provider, NIGHT))
            keep(home, FeedOutcome(provider=provider, feed="patient", night=NIGHT, status="accepted"))
        sizes = Counter(r["cluster"] for r in records)
        first = {c: min(r["record_id"] for r in records if r["cluster"] == c) for c in sizes}
        clusters = [
            {"record_id": r["record_id"], "cluster_id": first[r["cluster"]], "cluster_size": sizes[r["cluster"]],
             "component_id": first[r["cluster"]]}
            for r in records
        ]  # fmt: skip
        _write(connection, "person_cluster", clusters, home.linked("person_cluster", NIGHT))
        _write(
            connection,
            "linked_pair",
            [{"model_version": "v0001", **p} for p in pairs],
            home.linked("linked_pair", NIGHT),
        )
    finally:
        connection.close()
    feeds = {"patient": {"source": {"kind": "csv", "path": "none.csv"}}}
    providers = {
        code: Provider.model_validate({"provider": code, "setting": setting, "feeds": feeds})
        for code, setting in SETTINGS.items()
    }
    return Configuration(
        directory=folder, home=home.root, deployment=Deployment(models=folder / "models"), providers=providers
    )


def _write(connection, name: str, rows: list[dict], path: Path) -> None:
    table = TABLES[name]
    empty = ", ".join(f"NULL::{c.type} AS {c.name}" for c in table.columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE written AS SELECT {empty} LIMIT 0")
    for row in rows:
        known = {k: v for k, v in row.items() if k in table.column_names}
        columns, marks = ", ".join(known), ", ".join("?" for _ in known)
        connection.execute(f"INSERT INTO written ({columns}) VALUES ({marks})", list(known.values()))
    write_table(connection, "SELECT * FROM written", table, path)


def record(number: int, person: str, cluster: str, **columns) -> dict:
    """Even numbers are known to P (a practice), odd ones to Q (a hospital)."""
    provider = "PQ"[number % 2]
    return {"record_id": f"{provider}:{number}", "provider": provider, "local_id": str(number), "person": person,
            "cluster": cluster, **columns}  # fmt: skip


def clustering(people: str, clusters: str) -> list[dict]:
    return [record(n, p, c) for n, (p, c) in enumerate(zip(people, clusters, strict=True))]


def write_truth(path: Path, records: list[dict]) -> Path:
    rows = [f"{r['provider']},{r['local_id']},{r['person']}" for r in records]
    path.write_text("\n".join(["provider,local_id,person_id", *rows]) + "\n")
    return path
