"""Published files are read by DuckDB, pandas, Polars and pyarrow alike, and hold no type that R's arrow cannot read."""

import math
import uuid
from datetime import date, datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry_pipeline import open_registry
from registry_pipeline.dictionary import reading
from registry_pipeline.storage import Home, connect, read_json, swap_symlink, write_table
from registry_pipeline.tables import CONSUMER_TABLES, PUBLISHED, REGISTRY_TABLES, SCHEMA_VERSIONS
from tests.expectations.bad_examples import MADE_GOOD
from tests.registry.conftest import CareSystem

PUBLISHED_NAMES = [(family, name) for family, tables in PUBLISHED.items() for name in tables]
SOMEBODY = "'0e74c329-3cec-4676-9b78-0e8e60b50aab'"
STAY = datetime.fromisoformat("2026-03-29T01:30:00")
FILLED = {
    "VARCHAR": "'Zoë, 10X \"quoted\"'",
    "VARCHAR[]": "['a', NULL, '']",
    "UUID": SOMEBODY,
    "DATE": "DATE '1899-12-31'",
    "TIMESTAMP": "TIMESTAMP '2026-03-29 01:30:00.123456'",
    "BOOLEAN": "true",
    "DOUBLE": "0.1",
    "TINYINT": "10",
    "INTEGER": "2147483647",
    "BIGINT": "9007199254740993",  # a double could not hold it
    "BIGINT[]": "[1, 9007199254740993]",
    "MAP(VARCHAR,STRUCT(record_id VARCHAR,rule VARCHAR))": "MAP {'sex': {'record_id': 'GP1:1', 'rule': 'only_record'}}",
}
"""A value of each type that a published table has; a new type needs one, and a look at every reader."""


# What is read --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> CareSystem:
    """A small real snapshot, and each consumer's table of made-up rows about people in it."""
    care_system = CareSystem(Home(tmp_path_factory.mktemp("readers") / "home"))
    care_system.feeds, care_system.providers = ("patient", "spell"), ("GP1", "RX1")
    night = care_system.night(1)
    stay = {
        "event_id": "1",
        "record_id": "RX1:1",
        "activity_kind": "spell",
        "start_time": STAY,
        "diagnoses": ["I10", "E119"],
    }
    care_system.events("activity", "spell", "RX1", night, [stay])
    care_system.events("activity", "spell", "GP1", night, [])
    care_system.deliver(night, [{"record_id": record, "sex": "F"} for record in ("GP1:1", "RX1:1", "GP1:2")])
    care_system.cluster(night, [["GP1:1", "RX1:1"], ["GP1:2"]])
    snapshot = care_system.publish(night)
    somebody = min(care_system.ids(snapshot.folder).values())
    connection = connect(care_system.home, macros=False)
    for name, table in CONSUMER_TABLES.items():
        row = MADE_GOOD[name] | ({"patient_id": f"'{somebody}'"} if "patient_id" in MADE_GOOD[name] else {})
        selected = ", ".join(f'{row.get(column.name, "NULL")} AS "{column.name}"' for column in table.columns)
        folder = care_system.home.consumer(name, snapshot.snapshot_id)
        write_table(connection, f"SELECT {selected}", table, folder / f"{name}.parquet")
        swap_symlink(care_system.home.consumer_current(name), folder)
    connection.close()
    return care_system


def files_of(care_system):
    snapshot = care_system.home.current.resolve()
    consumed = [care_system.home.consumer_current(name) / f"{name}.parquet" for name in CONSUMER_TABLES]
    return [*(snapshot / f"{name}.parquet" for name in REGISTRY_TABLES), *consumed]


@pytest.fixture(scope="module")
def every_type(tmp_path_factory):
    """Every published table with a row of which all is filled, and one of which all that may be null is."""
    folder = tmp_path_factory.mktemp("every_type")
    connection = connect(Home(folder), macros=False)
    files = {}
    for family, tables in PUBLISHED.items():
        for table in tables.values():
            full = ", ".join(f'{FILLED[column.type]}::{column.type} AS "{column.name}"' for column in table.columns)
            bare = ", ".join("NULL" if column.is_nullable else FILLED[column.type] for column in table.columns)
            files[family, table.name] = folder / family / f"{table.name}.parquet"
            write_table(connection, f"SELECT {full} UNION ALL SELECT {bare}", table, files[family, table.name])
    connection.close()
    return files


