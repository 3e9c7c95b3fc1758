"""Which area a postcode lies in: the deployment's list of postcodes, in the registry's form.

What belongs here: reading the list (CSV or Parquet, as the ONS Postcode Directory has it) and refusing one that is not
what its description says. What does not: what is made of an area (pseudonymised outputs, figures by deprivation).
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.config import Configuration, PostcodeLookup
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import load_sql, macros_of, scan

if TYPE_CHECKING:
    import duckdb


def name_areas(connection: duckdb.DuckDBPyConnection, configuration: Configuration) -> bool:
    """Make the temporary table `postcode_area(postcode, lsoa, deprivation_decile)` on a connection.

    One row for each postcode, in the registry's normal form (one blank before the inward code); decile 1 is the most
    deprived. Empty where the deployment names no list.

    Returns:
        Whether a list is named.

    Raises:
        BadInput: the file is missing, cannot be read, lacks a column, or does not hold what its columns should.
    """
    lookup = configuration.deployment.postcodes
    connection.execute(macros_of(load_sql("postcode_area")))
    if lookup is None:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE postcode_area (postcode VARCHAR, lsoa VARCHAR, deprivation_decile TINYINT)"
        )
        return False
    file = configuration.sources / lookup.path
    _name_listed(connection, file, lookup)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE postcode_judged AS {load_sql('postcode_area')}")
    except _duckdb_error() as problem:
        raise _unreadable(file) from problem
    _refuse_wrong(connection, file, lookup)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE postcode_area AS"
        " SELECT postcode, lsoa, deprivation_decile FROM postcode_judged WHERE fault IS NULL"
    )
    connection.execute("DROP TABLE postcode_judged")
    return True


def _duckdb_error() -> type[Exception]:
    import duckdb

    return duckdb.Error


def _unreadable(file: Path) -> BadInput:
    kind = "Parquet" if file.suffix.lower() == ".parquet" else "CSV with a header, in UTF-8"
    return BadInput(f"The list of postcodes {file} cannot be read as {kind}: get it again, or mend it.")


def _name_listed(connection: duckdb.DuckDBPyConnection, file: Path, lookup: PostcodeLookup) -> None:
    """The view `listed(postcode, lsoa, deprivation_decile)`: the list's own text."""
    if not file.is_file():
        raise BadInput(
            f"The list of postcodes {file} is missing: put it there, or mend postcodes.path in registry.yaml."
        )
    if file.suffix.lower() == ".parquet":
        source = scan(file)
    else:
        named = str(file).replace("'", "''")
        source = f"read_csv('{named}', header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608  # a path of the configuration
    except _duckdb_error() as problem:
        raise _unreadable(file) from problem
    there = [str(row[0]) for row in described]
    wanted = {"postcode": lookup.postcode, "lsoa": lookup.lsoa, "deprivation_decile": lookup.deprivation_decile}
    chosen = []
    for name, column in wanted.items():
        if column is None:
            chosen.append(f"NULL::VARCHAR AS {name}")
            continue
        if column not in there:
            near = difflib.get_close_matches(column.lower(), [each.lower() for each in there], n=1, cutoff=0.3)
            nearest = [each for each in there if near and each.lower() == near[0]]
            hint = f"; did you mean {nearest[0]!r}?" if nearest else f"; it has: {', '.join(there[:20])}"
            raise BadInput(
                f"The list of postcodes {file} has no column {column!r} (postcodes.{name} in registry.yaml){hint}."
            )
        quoted = column.replace('"', '""')
        chosen.append(f'trim("{quoted}"::VARCHAR) AS {name}')
    connection.execute(f"CREATE OR REPLACE TEMP VIEW listed AS SELECT {', '.join(chosen)} FROM {source}")  # noqa: S608  # columns that the file has


def _refuse_wrong(connection: duckdb.DuckDBPyConnection, file: Path, lookup: PostcodeLookup) -> None:
    """A list whose columns hold something else is refused as a whole: areas that are wrong are worse than none."""
    found = dict(connection.execute("SELECT coalesce(fault, ''), count(*) FROM postcode_judged GROUP BY 1").fetchall())
    if not found:
        raise BadInput(f"The list of postcodes {file} holds no row: get it again.")
    said = {
        "not_an_lsoa": f"the column {lookup.lsoa!r} holds something else than an LSOA code (E01 and six digits, or the"
        " codes of Wales, Scotland and Northern Ireland)",
        "not_a_decile": f"the column {lookup.deprivation_decile!r} holds something else than a decile 1 to 10",
        "two_areas": "a postcode stands in two areas",
        "not_a_postcode": f"the column {lookup.postcode!r} holds something else than a postcode",
    }
    for fault, sentence in said.items():
        if fault in found:
            raise BadInput(
                f"The list of postcodes {file} cannot be used: in {found[fault]:,} of its rows {sentence}; mend the"
                " list or the names of its columns in registry.yaml."
            )
