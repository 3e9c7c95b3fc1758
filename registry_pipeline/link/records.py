"""Person records as linkage sees them: the night's columns, what was worked out for each, and what changed.

What belongs here: reading the providers' shares, the record's features, and the digest by which a changed record is
known. What does not: what values are compared for (`model`), what is counted once and then fixed (`frozen`), pairs.

A record's features depend on its own columns and on what is frozen. What other records of the night decide (that a
number or a telephone is in very many records) is part of the record's `state`, so that a record whose surroundings
change counts as changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registry_pipeline.errors import RunFailed
from registry_pipeline.link import frozen
from registry_pipeline.link.model import (
    COMMON_ADDRESS_WORD,
    COMPARISONS,
    FREQUENCY_COLUMNS,
    MOST_RECORDS_OF_A_PHONE,
    NEWBORN_DAYS,
    LinkageModel,
)
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, load_sql, scan
from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER

if TYPE_CHECKING:
    import duckdb

LINK_COLUMNS = (
    "record_id", "provider", "setting", "night", "given_name", "middle_names", "family_name", "previous_family_name",
    "alias_names", "birth_date", "death_date", "sex", "address", "postcode", "phone", "email", "gp_practice",
    "nhs_number", "is_nhs_number_verified", "merged_into",
)  # fmt: skip
"""The columns of person_record that linkage reads, and no other."""

FORM_TABLES = ("given_form", "family_form", "address_form")
"""What is worked out once for each distinct value; dropped once the features stand."""


def run_script(connection: duckdb.DuckDBPyConnection, name: str, bound: Mapping[str, Any]) -> None:
    """Run a SQL file of several statements, each with those of the parameters that it names."""
    for statement in connection.extract_statements(load_sql(name)):
        connection.execute(statement, {key: bound[key] for key in statement.named_parameters})


def load_everybody(connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share]) -> int:
    """Make `everybody` (one row per person record of the night), `nickname` and `replaced_number` from the shares.

    Returns:
        Person records.

    Raises:
        RunFailed: there are none.
    """
    shown = [s for s in shares if s.feed == "patient"]
    files = [home.staged("person_record", s.provider.provider, s.night) for s in shown]
    if not files:
        raise RunFailed("No provider's person records count for this night: run the stages before linking first.")
    columns = ", ".join(LINK_COLUMNS)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW person_record AS SELECT {columns} FROM {scan(files)}")  # noqa: S608
    _load_replaced_numbers(connection, home, shares)
    load_nicknames(connection)
    return know_everybody(connection)


def know_everybody(connection: duckdb.DuckDBPyConnection) -> int:
    """Make `everybody` from the view `person_record` and the table `replaced_number`.

    Returns:
        Person records.
    """
    run_script(
        connection,
        "link_everybody",
        {
            "most_records_of_a_number": MOST_RECORDS_OF_A_NUMBER,
            "most_records_of_a_phone": MOST_RECORDS_OF_A_PHONE,
            "newborn_days": NEWBORN_DAYS,
        },
    )
    return int(connection.execute("SELECT count(*) FROM everybody").fetchall()[0][0])


def load_records(connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share]) -> int:
    """Make `link_record` from all records of a night, with frequencies counted from them (for training and measuring).

    Returns:
        Person records.

    Raises:
        RunFailed: there are none.
    """
    records = load_everybody(connection, home, shares)
    count_and_make_features(connection)
    return records


def make_features(connection: duckdb.DuckDBPyConnection, *, common_address_word: float = COMMON_ADDRESS_WORD) -> int:
    """Make `link_record` from the view `person_record` and the tables `nickname` and `replaced_number`.

    Returns:
        Person records.
    """
    records = know_everybody(connection)
    count_and_make_features(connection, common_address_word=common_address_word)
    return records


def count_and_make_features(
    connection: duckdb.DuckDBPyConnection, *, common_address_word: float = COMMON_ADDRESS_WORD
) -> None:
    """Count what is to be frozen from `everybody`, and make the features of all of it."""
    frozen.count_common_words(connection, common_address_word)
    _choose(connection, None)
    run_script(connection, "link_forms", {})
    run_script(connection, "link_frequencies", {})
    _features(connection)


def make_features_of(connection: duckdb.DuckDBPyConnection, chosen: str | None) -> None:
    """Make `link_record` for the records of a table (state), or for everybody; what is frozen must be loaded."""
    _choose(connection, chosen)
    run_script(connection, "link_forms", {})
    _features(connection)


def _choose(connection: duckdb.DuckDBPyConnection, chosen: str | None) -> None:
    """Make `chosen_record`, what features are made of, with a number for each: all of everybody is not copied."""
    if chosen:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE subset AS SELECT * FROM everybody SEMI JOIN {chosen} USING (state)"  # noqa: S608
        )
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW chosen_record AS SELECT (rowid + 1)::INTEGER AS id, *,"  # noqa: S608  # own names
        f" strftime(birth_date, '%Y%m%d') AS birth_digits FROM {'subset' if chosen else 'everybody'}"
    )


def _features(connection: duckdb.DuckDBPyConnection) -> None:
    run_script(connection, "link_features", {})
    connection.execute("DROP VIEW chosen_record")
    for table in ("subset", *FORM_TABLES):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    set_frequencies(connection, None)


def set_frequencies(connection: duckdb.DuckDBPyConnection, model: LinkageModel | None) -> None:
    """Make the view `link_record`: features, and the term frequency of each value that the model's levels rest on.

    The records of a pair agree with one another whoever they are, so one is not counted; and a value that only they
    have is as rare as the model's u, not as one record among a few thousand: (n - 1) / (N + 1/u).
    """
    chosen = {level.frequency_of: (c.name, level.name) for c in COMPARISONS for level in c.levels if level.frequency_of}
    totals = dict(connection.execute("SELECT column_name, records FROM frozen_total").fetchall())
    frequencies = []
    for column in FREQUENCY_COLUMNS:
        comparison, level = chosen[column]
        trained = model.comparisons.get(comparison) if model else None
        unseen = 1 / trained[level].u if trained else 0.0
        held = totals.get(column, 0) + unseen + 1.0
        # A record's own value is one of those counted, or was never seen: either way its n is 1 at least.
        frequencies.append(
            f"CASE WHEN {column} IS NOT NULL THEN greatest(coalesce(n_{column}, 1) - 1, 1) / {held!r}::DOUBLE END"
            f" AS tf_{column}"
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW link_record AS SELECT *, {', '.join(frequencies)} FROM counted_record"  # noqa: S608
    )


def _load_replaced_numbers(connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share]) -> None:
    feed = "nhs_number_replacement"
    files = [home.staged(feed, s.provider.provider, n, feed) for s in shares if s.feed == feed for n in s.nights]
    source = (
        scan(files)
        if files
        else "(SELECT NULL::VARCHAR AS nhs_number, NULL::VARCHAR AS replaced_by, NULL::DATE AS start_date LIMIT 0)"
    )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW nhs_number_replacement AS SELECT * FROM {source}")  # noqa: S608
    connection.execute(load_sql("link_replaced_numbers"))


def load_nicknames(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `nickname`: a name, and each name that it is short for or a form of."""
    import csv
    from importlib import resources

    import pyarrow as pa

    with resources.files("nicknames").joinpath("names.csv").open(encoding="utf-8") as file:
        rows = [(row["name2"].upper(), row["name1"].upper()) for row in csv.DictReader(file)]
    # The package knows English names; people here have others too.
    with resources.files("registry_pipeline.link").joinpath("nicknames.csv").open(encoding="utf-8") as file:
        rows += [(row["name"], row["canonical"]) for row in csv.DictReader(file)]
    nicknames = pa.table({"name": [name for name, _ in rows], "canonical": [canonical for _, canonical in rows]})
    connection.register("nickname_rows", nicknames)
    connection.execute("CREATE OR REPLACE TEMP TABLE nickname AS SELECT DISTINCT * FROM nickname_rows")
    connection.unregister("nickname_rows")


def filled_columns(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Columns of person_record that linkage compares and that hold at least one value tonight."""
    columns = {
        "given_name": "given_name", "family_name": "family_name", "birth_date": "birth_date", "sex": "sex",
        "postcode": "postcode", "address": "address", "middle_names": "middle_names", "phone": "phone",
        "email": "email", "nhs_number": "current_nhs_number",
    }  # fmt: skip
    counts = ", ".join(f"count({column})" for column in columns.values())
    found = connection.execute(f"SELECT {counts} FROM everybody").fetchall()[0]  # noqa: S608  # own names
    return {name for name, count in zip(columns, found, strict=True) if count}
