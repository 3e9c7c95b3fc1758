"""Parquet as delivered, and as the PostgreSQL reader lands it: every column as text.

What belongs here: casting physical types to text and finding rows that are beyond the limits. What does not: files
of lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.extract.parts import FIELD_LIMIT, Part, Place, identifier, quoted
from registry_pipeline.storage import raise_if_disk_full

if TYPE_CHECKING:
    import duckdb


def read(connection: duckdb.DuckDBPyConnection, place: Place, files: Iterable[Path], folder: Path) -> list[Part]:
    """Parquet files; dates and timestamps become ISO text, lists of text are joined by semicolons, nulls stay.

    Args:
        connection: where the parts will be read.
        place: whose feed, for messages.
        files: landed files, in order.
        folder: for the list of rows set aside.

    Raises:
        FeedFault: a file is not Parquet, or is cut short.
    """
    return [_read_file(connection, place, file, folder) for file in files]


def _read_file(connection: duckdb.DuckDBPyConnection, place: Place, file: Path, folder: Path) -> Part:
    import duckdb

    scan = f"read_parquet({quoted(file)}, file_row_number = true, binary_as_string = true)"
    connection.execute("SET TimeZone = 'UTC'")
    try:
        described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {scan}").fetchall()  # noqa: S608  # our own path
        columns = [(str(name), str(kind)) for name, kind, *_ in described]
        cells = ", ".join(f"{_as_text(name, kind)} AS c{i}" for i, (name, kind) in enumerate(columns))
        relation = f"SELECT file_row_number + 1 AS part_row, part_row AS part_line, {cells} FROM {scan}"  # noqa: S608
        return set_aside_beyond_limits(connection, file.name, tuple(n for n, _ in columns), relation, folder)
    except duckdb.Error as problem:
        raise_if_disk_full(problem, folder)
        what = "this is not a whole Parquet file: ask for it to be sent again"
        raise place.fault("unreadable", what, file=file.name) from problem


def _as_text(name: str, kind: str) -> str:
    column = identifier(name)
    if kind == "VARCHAR[]":
        return f"nullif(array_to_string({column}, ';'), '')"
    return f"nullif({column}::VARCHAR, '')"


def set_aside_beyond_limits(
    connection: duckdb.DuckDBPyConnection,
    file: str,
    columns: tuple[str, ...],
    relation: str,
    folder: Path,
    *,
    reason: str = "NULL",
) -> Part:
    """A part of a relation whose cells are already parted; rows with a NUL or a huge field are set aside.

    Args:
        connection: where the relation can be read.
        file: its name.
        columns: the provider's names of `c0`, `c1`, ...
        relation: a SELECT with part_row, part_line and the cells.
        folder: for the list of rows set aside.
        reason: SQL of a reason that is already known, or NULL.
    """
    cells = [f"c{i}" for i in range(len(columns))]
    too_long = " OR ".join(f"strlen({c}) > {FIELD_LIMIT}" for c in cells)
    with_nul = " OR ".join(f"contains({c}, chr(0))" for c in cells)
    why = f"coalesce({reason}, CASE WHEN {with_nul} THEN 'nul_byte' WHEN {too_long} THEN 'field_too_long' END)"
    found = connection.execute(
        f"SELECT count(*), count({why}), coalesce(max(part_row), 0) FROM ({relation})"  # noqa: S608  # names are positions
    ).fetchall()[0]
    rows, aside, last_row = (int(value) for value in found)
    kept = f"SELECT part_row, part_line{''.join(f', {c}' for c in cells)} FROM ({relation})"  # noqa: S608
    if not aside:
        return Part(file, columns, kept, rows, last_row)
    path = folder / f"{len(list(folder.iterdir())):04d}.aside.parquet"
    listed = f"SELECT part_row, part_line, {why} AS reason FROM ({relation})"  # noqa: S608
    connection.execute(f"COPY (SELECT * FROM ({listed}) WHERE reason IS NOT NULL) TO {quoted(path)} (FORMAT parquet)")  # noqa: S608
    first = connection.execute(
        f"SELECT part_line, reason FROM read_parquet({quoted(path)}) ORDER BY part_row LIMIT 1"  # noqa: S608
    ).fetchall()[0]
    kept += f" WHERE {why} IS NULL"
    return Part(file, columns, kept, rows - aside, last_row, path, aside, (int(first[0]), str(first[1])))
