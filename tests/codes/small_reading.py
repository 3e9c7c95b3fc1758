"""A reading of a handful of people, written by hand: their records, conditions, stays, medicines and observations.

What belongs here: rows of the registry's tables with defaults. What does not: what is expected of them.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import count
from pathlib import Path

from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.consumer import READ_TABLES, Reading
from registry_pipeline.storage import Home, connect
from registry_pipeline.tables import TABLES

NIGHT = date(2026, 4, 1)
SETTINGS = {"G": "gp", "H": "gp", "R": "acute", "C": "community", "M": "mental_health"}
"""Providers: G and H are practices, R is a hospital."""

_numbers = count(1)


def configuration(folder: Path, **deployment) -> Configuration:
    """A deployment without providers; its own code lists may lie in `folder`."""
    return Configuration(directory=folder, home=folder / "home", deployment=Deployment(**deployment), providers={})


def person(name: str) -> uuid.UUID:
    """The id of a person, by a name that is none."""
    return uuid.uuid5(uuid.NAMESPACE_OID, name)


def patient(name: str, *, age: int | None = 80, born: date | None = None, died: date | None = None) -> dict:
    """Somebody; `age` in completed years on NIGHT."""
    if born is None and age is not None:
        born = NIGHT.replace(year=NIGHT.year - age)
    return {"table": "patient", "patient_id": person(name), "birth_date": born, "death_date": died}


def known(name: str, *providers: str) -> list[dict]:
    """Records of somebody with providers."""
    return [
        {
            "table": "patient_record",
            "patient_id": person(name),
            "record_id": f"{p}:{name}",
            "provider": p,
            "setting": SETTINGS[p],
        }
        for p in providers
    ]


def _event(table: str, name: str, provider: str, **values) -> dict:
    return {
        "table": table,
        "patient_id": person(name),
        "event_key": f"{provider}:{next(_numbers):06}",
        "record_id": f"{provider}:{name}",
        "provider": provider,
        "setting": SETTINGS[provider],
        **values,
    }


def _at(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(10))


def condition(name, code, day=date(2020, 1, 1), *, system="snomed", provider="G", end=None) -> dict:
    """A diagnosis or problem."""
    return _event(
        "patient_condition", name, provider, code=code, coding_system=system, start_date=day, end_date=end
    )  # fmt: skip


def spell(name, diagnoses, day=date(2026, 1, 1), *, emergency=True, provider="R", procedures=None) -> dict:
    """A hospital stay; `diagnoses` parted by blanks."""
    return _event(
        "patient_activity", name, provider, activity_kind="spell", start_time=_at(day), end_time=_at(day),
        is_emergency=emergency, diagnoses=diagnoses.split() or None, procedures=procedures,
    )  # fmt: skip


def attendance(name, diagnoses, day=date(2026, 1, 1), *, provider="R") -> dict:
    """An emergency care attendance."""
    return _event(
        "patient_activity", name, provider, activity_kind="attendance", start_time=_at(day), is_emergency=True,
        diagnoses=diagnoses.split(),
    )  # fmt: skip


def medicine(name, code, day=date(2026, 3, 1), *, repeat=True, provider="G", end=None, description=None) -> dict:
    """A medicine prescribed."""
    return _event(
        "patient_activity", name, provider, activity_kind="medication", start_time=_at(day), end_time=_at(end),
        code=code, description=description, is_repeat=repeat,
    )  # fmt: skip


def observation(name, code, value=None, day=date(2026, 3, 1), *, unit=None, provider="G", system="snomed") -> dict:
    """A measurement."""
    return _event(
        "patient_observation", name, provider, code=code, coding_system=system, value=value, unit=unit, start_date=day
    )  # fmt: skip


@contextmanager
def reading_of(configured: Configuration, *rows: dict | list[dict], night: date = NIGHT):
    """A reading of tables that hold these rows and no others."""
    connection = connect(Home(configured.home), threads=1)
    try:
        for name in READ_TABLES:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in TABLES[name].columns)
            connection.execute(f"CREATE TEMP TABLE {name} ({columns})")
        for row in (each for given in rows for each in (given if isinstance(given, list) else [given])):
            values = {key: value for key, value in row.items() if key != "table"}
            places = ", ".join(f"${key}" for key in values)
            connection.execute(f"INSERT INTO {row['table']} ({', '.join(values)}) VALUES ({places})", values)
        yield Reading(configured, "direct_care", "2026-04-01.1", night, connection)
    finally:
        connection.close()
