"""Rows of a person out of the home's own tables, and the manifests that say what those tables are.

What belongs here: rewriting Parquet files without given rows (by the same writer, whole or not at all), snapshots with
their manifest, and what linkage goes on from. What does not: delivered files (`extract.redact`).
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.forget.person import Person, _fill
from registry_pipeline.storage import (
    SCHEMA_VERSION,
    Home,
    connect,
    file_digest,
    load_sql,
    macros_of,
    read_json,
    scan,
    write_json,
    write_table,
)
from registry_pipeline.tables import Column, Table

if TYPE_CHECKING:
    import duckdb

AT_ONCE = 400
"""Files of one table that one query looks through."""

WHERE_NAMED = {
    "record_id": "record_id IN (FROM gone_record)",
    "record_id_l": "record_id_l IN (FROM gone_record)",
    "record_id_r": "record_id_r IN (FROM gone_record)",
    "record_ids": "list_has_any(record_ids, $records)",
    "alternative_patient_id": "list_contains($patient_ids::VARCHAR[], alternative_patient_id::VARCHAR)",
}
"""Column to the condition that its row is the person's, or speaks of the person's record or id."""

GOES_ON_FROM = ("record_state", "crowded_key")
"""Files of a linked night that hold digests of values: they go, and its keys; the next night links every record."""


@dataclass
class Work:
    """One person's rows on their way out: a connection that knows the person, and what was done so far.

    Attributes:
        rows: place (a folder of the home) to rows taken out.
        files: files written anew or removed.
    """

    configuration: Configuration
    connection: duckdb.DuckDBPyConnection
    person: Person
    note: Mapping[str, Any]
    rows: Counter[str] = field(default_factory=Counter)
    files: int = 0
    snapshots: list[str] = field(default_factory=list)

    @property
    def home(self) -> Home:
        """The data folder."""
        return Home(self.configuration.home)

    def place(self, path: Path) -> str:
        """The folder of the home that a path lies in."""
        return path.relative_to(self.home.root).parts[0]


def begin(configuration: Configuration, person: Person, note: Mapping[str, Any]) -> Work:
    """Open a connection that knows the person; the caller closes it."""
    deployment = configuration.deployment
    connection = connect(
        Home(configuration.home), memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False
    )
    connection.execute(macros_of("trimmed(nhs_number_digits("))
    work = Work(configuration, connection, person, note)
    know(work)
    return work


def know(work: Work) -> None:
    """Put the person's record keys where the queries look."""
    records = work.person.records
    _fill(work.connection, "gone_record", "record_id VARCHAR", [(each,) for each in records])
    parted = [each.partition(":") for each in records]
    _fill(work.connection, "gone_local", "provider VARCHAR, local_id VARCHAR", [(p, i) for p, _, i in parted])


# Any table -----------------------------------------------------------------------------------------------------------


def redact_files(work: Work, files: Iterable[Path]) -> dict[Path, int]:
    """Write every one of the files anew that holds a row of the person, or a cell that names one of the records.

    Returns:
        Rows taken out, by file that was written.

    Raises:
        RunFailed: a file cannot be read.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_name[file.name].append(file)
    written: dict[Path, int] = {}
    for named in by_name.values():
        for begins in range(0, len(named), AT_ONCE):
            for file, rows in _hits(work, named[begins : begins + AT_ONCE]).items():
                _rewrite(work, file, file)
                written[file] = rows
                work.rows[work.place(file)] += rows
                work.files += 1
    return written


def _hits(work: Work, files: list[Path]) -> dict[Path, int]:
    """Files in which something is to change, and how many rows go."""
    import duckdb

    columns = _columns(work, files)
    out, blank = _conditions(columns, files[0].name)
    if not out and not blank:
        return {}
    concerned = f"coalesce({out or 'false'}, false)"
    blanked = " OR ".join(f"({condition})" for condition in blank.values()) or "false"
    source = scan(files).replace("union_by_name = true", "union_by_name = true, filename = true")
    provider = "split_part(filename, '/', -2) AS its_provider"
    parameters = _bound(work, f"{concerned} {blanked}")
    try:
        found = work.connection.execute(
            f"SELECT filename, count_if({concerned}), count_if({blanked}) FROM (SELECT *, {provider} FROM {source})"  # noqa: S608  # our own files
            " GROUP BY filename ORDER BY filename",
            parameters,
        ).fetchall()
    except duckdb.Error as problem:
        raise unreadable(files) from problem
    return {Path(name): rows for name, rows, cells in found if rows or cells}


def _columns(work: Work, files: list[Path]) -> set[str]:
    import duckdb

    try:
        return {row[0] for row in work.connection.execute(f"DESCRIBE SELECT * FROM {scan(files)}").fetchall()}  # noqa: S608  # our own files
    except duckdb.Error as problem:
        raise unreadable(files) from problem


def unreadable(files: Sequence[Path]) -> RunFailed:
    """The sentence for a table that cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = files[0]
    for file in files:
        try:
            pq.read_metadata(file)
        except (OSError, pa.ArrowInvalid):
            broken = file
            break
    return RunFailed(
        f"{broken} cannot be read (truncated or damaged), so that nobody can say whether the person is in it: restore"
        " it from a backup or remove it, then run this again."
    )


