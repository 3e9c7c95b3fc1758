"""Ids that last: which `patient_id` each cluster of person records goes by, and what happened to ids.

What belongs here: carrying ids over from the prior snapshot, giving new ones, the events of a night, and finding what
an old id goes by today. What does not: deciding which records are one person (`cluster`), and publishing (`registry`).

The laws, which `tests/registry/test_identity_laws.py` holds over many nights:

* a cluster keeps the id of its records;
* of several ids that join, the older lives on (earliest `created` event) and the others resolve to it for ever;
* when an id's records part, the larger part keeps the id (then the one with the oldest record key); the rest get new
  ids, with a `split` event that says where they came from;
* an id without records is retired, and lives again when a record of it returns;
* an id is a random UUID, never derived from a value, never reused;
* a night that changes nothing changes no id and adds no event.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import (
    Home,
    connect,
    load_sql,
    published_snapshots,
    scan,
    snapshot_night,
    write_table,
)
from registry_pipeline.tables import TABLES

if TYPE_CHECKING:
    import duckdb

STEPS = (
    "identity_claim",
    "identity_part",
    "identity_holder",
    "identity_survivor",
    "identity_cluster",
    "identity_tonight",
)
"""The tables that lead from clusters to ids, in order; each is what `sql/<name>.sql` selects."""

EVENT_TYPES = ("created", "joined", "split", "retired", "resurrected")
"""What can happen to an id on a night of itself; `overridden` is a person's doing."""


def assign_identities(
    configuration: Configuration, night: date, shares: Sequence[Share], *, prior: Path | None, run_id: str
) -> dict[str, int]:
    """Give every cluster of the night its `patient_id`; write `patient_record`, `identity_event` and `former_record`.

    A back-fill knows more than its prior: a record that the prior does not hold, but a later published snapshot does,
    goes by its id there, so that one record does not get two ids. A prior that is itself later than the night serves
    that way only, and the history of ids then begins with the night.

    Args:
        configuration: the deployment.
        night: the registry's night; `person_cluster` must be linked for it.
        shares: what each provider gives to it.
        prior: snapshot folder whose ids are carried on (`registry.prior_snapshot`); None on a first night.
        run_id: the run that does it.

    Returns:
        Tonight's events by type, zeros included.

    Raises:
        RunFailed: the disk is full.
    """
    home = Home(configuration.home)
    deployment = configuration.deployment
    with closing(
        connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
    ) as connection:
        _name_inputs(connection, home, night, shares, prior)
        for step in STEPS:
            parameters = {"night": night, "run_id": run_id} if step == "identity_tonight" else {}
            connection.execute(f"CREATE TEMP TABLE {step} AS {load_sql(step)}", parameters)
        for table, query in (
            ("patient_record", "patient_record"),
            ("identity_event", "identity_event"),
            ("former_record", "identity_former"),
        ):
            write_table(connection, load_sql(query), TABLES[table], home.linked(table, night))
        counted = connection.execute("SELECT event_type, count(*) FROM identity_tonight GROUP BY event_type").fetchall()
    return {**dict.fromkeys(EVENT_TYPES, 0), **dict(counted)}


def _name_inputs(
    connection: duckdb.DuckDBPyConnection, home: Home, night: date, shares: Sequence[Share], prior: Path | None
) -> None:
    """The views and tables that the SQL reads: tonight's records and clusters, and what earlier snapshots know."""
    patients = [share for share in shares if share.feed == "patient"]
    records = [home.staged("person_record", share.provider.provider, share.night) for share in patients]
    earlier = prior if prior is not None and snapshot_night(prior) <= night else None
    later = next((path for path in published_snapshots(home) if snapshot_night(path) > night), None)
    if earlier is None and prior is not None:
        later = prior
    sources = {
        "person_record": scan(records) if records else _none("person_record"),
        "person_cluster": scan(home.linked("person_cluster", night)),
        "prior_record": _table_of(earlier, "patient_record"),
        "prior_event": _table_of(earlier, "identity_event"),
        "prior_former": _table_of(earlier, "former_record"),
        "later_record": _table_of(later, "patient_record"),
    }
    for name, source in sources.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {source}")  # noqa: S608  # names from this module
    connection.execute(
        "CREATE TEMP VIEW former AS SELECT record_id, patient_id FROM prior_former UNION ALL "
        "SELECT record_id, patient_id FROM later_record ANTI JOIN prior_former USING (record_id)"
    )
    connection.execute(
        "CREATE TEMP TABLE share AS SELECT unnest($providers) AS provider, unnest($stale) AS is_stale",
        {"providers": [s.provider.provider for s in patients], "stale": [s.is_stale for s in patients]},
    )


def _table_of(snapshot: Path | None, table: str) -> str:
    file = snapshot / f"{table}.parquet" if snapshot is not None else None
    return scan(file) if file is not None and file.is_file() else _none(table)


def _none(table: str) -> str:
    """A table without rows, for what there is not (yet)."""
    columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns)
    return f"(SELECT {columns} LIMIT 0)"


def resolve(source: duckdb.DuckDBPyConnection | Path, patient_id: str) -> str:
    """What an id goes by today: joins are followed through any chain; an id that was never joined is itself.

    Args:
        source: a connection that has `identity_event` (as `registry_pipeline.open_registry` gives), or a snapshot's
            folder.
        patient_id: any id that was ever given out.

    Raises:
        BadInput: not an id, or one that this registry never gave out.
    """
    import duckdb

    try:
        asked = str(uuid.UUID(patient_id))
    except ValueError as problem:
        raise BadInput(
            "That is not a patient_id: give a UUID, as in the column patient_id of the registry."
        ) from problem
    if isinstance(source, Path):
        with closing(duckdb.connect()) as connection:
            events = scan(source / "identity_event.parquet")
            connection.execute(f"CREATE TEMP VIEW identity_event AS SELECT * FROM {events}")  # noqa: S608  # a path of ours
            return _resolve(connection, asked)
    return _resolve(source, asked)


def _resolve(connection: duckdb.DuckDBPyConnection, patient_id: str) -> str:
    found = connection.execute(load_sql("identity_resolve"), {"patient_id": patient_id}).fetchall()
    if not found:
        raise BadInput(
            f"This registry never gave out the patient_id {patient_id}: check it, and which registry it is of."
        )
    return str(found[0][0])