def plain(value: Any) -> Any:
    """A reader's own value as Python has it: text for a UUID, None for what is missing."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return listed([plain(each) for each in value])
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return scalar(value)


def listed(values: list[Any]) -> Any:
    """A list, or the map that pandas has as a list of pairs."""
    pairs = bool(values) and all(isinstance(each, list) and isinstance(each[-1], dict) for each in values)
    return dict(values) if pairs else values


def scalar(value: Any) -> Any:
    if isinstance(value, uuid.UUID | bytes):
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=value))
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if isinstance(value, np.generic) else value


def by_duckdb(file):
    with duckdb.connect() as connection:
        return connection.sql(f"FROM '{file}'").to_arrow_table().to_pylist(maps_as_pydicts="strict")


def by_pandas(file):
    return pd.read_parquet(file, dtype_backend="numpy_nullable").to_dict("records")


def by_polars(file):
    return pl.read_parquet(file).to_dicts()


def by_pyarrow(file):
    return pq.read_table(file).to_pylist(maps_as_pydicts="strict")


READERS = {"pandas": by_pandas, "polars": by_polars, "pyarrow": by_pyarrow}


def rows(read, file):
    return [{name: plain(value) for name, value in row.items()} for row in read(file)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("family", "name"), PUBLISHED_NAMES)
def test_a_reader_sees_what_duckdb_sees(family, name, reader, every_type):
    file = every_type[family, name]
    seen = rows(READERS[reader], file)
    assert seen == rows(by_duckdb, file)
    assert len(seen) == 2
    (table,) = [table for table in PUBLISHED[family].values() if table.name == name]
    assert all(seen[0][column.name] is not None for column in table.columns)
    assert all(seen[1][column.name] is None for column in table.columns if column.is_nullable)


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_sees_a_real_snapshot_and_what_was_made_of_it(reader, published):
    for file in files_of(published):
        assert rows(READERS[reader], file) == rows(by_duckdb, file), file.name
    people = rows(READERS[reader], published.home.current / "patient.parquet")
    assert {person["patient_id"] for person in people} == set(published.ids(published.home.current).values())
    (stay,) = rows(READERS[reader], published.home.current / "patient_activity.parquet")
    assert (stay["start_time"], stay["diagnoses"]) == (STAY, ["I10", "E119"])


def test_the_filled_values_come_back_as_they_were(every_type):
    (row, _) = rows(by_polars, every_type["registry", "patient_activity"])
    assert row["patient_id"] == SOMEBODY.strip("'")
    assert row["start_time"] == datetime.fromisoformat("2026-03-29T01:30:00.123456")
    assert row["clinically_ready_date"] == date(1899, 12, 31)
    assert row["diagnoses"] == ["a", None, ""]
    (risk, _) = rows(by_pandas, every_type["consumer", "risk_stratification"])
    assert risk["risk_rank"] == 9007199254740993


# R's arrow, by schema ------------------------------------------------------------------------------------------------

READ_IN_R = {
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.date32(),
    pa.timestamp("us"), pa.binary(16),
}  # fmt: skip
"""Arrow types that R's arrow turns into vectors, of those that we use: "Data types", section "Translations from Arrow to
R" (https://arrow.apache.org/docs/r/articles/data_types.html): logical, integer, double, character, Date, POSIXct, and
arrow_fixed_size_binary, a list of raw vectors. Lists, maps and structs of these become arrow_list and data.frame."""


def is_read_in_r(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return is_read_in_r(kind.value_type)
    if pa.types.is_map(kind):
        return is_read_in_r(kind.key_type) and is_read_in_r(kind.item_type)
    if pa.types.is_struct(kind):
        return all(is_read_in_r(field.type) for field in kind)
    return kind in READ_IN_R


@pytest.mark.parametrize(("family", "name"), PUBLISHED_NAMES)
def test_r_arrow_knows_every_type(family, name, every_type):
    """R's arrow is the same C++ library with `arrow_extensions_enabled` off, its default, which R has no switch for.

    With it on, a UUID would be an extension type, which R's arrow refuses to turn into a vector
    (r/src/array_to_vector.cpp, Converter_Extension).
    """
    table = pq.read_table(every_type[family, name], arrow_extensions_enabled=False)
    assert [field.name for field in table.schema if not is_read_in_r(field.type)] == []
    assert not any(isinstance(field.type, pa.BaseExtensionType) for field in table.schema)


def test_no_type_is_published_that_nobody_looked_at():
    assert {column.type for tables in PUBLISHED.values() for t in tables.values() for column in t.columns} <= set(
        FILLED
    )
    assert "UUID[]" not in FILLED, "pandas cannot read a list of UUIDs: publish them as text"


def test_why_there_is_no_list_of_uuids(tmp_path):
    """As long as this fails to be read, no published column may be one."""
    duckdb.sql(f"COPY (SELECT [{SOMEBODY}::UUID] AS ids) TO '{tmp_path}/ids.parquet'")
    with pytest.raises(pa.ArrowNotImplementedError, match="list to pandas"):
        pd.read_parquet(tmp_path / "ids.parquet")


# The examples of the dictionary --------------------------------------------------------------------------------------


@pytest.fixture
def beside(published, tmp_path, monkeypatch):
    """The two files that the examples read, in the working directory."""
    for file in (
        published.home.current / "patient.parquet",
        published.home.consumer_current("risk_stratification") / "risk_stratification.parquet",
    ):
        (tmp_path / file.name).symlink_to(file.resolve())
    monkeypatch.chdir(tmp_path)
    return min(published.ids(published.home.current).values())


SHOWN = {
    "DuckDB": lambda made: [row[0] for row in made["rows"]],
    "pandas (Python)": lambda made: made["both"]["patient_id"].to_list(),
    "Polars (Python)": lambda made: made["both"]["patient_id"].to_list(),
    "pyarrow (Python)": lambda made: made["patient_ids"],
}


@pytest.mark.parametrize("example", [each for each in reading.EXAMPLES if each.is_run], ids=lambda each: each.reader)
def test_every_example_that_can_be_run_gives_the_person_by_their_id_as_text(example, beside):
    made: dict[str, Any] = {}
    exec(compile(example.code, example.reader, "exec"), made)
    assert SHOWN[example.reader](made) == [beside]
    if "both" in made:
        assert list(made["both"]["risk_level"]) == ["very_high"]
        assert next(iter(made["both"]["sex_rule"])) in {"only_record", "most_records_then_gp_then_newest"}
    if "said" in made:
        assert made["said"].startswith("Probability of an emergency admission")


def test_every_reader_has_an_example():
    assert [each.reader for each in reading.EXAMPLES] == [*SHOWN, "arrow (R)"]


# open_registry and manifests -----------------------------------------------------------------------------------------


def test_open_registry_shows_what_consumers_made(published):
    with open_registry(published.home.root) as reader:
        for name in CONSUMER_TABLES:
            assert reader.sql(f"SELECT count(*) FROM {name}").fetchall() == [(1,)]
        told = dict(reader.sql("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall())
        assert told["care_gap"] == "One row per person and protocol step that is due, of snapshot 2026-04-01.1"
        assert told["patient"] == "One row per person"
        joined = reader.sql("SELECT count(*) FROM risk_stratification JOIN patient USING (patient_id)").fetchall()
        assert joined == [(1,)]
        with pytest.raises(duckdb.Error):
            reader.sql(f"COPY care_gap TO '{published.home.root}/leak.parquet'")


def test_open_registry_has_no_view_of_what_was_not_made(care_system):
    care_system.people(care_system.night(1), {"a": ["GP1:1"]})
    care_system.publish(care_system.night(1))
    with open_registry(care_system.home.root) as reader:
        views = {name for (name,) in reader.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    assert views == set(REGISTRY_TABLES)


def test_a_snapshots_manifest_names_the_version_of_every_table(published):
    assert read_json(published.home.current / "manifest.json")["schema_versions"] == dict(SCHEMA_VERSIONS["registry"])
    for file in files_of(published):
        family = "consumer" if file.stem in CONSUMER_TABLES else "registry"
        assert pq.read_metadata(file).metadata[b"schema_version"].decode() == SCHEMA_VERSIONS[family][file.stem]