def _conditions(columns: set[str], name: str) -> tuple[str, dict[str, str]]:
    """SQL of whether a row goes, and of which cells become null; `its_provider` is the folder's."""
    out = [condition for column, condition in WHERE_NAMED.items() if column in columns]
    blank = {}
    local = "(its_provider, trimmed({column})) IN (SELECT (provider, local_id) FROM gone_local)"
    number = "list_contains($numbers::VARCHAR[], nhs_number_digits(trimmed({column})))"
    if name.startswith("nhs_number_replacement") or name.endswith("_nhs_number_replacement.parquet"):
        out += [number.format(column=column) for column in ("nhs_number", "replaced_by") if column in columns]
    elif "record_id" not in columns and "local_id" in columns:
        out.append(local.format(column="local_id"))
        if "nhs_number" in columns:
            theirs = number.format(column="nhs_number")
            out.append(f"({theirs} AND trimmed(local_id) IS NULL)")
            blank["nhs_number"] = theirs
        if "merged_into" in columns:
            blank["merged_into"] = local.format(column="merged_into")
    elif "merged_into" in columns:
        blank["merged_into"] = "merged_into IN (FROM gone_record)"
    if "carer_local_id" in columns:
        whose = "provider" if "provider" in columns else "its_provider"
        blank["carer_local_id"] = local.format(column="carer_local_id").replace("its_provider", whose)
    return " OR ".join(f"coalesce({condition}, false)" for condition in out), blank


def _bound(work: Work, sql: str) -> dict[str, Any]:
    person = work.person
    known = {"records": person.records, "numbers": person.nhs_numbers, "patient_ids": person.patient_ids}
    return {name: list(value) for name, value in known.items() if f"${name}" in sql}


def _rewrite(work: Work, file: Path, target: Path) -> None:
    table = table_of(work.connection, file)
    columns = set(table.column_names)
    out, blank = _conditions(columns, file.name)
    replaced = [f"CASE WHEN NOT coalesce({condition}, false) THEN {c} END AS {c}" for c, condition in blank.items()]
    if "component_id" in columns:
        replaced += _renamed_groups(work, file)
    chosen = "* EXCLUDE (its_provider)" + (f" REPLACE ({', '.join(replaced)})" if replaced else "")
    query = (
        f"SELECT {chosen} FROM (SELECT *, '{file.parent.name}' AS its_provider FROM {scan(file)})"  # noqa: S608  # our own file
        f" WHERE NOT coalesce({out or 'false'}, false)"
    )
    write_again(work, query, table, file, _bound(work, query), target)


def _renamed_groups(work: Work, file: Path) -> list[str]:
    """Clusters and components go by their smallest record key: those that went by the person's go by the next one."""
    replaced = []
    for column in ("cluster_id", "component_id"):
        rows = work.connection.execute(
            f"SELECT {column}, min(record_id), count(*) FROM {scan(file)}"  # noqa: S608  # our own file
            f" WHERE {column} IN (SELECT {column} FROM {scan(file)} SEMI JOIN gone_record USING (record_id))"
            f" AND record_id NOT IN (FROM gone_record) GROUP BY {column} ORDER BY {column}"
        ).fetchall()
        name = f"renamed_{column}"
        _fill(work.connection, name, "old VARCHAR, new VARCHAR, members INTEGER", rows)
        if not rows:
            continue
        replaced.append(f"coalesce((SELECT new FROM {name} WHERE old = {column}), {column}) AS {column}")  # noqa: S608  # names of ours
        if column == "cluster_id":
            members = f"SELECT members FROM {name} WHERE old = {column}"  # noqa: S608  # as above
            replaced.append(f"coalesce(({members}), cluster_size) AS cluster_size")
    return replaced


