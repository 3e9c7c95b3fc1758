"""The view over a made table that its suite is about.

What belongs here: helper columns for facts that need more than one column (order of dates, a reference into another
table). What does not: rules.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.storage import scan
from registry_pipeline.tables import TABLES

if TYPE_CHECKING:
    import duckdb

_WORDS = re.compile(r"[a-z_]+")

REFERENCES: dict[str, dict[str, tuple[str, str]]] = {
    "patient_record": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_activity": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_condition": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_care_plan": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_care_service": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_carer": {"patient_id_is_known": ("patient_id", "patient")},
    "patient_observation": {"patient_id_is_known": ("patient_id", "patient")},
    "patient": {"patient_id_has_a_record": ("patient_id", "patient_record")},
}
"""Table to helper column: whether the column's value is one of the same column of another table."""

FACTS: dict[str, dict[str, str]] = {
    "person_record": {
        "record_id_is_of_provider": "record_id = provider || ':' || local_id",
        "death_is_after_birth": "death_date >= birth_date",
        "nhs_number_is_usable": "nhs_number_fault(nhs_number, true) IS NULL",
        "verified_has_number": "NOT is_nhs_number_verified OR nhs_number IS NOT NULL",
    },
    "linked_pair": {
        "records_are_in_order": "record_id_l < record_id_r",
    },
    "patient": {
        "death_is_after_birth": "death_date >= birth_date",
        "sensitive_shows_no_contact": (
            "NOT is_sensitive OR coalesce(address, postcode, phone, email, gp_practice) IS NULL"
        ),
        "verified_has_number": "NOT is_nhs_number_verified OR nhs_number IS NOT NULL",
    },
    "patient_record": {"record_id_is_of_provider": "record_id = provider || ':' || local_id"},
    "identity_event": {
        "joined_names_the_other": "event_type NOT IN ('joined', 'split') OR other_patient_id IS NOT NULL",
    },
    "needs_attention": {
        "names_records": "coalesce(len(record_ids) > 0, false)",
        "names_people": "coalesce(len(patient_ids) > 0, false)",
    },
    "activity": {"end_is_after_start": "end_time >= start_time"},
    "patient_activity": {"end_is_after_start": "end_time >= start_time"},
}
"""Table to helper column: a fact about one row that reads several columns."""


def create_made(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> frozenset[str]:
    """Make the view `made` over a table's file.

    Returns:
        Its columns, helper columns among them; a reference has one only where the other table lies beside the file.
    """
    present = {str(row[0]) for row in connection.execute(f"DESCRIBE FROM {scan(path)}").fetchall()}
    missing = set(TABLES[table].column_names) - present  # which the suite says; facts about them cannot be told
    helpers = {name: fact for name, fact in FACTS.get(table, {}).items() if not missing & set(_WORDS.findall(fact))}
    for helper, (column, other) in REFERENCES.get(table, {}).items():
        beside = path.parent / f"{other}.parquet"
        if beside.is_file():
            helpers[helper] = f"{column} IN (SELECT {column} FROM {scan(beside)})"  # noqa: S608  # our own names and paths
    listed = "".join(f", {expression} AS {name}" for name, expression in helpers.items())
    connection.execute(f"CREATE VIEW made AS SELECT *{listed} FROM {scan(path)}")  # noqa: S608  # our own names and paths
    return frozenset(present | helpers.keys())
