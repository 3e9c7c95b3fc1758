"""What the data dictionary says of columns holds in every row that a whole night publishes."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pyarrow.parquet as pq
import pytest

from registry_pipeline import dictionary, synthetic
from registry_pipeline.config import load_configuration
from registry_pipeline.night import run_night
from registry_pipeline.storage import Home
from registry_pipeline.tables import CONSUMER_TABLES, PUBLISHED, REGISTRY_TABLES
from tests.published_rows import broken_promises, files_of

from .conftest import FIRST

PROVIDERS = ("GP1", "RX1", "LA1")
"""A practice, a hospital and a council have nearly every feed between them."""

ROWS_LOOKED_AT = 60
"""Rows of each file that are held to its JSON Schema one by one; every row is held to the rest."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A night of a few providers, with its outputs and consumers."""
    folder = tmp_path_factory.mktemp("published")
    synthetic.synthesise(folder / "made_up", people=120, nights=1, seed=4, history_months=12)
    for file in (folder / "made_up" / "providers").iterdir():
        if file.stem not in PROVIDERS:
            file.unlink()
    described = folder / "made_up" / "registry.yaml"
    described.write_text(described.read_text() + "nightly_report: false\n")
    configuration = load_configuration(folder / "made_up", home=folder / "home")
    run_night(configuration, FIRST)
    return Home(folder / "home")


def test_every_published_table_is_there(home: Home) -> None:
    named = {file.stem for file in files_of(home)}
    assert named >= {*REGISTRY_TABLES, *CONSUMER_TABLES, *PUBLISHED["output"]}


def test_rows_keep_what_the_dictionary_promises(home: Home) -> None:
    assert [broken for file, table in files_of(home).items() for broken in broken_promises(file, table)] == []


def as_json(value: Any) -> Any:
    """A value as a row in JSON has it."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def test_rows_fit_their_json_schema(home: Home, tmp_path: Path) -> None:
    schemas = {file.name: json.loads(file.read_text()) for file in dictionary.write(tmp_path).schemas}
    faults = []
    for file, table in files_of(home).items():
        family = next(family for family, tables in PUBLISHED.items() if table is tables.get(table.name))
        validator = jsonschema.Draft202012Validator(
            schemas[f"{family}.{table.name}.schema.json"],
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        )
        rows = pq.read_table(file).slice(0, ROWS_LOOKED_AT).to_pylist(maps_as_pydicts="strict")
        faults += [
            f"{table.name} {fault.json_path}: {fault.validator}"
            for row in rows
            for fault in validator.iter_errors(as_json(row))
        ]
    assert faults == []


def test_a_broken_promise_is_found(home: Home, tmp_path: Path) -> None:
    """The questions themselves are asked of rows that break them."""
    import duckdb

    table = PUBLISHED["registry"]["patient_record"]
    good, bad = home.current / "patient_record.parquet", tmp_path / "patient_record.parquet"
    duckdb.execute(
        f"COPY (SELECT * REPLACE ('dental' AS setting, NULL AS night) FROM '{good}' UNION ALL FROM '{good}') TO '{bad}'"
    )
    found = broken_promises(bad, table)
    assert [one.partition(" (")[0] for one in found] == [
        "patient_record: setting is of the list setting",
        "patient_record: night is never null",
        "patient_record: the key stands once",
    ]