def table_of(connection: duckdb.DuckDBPyConnection, file: Path) -> Table:
    """The table that a file says it is, with every column as it is in the file."""
    import pyarrow.parquet as pq

    path = str(file).replace("'", "''")
    said = {
        bytes(key).decode(): bytes(value).decode()
        for key, value in connection.execute(
            f"SELECT key, value FROM parquet_kv_metadata('{path}')"  # noqa: S608  # our own file
        ).fetchall()
    }
    described = connection.execute(f"DESCRIBE SELECT * FROM {scan(file)}").fetchall()  # noqa: S608  # as above
    key = tuple(part for part in said.get("key", "").split(", ") if part)
    of_fields = {field.name: field.metadata or {} for field in pq.read_schema(file)}
    columns = tuple(_column_of(name, kind, of_fields[name]) for name, kind, *_ in described)
    return Table(said.get("table", file.stem), said.get("one_row_per", ""), key, columns, said.get(SCHEMA_VERSION))


def _column_of(name: str, kind: str, field: Mapping[bytes, bytes]) -> Column:
    said = {key.decode(): value.decode() for key, value in field.items()}
    is_nullable = said.get("nullable") != "false"
    return Column(
        name, said.get("type", kind), said.get("description", ""), is_nullable, said.get("unit"), said.get("codes")
    )


def write_again(work: Work, query: str, table: Table, file: Path, parameters: Mapping[str, Any], target: Path) -> int:
    """Write a file anew from a query on itself, in its own place or another; it keeps its mode."""
    mode = file.stat().st_mode & 0o777
    rows = write_table(work.connection, query, table, target, parameters)
    target.chmod(mode)
    return rows


# Snapshots -----------------------------------------------------------------------------------------------------------


def refuse_damaged(work: Work) -> None:
    """Look at every snapshot before anything is changed: a new digest must not hide that a file was damaged before.

    Raises:
        RunFailed: the first file that is not what its manifest says, by name.
    """
    for folder in snapshots(work.home):
        manifest = _manifest(folder)
        under_way = manifest.get("redaction_under_way", {})
        for table, digest in manifest["sha256"].items():
            file = folder / f"{table}.parquet"
            found = file_digest(file) if file.is_file() else None
            if found is None or found not in (digest, under_way.get(table)):
                fault = "is missing" if found is None else "is not the file that was written"
                raise RunFailed(
                    f"The snapshot {folder.name} is damaged: {file} {fault}; restore it from a backup or move the"
                    " snapshot's folder away, then run this again (nothing was changed)."
                )


def snapshots(home: Home) -> list[Path]:
    """Every snapshot folder: published, built, failed."""
    folders = [*home.snapshots.glob("*"), *home.failed("x").parent.glob("*")]
    return sorted(folder for folder in folders if folder.is_dir() and not folder.name.startswith("."))


def _manifest(folder: Path) -> dict[str, Any]:
    file = folder / "manifest.json"
    try:
        manifest = read_json(file)
        if isinstance(manifest["sha256"], dict) and isinstance(manifest["rows"], dict):
            return manifest
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise _no_manifest(folder) from problem
    raise _no_manifest(folder)


def _no_manifest(folder: Path) -> RunFailed:
    return RunFailed(
        f"The snapshot {folder.name} is damaged: {folder / 'manifest.json'} is missing or cannot be read; restore it"
        " from a backup or move the snapshot's folder away, then run this again (nothing was changed)."
    )


