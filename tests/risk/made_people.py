"""Registries of made-up people for the fitted model: a few by hand, or thousands whose true risk is known.

What belongs here: readings over tables that a test gives, and a population whose admissions follow a known law. What does
not: running a night (tests/pipeline).
"""

from __future__ import annotations

import atexit
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.consumer import READ_TABLES, Reading
from registry_pipeline.storage import Home, connect
from registry_pipeline.tables import TABLES

NIGHT = date(2026, 4, 1)
COPD, DEMENTIA, PALLIATIVE, CANCER = "13645005", "52448006", "103735009", "363346000"
FRAILTY, SCHIZOPHRENIA, LEARNING, HYPERTENSION = "248279007", "58214004", "110359009", "38341003"

Rows = pa.Table | list[dict]


def configuration(folder: Path, **deployment) -> Configuration:
    """A deployment without providers; its choices as in registry.yaml."""
    described = Deployment.model_validate({"threads": 1, **deployment})
    return Configuration(directory=folder, home=folder / "home", deployment=described, providers={})


@contextmanager
def reading(folder: Path, tables: Mapping[str, Rows], night: date = NIGHT, **deployment) -> Iterator[Reading]:
    """A reading over these rows; tables and columns that are not given are empty and null."""
    made = configuration(folder, **deployment)
    connection = _connection()
    left = connection.sql(
        "SELECT table_name FROM duckdb_tables() WHERE table_name SIMILAR TO '(risk|code)_.*'"
    ).fetchall()
    for (name,) in left:
        connection.execute(f"DROP TABLE {name}")
    for name in READ_TABLES:
        put(connection, name, tables.get(name, []))
    yield Reading(made, "risk_stratification", f"{night}.1", night, connection)


@cache
def _connection():
    """One for all tests of a process: to make the macros takes longer than most of them."""
    home = tempfile.TemporaryDirectory()
    connection = connect(Home(Path(home.name)), threads=1)
    atexit.register(home.cleanup)
    atexit.register(connection.close)
    return connection


def put(connection, name: str, rows: Rows) -> None:
    """A table of the registry, in place of the former one."""
    table = rows if isinstance(rows, pa.Table) else _table_of(rows)
    given = set(table.column_names)
    columns = ", ".join(
        f'"{c.name}"::{c.type} AS "{c.name}"' if c.name in given else f'NULL::{c.type} AS "{c.name}"'
        for c in TABLES[name].columns
    )
    if not table.num_columns:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {columns} LIMIT 0")
        return
    connection.register("given_rows", table)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {columns} FROM given_rows")
    connection.unregister("given_rows")


