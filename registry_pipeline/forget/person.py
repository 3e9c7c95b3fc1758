"""The person who is to be forgotten: ids, record keys over all time, and the values to look for afterwards.

What belongs here: finding all of that in the home; it is held in memory only. What does not: changing anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import forgotten
from registry_pipeline.govern.forgotten import Forgotten, Tombstone
from registry_pipeline.storage import Home, connect, load_sql, macros_of, published_snapshots, scan
from registry_pipeline.tables import TABLES, feed_table

if TYPE_CHECKING:
    import duckdb


@dataclass
class Person:
    """Somebody to forget.

    Attributes:
        patient_ids: every id that the person went by.
        records: record keys over all time.
        nhs_numbers: valid numbers that no other person's record holds.
        shared_numbers: how many valid numbers of the person other people's records hold too: those keep nobody out.
        values: kind and value (for a name: given, family, birth date) that identify the person.
        tombstone: where forgetting was begun before.
    """

    patient_ids: tuple[str, ...]
    records: tuple[str, ...]
    nhs_numbers: tuple[str, ...] = ()
    shared_numbers: int = 0
    values: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    tombstone: Tombstone | None = None


def find(configuration: Configuration, asked: str) -> Person:
    """Find a person by any id or record key, also one whose forgetting was begun and not finished.

    Raises:
        BadInput: neither an id nor a record key, or never one of this home.
        RunFailed: the tombstones cannot be used.
    """
    home = Home(configuration.home)
    known = forgotten.load(home)
    begun = known.of_record(asked) if ":" in asked else known.of_patient_id(asked)
    memory = configuration.deployment.memory_limit
    with closing(connect(home, memory_limit=memory, threads=configuration.deployment.threads)) as connection:
        _name_inputs(connection, home)
        ids, records = _of_the_registry(configuration, connection, asked, begun)
        if begun is not None:
            ids |= set(begun.patient_ids)
        records |= _records_of(connection, ids)
        if begun is not None:
            records |= _known_again(connection, known.only(begun))
        if not records and not ids:
            raise BadInput(f"This home never held {asked}: check the provider's code and the local id.")
        person = Person(tuple(sorted(ids)), tuple(sorted(records)), tombstone=begun)
        _name_person(connection, person)
        _add_numbers(connection, person)
        _add_values(connection, person)
    return person


def _of_the_registry(
    configuration: Configuration, connection: duckdb.DuckDBPyConnection, asked: str, begun: Tombstone | None
) -> tuple[set[str], set[str]]:
    """The ids of the person, and the record that was asked for, if one was."""
    from registry_pipeline.link import identity

    if ":" not in asked:
        if begun is not None:
            return {asked.lower()}, set()
        living = identity.resolution(connection, asked).patient_id
        return _ids_of(connection, living), set()
    if asked.partition(":")[0] not in configuration.providers and not _is_staged(connection, asked):
        # Not quoted: who mistypes may have written a name or a number.
        raise BadInput("That is neither a patient_id nor a record key (PROVIDER:local_id) of a provider here.")
    found = connection.execute(
        "SELECT patient_id::VARCHAR FROM current_record WHERE record_id = $record_id"
        " UNION ALL SELECT patient_id::VARCHAR FROM current_former WHERE record_id = $record_id LIMIT 1",
        {"record_id": asked},
    ).fetchall()
    if not found:
        if begun is None and not _is_staged(connection, asked):
            raise BadInput("This home never held that record: check the provider's code and the local id.")
        return set(), {asked}
    return _ids_of(connection, identity.resolve(connection, found[0][0])), {asked}


def _ids_of(connection: duckdb.DuckDBPyConnection, living: str) -> set[str]:
    return {row[0] for row in connection.execute(load_sql("forget_ids"), {"patient_id": living}).fetchall()}


def _is_staged(connection: duckdb.DuckDBPyConnection, record_id: str) -> bool:
    provider, _, local_id = record_id.partition(":")
    found = connection.execute(
        "SELECT count(*) FROM staged_raw WHERE provider = $provider AND trimmed(local_id) = $local_id",
        {"provider": provider, "local_id": local_id},
    ).fetchall()
    return bool(found[0][0])


def _records_of(connection: duckdb.DuckDBPyConnection, ids: Iterable[str]) -> set[str]:
    _fill(connection, "person_id", "patient_id UUID", [(each,) for each in sorted(ids)])
    return {row[0] for row in connection.execute(load_sql("forget_records")).fetchall()}


def _known_again(connection: duckdb.DuckDBPyConnection, known: Forgotten) -> set[str]:
    """Record keys still somewhere in the home that a tombstone knows."""
    inner, outer = known.pads
    found = connection.execute(
        "WITH named AS (SELECT record_id FROM staged_record"
        " UNION SELECT provider || ':' || trimmed(local_id) FROM staged_raw"
        " UNION SELECT record_id FROM kept_record UNION SELECT record_id FROM current_former)"
        " SELECT record_id FROM named"
        " WHERE sha256($outer || unhex(sha256($inner || encode('record:' || record_id)))) IN (SELECT unnest($records))",
        {"inner": inner, "outer": outer, "records": known.records},
    ).fetchall()
    return {row[0] for row in found}


def _name_person(connection: duckdb.DuckDBPyConnection, person: Person) -> None:
    _fill(connection, "gone_record", "record_id VARCHAR", [(each,) for each in person.records])
    parted = [each.partition(":") for each in person.records]
    _fill(connection, "gone_local", "provider VARCHAR, local_id VARCHAR", [(p, i) for p, _, i in parted])


def _add_numbers(connection: duckdb.DuckDBPyConnection, person: Person) -> None:
    """The person's valid numbers, and further records that a number of nobody else shows to be the person's."""
    numbers = connection.execute(
        "SELECT nhs_number, bool_or(NOT is_theirs) AS is_shared FROM ("
        " SELECT nhs_number, record_id IN (SELECT record_id FROM gone_record) AS is_theirs FROM staged_record"
        " WHERE nhs_number IN (SELECT nhs_number FROM staged_record SEMI JOIN gone_record USING (record_id)))"
        " GROUP BY nhs_number ORDER BY nhs_number"
    ).fetchall()
    person.nhs_numbers = tuple(number for number, is_shared in numbers if not is_shared)
    person.shared_numbers = len(numbers) - len(person.nhs_numbers)
    others = connection.execute(
        "SELECT DISTINCT provider || ':' || trimmed(local_id) FROM staged_raw"
        " WHERE trimmed(local_id) IS NOT NULL"
        " AND list_contains($numbers::VARCHAR[], nhs_number_digits(trimmed(nhs_number)))"
        " AND provider || ':' || trimmed(local_id) NOT IN (SELECT record_id FROM current_record)",
        {"numbers": list(person.nhs_numbers)},
    ).fetchall()
    person.records = tuple(sorted({*person.records, *(row[0] for row in others)}))
    _name_person(connection, person)


def _add_values(connection: duckdb.DuckDBPyConnection, person: Person) -> None:
    rows = connection.execute(load_sql("forget_values")).fetchall()
    for kind, value, family, birth in rows:
        if kind == "name_and_birth_date":
            if value and family and birth:
                person.values.append((kind, (value, family, birth)))
        elif value:
            person.values.append((kind, (value,)))
    person.values += [("record_key", (each,)) for each in person.records]
    person.values += [("local_id", tuple(each.split(":", 1))) for each in person.records]


def learn(person: Person, delivered: Iterable[tuple[str, tuple[str | None, ...]]]) -> bool:
    """Add what landed rows say of the person: (provider, `extract.left_out.VALUES`); whether any of it is new."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for provider, (local_id, number, phone, email, address, given, family, birth) in delivered:
        if local_id and local_id.strip():
            key = f"{provider}:{local_id.strip()}"
            found += [("record_key", (key,)), ("local_id", (provider, local_id.strip()))]
            person.records = tuple(sorted({*person.records, key}))
        if given and family and birth:
            found.append(("name_and_birth_date", (given.lower(), family.lower(), birth)))
        said = (("nhs_number", number), ("phone", phone), ("email", email), ("address", address))
        found += [(kind, (value.strip().lower(),)) for kind, value in said if value and value.strip()]
    new = set(found) - set(person.values)
    person.values += sorted(new)
    return bool(new)