def redact_snapshot(work: Work, folder: Path, *, history: str | None, keeps_former: bool) -> None:
    """Take the person out of one snapshot; its manifest says that it was done.

    The manifest names both digests before a file takes the other's place: after a kill, the next attempt knows a file
    that is still to be done from one that is damaged.

    Args:
        work: whose rows.
        folder: the snapshot.
        history: cause with which the ids end in its history; None leaves the history as it is.
        keeps_former: whether the record keys stay known as ones that left, so that the id lives again when they return.
    """
    manifest = _manifest(folder)
    made = work.home.temporary / f"forget-{folder.name}"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    gone: dict[str, int] = {}
    for file in sorted(folder.glob("*.parquet")):
        for hit, rows in _hits(work, [file]).items() if file.stem != "patient" else ():
            _rewrite(work, hit, made / hit.name)
            gone[hit.stem] = rows
    gone |= _patients(work, folder, made)
    if history and gone.get("patient"):
        gone |= _history(work, folder, made, history)
        if keeps_former:
            gone |= _former(work, folder, made)
    if gone or manifest.get("redaction_under_way"):
        _swap(work, folder, made, manifest, gone)
    shutil.rmtree(made, ignore_errors=True)


def _swap(work: Work, folder: Path, made: Path, manifest: dict[str, Any], gone: Mapping[str, int]) -> None:
    under_way = {table: file_digest(folder / f"{table}.parquet") for table in gone}
    for table in gone:
        file = made / f"{table}.parquet"
        manifest["sha256"][table] = file_digest(file)
        if table in manifest["rows"]:
            manifest["rows"][table] = _rows_in(file)
    manifest["redacted"] = [*manifest.get("redacted", []), {**work.note, "at": _now(), "rows": dict(gone)}]
    _write_manifest(folder, {**manifest, "redaction_under_way": under_way})
    for table in sorted(gone):
        (made / f"{table}.parquet").replace(folder / f"{table}.parquet")
        work.files += 1
        work.rows[work.place(folder)] += gone[table]
    _write_manifest(folder, {key: value for key, value in manifest.items() if key != "redaction_under_way"})
    work.snapshots.append(folder.name)


def _write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    file = folder / "manifest.json"
    mode = file.stat().st_mode & 0o777
    write_json(file, content)
    file.chmod(mode)