def _table_of(rows: list[dict]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def person(n: int) -> str:
    """The n-th person's id."""
    return str(uuid.UUID(int=n))


def ago(days: int, night: date = NIGHT) -> date:
    """A day before the night."""
    return night - timedelta(days=days)


def spell(
    n: int, days_ago: int, stay: int | None = 3, *, emergency: bool = True, diagnoses=(), setting="acute"
) -> dict:
    """A hospital stay of a person; `stay` None: still in."""
    start = datetime.combine(ago(days_ago), datetime.min.time()).replace(hour=9)
    return {
        "patient_id": person(n), "event_key": f"RX1:spell:{n}-{days_ago}", "record_id": f"RX1:{n}", "provider": "RX1",
        "setting": setting, "activity_kind": "spell", "start_time": start,
        "end_time": None if stay is None else start + timedelta(days=stay),
        "admission_method": "21" if emergency else "11", "is_emergency": emergency, "diagnoses": list(diagnoses),
    }  # fmt: skip


def contact(n: int, days_ago: int, setting: str = "gp", status: str | None = "5") -> dict:
    """A contact of a person."""
    start = datetime.combine(ago(days_ago), datetime.min.time()).replace(hour=10)
    return {
        "patient_id": person(n), "event_key": f"GP1:contact:{n}-{days_ago}-{setting}", "record_id": f"GP1:{n}",
        "provider": "GP1", "setting": setting, "activity_kind": "contact", "start_time": start,
        "is_emergency": False, "attendance_status": status,
    }  # fmt: skip


def condition(n: int, days_ago: int | None, code: str, ended_days_ago: int | None = None) -> dict:
    """A condition recorded by the practice."""
    return {
        "patient_id": person(n), "event_key": f"GP1:condition:{n}-{code}-{days_ago}", "record_id": f"GP1:{n}",
        "provider": "GP1", "setting": "gp", "code": code, "coding_system": "snomed",
        "start_date": None if days_ago is None else ago(days_ago),
        "end_date": None if ended_days_ago is None else ago(ended_days_ago),
    }  # fmt: skip


def record(n: int, provider: str = "GP1", setting: str = "gp") -> dict:
    """A person record in the crosswalk."""
    return {
        "patient_id": person(n), "record_id": f"{provider}:{n}", "provider": provider, "setting": setting,
        "local_id": str(n),
    }  # fmt: skip


@dataclass(frozen=True)
class Population:
    """Thousands of people.

    Attributes:
        tables: of the registry.
        truth: each person's probability of an emergency admission within a year, in the order of patient_id.
    """

    tables: dict[str, pa.Table]
    truth: np.ndarray


def population(people: int, months: int, *, seed: int = 1, strength: float = 1.0, base: float = -2.3) -> Population:
    """People whose emergency admissions are a Poisson process at a yearly rate that age, COPD and a hidden frailty set.

    Args:
        people: how many.
        months: of history up to the night.
        seed: of every draw.
        strength: of the law; 0: nothing tells.
        base: log of the yearly rate of somebody of 50 without COPD.
    """
    rng = np.random.default_rng(seed)
    age = rng.uniform(18, 95, people)
    copd = rng.random(people) < 0.15
    frailty = rng.normal(size=people)
    log_rate = base + strength * (0.03 * (age - 50) + 1.0 * copd + 0.8 * frailty)
    rate = np.exp(log_rate)
    days = round(months * 365.25 / 12)
    start = np.datetime64(NIGHT) - days
    ids = np.array([person(n) for n in range(people)])
    birth = np.datetime64(NIGHT) - (age * 365.25).astype(int)
    sex = np.where(rng.random(people) < 0.5, "F", "M")
    ethnicity = rng.choice(
        ["A", "C", "H", "J", "M", "N", "G", "S", "Z"], people, p=[0.6, 0.1, 0.07, 0.05, 0.04, 0.04, 0.03, 0.03, 0.04]
    )
    tables = {
        "patient": pa.table({"patient_id": ids, "birth_date": birth, "sex": sex, "ethnicity": ethnicity}),
        "patient_record": pa.table(
            {
                "patient_id": ids, "record_id": np.char.add("GP1:", np.arange(people).astype(str)),
                "provider": np.full(people, "GP1"), "setting": np.full(people, "gp"),
                "local_id": np.arange(people).astype(str),
            }
        ),
        "patient_condition": _conditions(rng, ids, copd),
        "patient_activity": pa.concat_tables(
            [
                _events(rng, ids, rate, start, days, "spell", "acute", emergency=True),
                _events(rng, ids, np.full(people, 0.15), start, days, "spell", "acute", emergency=False),
                _events(rng, ids, np.exp(1.0 + 0.3 * strength * frailty), start, days, "contact", "gp", emergency=False),
            ]
        ),
    }  # fmt: skip
    return Population(tables, 1 - np.exp(-rate))


def _events(rng, ids, rate, start, days, kind, setting, *, emergency) -> pa.Table:
    row = np.repeat(np.arange(len(ids)), rng.poisson(rate * days / 365.25))
    begun = start.astype("datetime64[s]") + rng.integers(0, days * 86_400, len(row))
    stay = rng.integers(1, 9, len(row)) * 86_400 if kind == "spell" else np.zeros(len(row), dtype=int)
    ended = begun + stay
    provider = {"spell": "RX1", "contact": "GP1"}[kind]
    keys = np.char.add(f"{provider}:{kind}{int(emergency)}:", np.arange(len(row)).astype(str))
    night = np.datetime64(NIGHT).astype("datetime64[s]") + 86_399
    return pa.table(
        {
            "patient_id": ids[row], "event_key": keys, "record_id": np.char.add(f"{provider}:", row.astype(str)),
            "provider": np.full(len(row), provider), "setting": np.full(len(row), setting),
            "activity_kind": np.full(len(row), kind), "start_time": begun,
            "end_time": pa.array(ended, mask=ended > night), "is_emergency": np.full(len(row), emergency),
            "admission_method": np.full(len(row), "21" if emergency else "11"),
        }
    )  # fmt: skip


def _conditions(rng, ids, has) -> pa.Table:
    row = np.flatnonzero(has)
    onset = np.datetime64(NIGHT) - rng.integers(900, 4000, len(row))
    return pa.table(
        {
            "patient_id": ids[row], "event_key": np.char.add("GP1:condition:", row.astype(str)),
            "record_id": np.char.add("GP1:", row.astype(str)), "provider": np.full(len(row), "GP1"),
            "setting": np.full(len(row), "gp"), "code": np.full(len(row), COPD),
            "coding_system": np.full(len(row), "snomed"), "start_date": onset,
        }
    )  # fmt: skip