def _name_inputs(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Views over all that is staged and all snapshots that are kept."""
    connection.execute(macros_of("trimmed(nhs_number_digits("))
    records = sorted(home.root.glob("staging/*/*/person_record.parquet"))
    raw = [
        path
        for pattern in ("staging/*/*/raw_patient.parquet", "quarantine/*/*/quarantined_patient.parquet")
        for path in sorted(home.root.glob(pattern))
    ]
    staged = _source(records, [(c.name, c.type) for c in TABLES["person_record"].columns])
    delivered = _source(raw, [(c.name, c.type) for c in feed_table("raw", "patient").columns], "filename = true")
    columns = "split_part(filename, '/', -2) AS provider, * EXCLUDE (filename)" if raw else "NULL AS provider, *"
    crosswalk = [(c.name, c.type) for c in TABLES["patient_record"].columns]
    folders = [path.parent for path in sorted(home.root.glob("registry/*/*/patient_record.parquet"))]
    current = [home.current.resolve()] if home.current.exists() else published_snapshots(home)[-1:]
    history = [(c.name, c.type) for c in TABLES["identity_event"].columns]
    ids = "record_id, patient_id"
    views = {
        "staged_record": ("*", staged),
        "staged_raw": (columns, delivered),
        "kept_record": (ids, _source(_tables(folders, "patient_record"), crosswalk)),
        "current_record": (ids, _source(_tables(current, "patient_record"), crosswalk)),
        "current_former": (ids, _source(_tables(current, "former_record"), crosswalk)),
        "identity_event": ("*", _source(_tables(current, "identity_event"), history)),
    }
    for name, (chosen, source) in views.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {chosen} FROM {source}")  # noqa: S608  # our own files


def _tables(folders: Iterable[Path], table: str) -> list[Path]:
    return [path for folder in folders if (path := folder / f"{table}.parquet").is_file()]


def _source(files: list[Path], columns: list[tuple[str, str]], *options: str) -> str:
    if files:
        return scan(files).replace("union_by_name = true", ", ".join(["union_by_name = true", *options]))
    return "(SELECT " + ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns) + " LIMIT 0)"


def _fill(connection: duckdb.DuckDBPyConnection, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
    if rows:
        marks = ", ".join("?" for _ in rows[0])
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  # names from this module


def birth_dates(text: str) -> list[str]:
    """A birth date in the ways in which systems write one; text that is no date as it stands."""
    day = _day(text)
    if day is None:
        return [text]
    forms = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d", "%d%m%Y", "%d %b %Y", "%d-%b-%Y")
    return [day.strftime(form).lower() for form in forms]


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%Y%m%d"):
        with suppress(ValueError):
            return datetime.strptime(text.strip()[: 8 if form == "%Y%m%d" else 10], form).date()  # noqa: DTZ007  # a day
    return None