def _rows_in(file: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def _patients(work: Work, folder: Path, made: Path) -> dict[str, int]:
    """`patient` of a snapshot; its crosswalk, as it still stands in the folder, says who had which records."""
    file, crosswalk = folder / "patient.parquet", folder / "patient_record.parquet"
    if not file.is_file() or not crosswalk.is_file():
        return {}
    connection = work.connection
    concerned = connection.execute(
        f"SELECT count(*) FROM {scan(crosswalk)} SEMI JOIN gone_record USING (record_id)"  # noqa: S608  # our own file
    ).fetchall()[0][0]
    if not concerned:
        return {}
    table = table_of(connection, file)
    numbered = scan(file).replace("union_by_name = true", "file_row_number = true")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW kept_patient AS SELECT * FROM {numbered}")  # noqa: S608  # our own file
    connection.execute(f"CREATE OR REPLACE TEMP VIEW kept_crosswalk AS SELECT * FROM {scan(crosswalk)}")  # noqa: S608  # as above
    query = load_sql("forget_patient").replace("/* replaced */", ", ".join(_without_their_values(table)))
    before = _rows_in(file)
    # At least one, though somebody else may only have lost a value: the file is another.
    return {"patient": before - write_again(work, query, table, file, _bound(work, query), made / file.name) or 1}


def _without_their_values(table: Table) -> list[str]:
    """Every field of `patient` that came from one of the person's records, as null; and the counts."""
    names = set(table.column_names)
    gone = "field_sources['{field}'].record_id IN (FROM gone_record)"
    skipped = {"patient_id", "is_sensitive", "record_count", "setting_count", "field_sources", "is_stale"}
    from_number = {"is_nhs_number_verified": "nhs_number"}
    replaced = [
        f"CASE WHEN NOT coalesce({gone.format(field=from_number.get(name, name))}, false) THEN {name} END AS {name}"
        for name in table.column_names
        if name not in skipped
    ]
    replaced += [
        f"coalesce(remaining.{count}, kept_patient.{count}) AS {count}"
        for count in ("record_count", "setting_count")
        if count in names
    ]
    if "field_sources" in names:
        replaced.append(
            "map_from_entries(list_filter(map_entries(field_sources), lambda source:"
            " NOT list_contains($records::VARCHAR[], source.value.record_id))) AS field_sources"
        )
    return replaced


def _history(work: Work, folder: Path, made: Path, cause: str) -> dict[str, int]:
    """The history of ids, with the end of the person's."""
    file = folder / "identity_event.parquet"
    if not file.is_file():
        return {}
    table = table_of(work.connection, file)
    work.connection.execute(f"CREATE OR REPLACE TEMP VIEW kept_event AS SELECT * FROM {scan(file)}")  # noqa: S608  # our own file
    bound = {
        "ids": list(work.person.patient_ids),
        "night": folder.name.partition(".")[0],
        "cause": cause,
        "run_id": f"{cause}-{work.note.get('number') or 'rectify'}",
    }
    write_again(work, load_sql("forget_history"), table, file, bound, made / file.name)
    return {"identity_event": 0}


def _former(work: Work, folder: Path, made: Path) -> dict[str, int]:
    """Records of a person whose data are to come in afresh: known as ones that left, so that the id lives again."""
    file, crosswalk = folder / "former_record.parquet", folder / "patient_record.parquet"
    if not file.is_file() or not crosswalk.is_file():
        return {}
    table = table_of(work.connection, file)
    query = (
        f"SELECT * FROM {scan(file)} UNION ALL"  # noqa: S608  # our own files
        f" SELECT record_id, patient_id, '{folder.name.partition('.')[0]}'::DATE FROM {scan(crosswalk)}"
        " SEMI JOIN gone_record USING (record_id)"
        f" ANTI JOIN (SELECT record_id FROM {scan(file)}) AS there USING (record_id)"
    )
    write_again(work, query, table, file, {}, made / file.name)
    return {"former_record": 0}


# Linkage -------------------------------------------------------------------------------------------------------------


def redact_linkage(work: Work) -> None:
    """Take the person out of every linked night, and what a later night would go on from out of all of them.

    States of records, keys and frozen frequencies hold digests of values: without them the next night links every
    record, with frequencies counted anew, as if the person had never been there.
    """
    home = work.home
    for note in sorted(home.root.glob("linkage/*/linked.json")):
        content = read_json(note)
        for key in ("made_with", "frozen", "key_files", "files"):
            content.pop(key, None)
        write_json(note, {**content, "redacted": [*content.get("redacted", []), {**work.note, "at": _now()}]})
        for name in GOES_ON_FROM:
            (note.parent / f"{name}.parquet").unlink(missing_ok=True)
        shutil.rmtree(note.parent / "keys", ignore_errors=True)
    shutil.rmtree(home.frozen, ignore_errors=True)
    redact_files(work, sorted(home.root.glob("linkage/**/*.parquet")))


# Staging -------------------------------------------------------------------------------------------------------------

LAST = ("raw_patient.parquet", "person_record.parquet", "quarantined_patient.parquet")
"""Files from which a person's values are known: after a kill, the next attempt still has to know what to look for."""


def redact_staging(work: Work, *, last: bool) -> None:
    """Take the person out of staging and quarantine: everything but the files named in `LAST`, or those."""
    root = work.home.root
    files = sorted(file for place in ("staging", "quarantine") for file in root.glob(f"{place}/*/*/*.parquet"))
    written = redact_files(work, [file for file in files if (file.name in LAST) == last])
    for file, rows in written.items():
        if file.name.startswith("raw_"):
            _tell_extracted(file, rows)


def _tell_extracted(raw: Path, rows: int) -> None:
    """The record of what was extracted counts the rows that are there."""
    note = raw.with_name(f"extracted.{raw.stem.removeprefix('raw_')}.json")
    if note.is_file():
        content = read_json(note)
        write_json(note, {**content, "rows": content["rows"] - rows})


def redact_elsewhere(work: Work, done: Iterable[str]) -> None:
    """Take the person out of tables in any other folder of the home (a report's, an experiment's)."""
    places = set(done)
    files = [
        file
        for folder in sorted(work.home.root.iterdir())
        if folder.is_dir() and not folder.is_symlink() and folder.name not in places
        for file in sorted(folder.rglob("*.parquet"))
    ]
    redact_files(work, files)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
