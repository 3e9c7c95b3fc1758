"""What the data dictionary promises of rows, asked of every row of a published file.

What belongs here: one question each for null, code list and key, in DuckDB, so that a million rows are asked as well as
ten. What does not: which tables are asked (the tests and whoever has a home at hand).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from registry_pipeline.dictionary import code_lists
from registry_pipeline.storage import Home, scan
from registry_pipeline.tables import CONSUMER_TABLES, PUBLISHED, REGISTRY_TABLES, Column, Table


def files_of(home: Home) -> dict[Path, Table]:
    """Every published file of a home that readers see, with its table."""
    files = {home.current / f"{name}.parquet": PUBLISHED["registry"][name] for name in REGISTRY_TABLES}
    files |= {home.consumer_current(name) / f"{name}.parquet": table for name, table in CONSUMER_TABLES.items()}
    for purpose in sorted((home.root / "outputs").glob("*/current")):
        files |= {purpose / f"{name}.parquet": table for name, table in PUBLISHED["output"].items()}
    return {file: table for file, table in files.items() if file.is_file()}


def broken_promises(file: Path, table: Table) -> list[str]:
    """What a file's rows do not keep, one sentence each; no value is told."""
    asked = [question for column in table.columns for question in _questions(column)]
    if table.key:
        key = ", ".join(f'"{name}"' for name in table.key)
        asked.append(("the key stands once", f"count(*) - count(DISTINCT ({key}))"))
    listed = ", ".join(question for _, question in asked)
    with duckdb.connect() as connection:
        (counted,) = connection.sql(f"SELECT {listed} FROM {scan(file)}").fetchall()
    return [
        f"{table.name}: {promise} (not in {rows} rows)"
        for (promise, _), rows in zip(asked, counted, strict=True)
        if rows
    ]


def _questions(column: Column) -> list[tuple[str, str]]:
    """Promises of a column, each with the expression that counts the rows that break it."""
    asked = []
    if not column.is_nullable:
        asked.append((f"{column.name} is never null", f'count(*) FILTER ("{column.name}" IS NULL)'))
    codes = code_lists.load()[column.codes] if column.codes else None
    if codes is not None and codes.closed:
        values = "[" + ", ".join(f"'{code}'" for code in codes.values) + "]"
        held = f'"{column.name}"::VARCHAR[]' if column.type.endswith("[]") else f'["{column.name}"::VARCHAR]'
        known = f'"{column.name}" IS NULL OR list_has_all({values}, {held})'
        asked.append((f"{column.name} is of the list {codes.name}", f"count(*) FILTER (NOT ({known}))"))
    return asked
