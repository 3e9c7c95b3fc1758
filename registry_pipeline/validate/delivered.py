"""The view over a raw feed that expectations are about: delivered text beside what it says.

What belongs here: helper columns that read each provider's own formats and codes, so that one suite serves all
providers. What does not: rules, and cleaning; a helper column is judged, never handed on.

Helper columns of a column `c`, and `FACTS` about several columns of a row:

* `c_code` (codes and flags): the code after the provider's `values`, in upper case;
* `nhs_number_fault`: what is wrong with the NHS number, null where nothing is;
* `c_parsed` (dates and timestamps): the date or timestamp, null where the text cannot be read under the agreed format;
* `c_parses`: whether it could be read; null where nothing was delivered;
* `c_known` (dates of a person): the date, null also where it is a placeholder; `c_is_placeholder`: whether it is one;
* `c_on` (timestamps): its day, for comparison with the night;
* `c_day_up_to_12` (dates): 1 where the day of the month could be a month, else 0;
* `c_nights_old` (`start_date`): nights between it and the night of the extract;
* `k_once` (the feed's key): the key, null in rows that repeat an earlier row word for word; `is_repeat` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from registry_pipeline.config import Column, Provider
from registry_pipeline.storage import load_sql
from registry_pipeline.tables import FEEDS, FeedColumn, FeedShape

if TYPE_CHECKING:
    import duckdb


_STATUS = "nhs_number_status_code"

FACTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "status_01_has_number": (
        ("nhs_number", "nhs_number_status"),
        f"CASE WHEN {_STATUS} IN ('01', '1', '02', '2') THEN trim(coalesce(nhs_number, '')) <> '' END",
    ),
    "status_07_has_none": (
        ("nhs_number", "nhs_number_status"),
        f"CASE WHEN {_STATUS} IN ('07', '7') THEN trim(coalesce(nhs_number, '')) = '' END",
    ),
    "names_are_clean": (
        ("given_name", "family_name"),
        "NOT regexp_matches(concat(given_name, family_name), '[\\x00-\\x1F\\x7F]')",
    ),
    "death_is_after_birth": (("birth_date", "death_date"), "death_date_known >= birth_date_known"),
    "merged_into_another": (("local_id", "merged_into"), "merged_into <> local_id"),
    # Where only one of the two has a time of day the days are compared.
    "end_is_after_start": (("start_date", "end_date"), "end_date_on >= start_date_on"),
    "says_what": (
        ("code", "description"),
        "coalesce(nullif(trim(code), ''), nullif(trim(description), '')) IS NOT NULL",
    ),
    "carer_is_another": (("local_id", "carer_local_id"), "carer_local_id <> local_id"),
    "replaced_by_another": (
        ("nhs_number", "replaced_by"),
        "nhs_number_digits(replaced_by) <> nhs_number_digits(nhs_number)",
    ),
}
"""Helper column to the columns that it needs, and its expression: a fact about one row; null where it says nothing."""


HELD_ROWS = 20_000
"""Rows up to which `delivered` is a table: planning the view again for each query costs more than holding so few."""

MACROS = f"provider_value(nhs_number_fault(is_placeholder_date( {' '.join(fact for _, fact in FACTS.values())}"
"""SQL that names every macro of `sql/macros.sql` that the view needs, for `storage.connect`."""


def create_delivered(
    connection: duckdb.DuckDBPyConnection,
    provider: Provider,
    feed: str,
    night: date,
    *,
    rows: int,
    synthetic_allowed: bool,
) -> frozenset[str]:
    """Make the view `delivered` over the view `raw`.

    Args:
        connection: has the view `raw` and the macros of `sql/delivered.sql`.
        provider: whose formats and code lists the texts are in.
        feed: the feed.
        night: the night of the extract.
        rows: rows of `raw`, or a few more.
        synthetic_allowed: whether made-up NHS numbers are valid in this deployment.

    Returns:
        Its columns that the provider delivers, helper columns among them; a column that is not mapped has none.
    """
    shape = FEEDS[feed]
    present = {str(row[0]) for row in connection.execute("DESCRIBE raw").fetchall()}
    mapped = _mapped(connection, provider, feed, shape, present)
    agreed = provider.feeds[feed].columns  # type: ignore[index]  # feed names are checked on load
    columns = [column for column in shape.columns if column.name in mapped]
    # Three layers, because a column of an inner SELECT is worked out once a query however many rules read it.
    read = _key_helpers(connection, shape, present)
    if "nhs_number" in mapped:
        read["nhs_number_fault"] = f"nhs_number_fault(nhs_number, {str(synthetic_allowed).lower()})"
    known: dict[str, str] = {}
    for column in columns:
        read |= _reading(column, agreed.get(column.name))
        known |= _knowledge(column, night)
    facts = {name: fact for name, (needed, fact) in FACTS.items() if mapped.issuperset(needed)}
    query = "raw"
    for layer in (read, known, facts):
        listed = "".join(f", {expression} AS {_name(name)}" for name, expression in layer.items())
        query = f"(SELECT *{listed} FROM {query})"  # noqa: S608  # names from tables.py, texts quoted
    kind = "TABLE" if rows <= HELD_ROWS else "VIEW"
    connection.execute(f"CREATE OR REPLACE {kind} delivered AS FROM {query}")
    return frozenset(mapped | read.keys() | known.keys() | facts.keys())


def _mapped(
    connection: duckdb.DuckDBPyConnection, provider: Provider, feed: str, shape: FeedShape, present: set[str]
) -> set[str]:
    """Canonical columns that the provider delivers."""
    agreed = provider.feeds[feed].columns  # type: ignore[index]  # feed names are checked on load
    if agreed:
        return present & set(agreed)
    # Nothing is mapped: the provider's names are the canonical ones, and those without any value were not delivered.
    names = [name for name in shape.column_names if name in present]
    counts = ", ".join(f"count({_name(name)})" for name in names)
    counted = connection.execute(f"SELECT {counts}, count(*) FROM raw")  # noqa: S608  # names from tables.py
    *filled, rows = counted.fetchall()[0]
    return {n for n, count in zip(names, filled, strict=True) if count or not rows or n in shape.required}


def _reading(column: FeedColumn, agreed: Column | None) -> dict[str, str]:
    """What the delivered text of one column says."""
    name = _name(column.name)
    if column.kind in ("code", "flag"):
        return {f"{column.name}_code": _code(name, agreed)}
    if column.kind not in ("date", "timestamp"):
        return {}
    read = _timestamp(name, agreed)
    return {f"{column.name}_parsed": f"{read}::DATE" if column.kind == "date" else read}


def _knowledge(column: FeedColumn, night: date) -> dict[str, str]:
    """What follows from a date that was read."""
    if column.kind not in ("date", "timestamp"):
        return {}
    parsed = f"{column.name}_parsed"
    made = {f"{column.name}_parses": f"CASE WHEN trim({_name(column.name)}) <> '' THEN {parsed} IS NOT NULL END"}
    if column.kind == "timestamp":
        made[f"{column.name}_on"] = f"{parsed}::DATE"
    else:
        made[f"{column.name}_is_placeholder"] = f"is_placeholder_date({parsed})"
        made[f"{column.name}_known"] = f"CASE WHEN NOT is_placeholder_date({parsed}) THEN {parsed} END"
        # The first of a month is left out: some sources keep birth dates to the month (ehrQL, Client Level Data).
        made[f"{column.name}_day_up_to_12"] = f"CASE WHEN day({parsed}) > 1 THEN (day({parsed}) <= 12)::TINYINT END"
    if column.name == "start_date":
        made["start_date_nights_old"] = f"date_diff('day', {parsed}::DATE, {_text(night.isoformat())}::DATE)"
    return made


def _timestamp(name: str, agreed: Column | None) -> str:
    if agreed is None or agreed.format is None:
        return f"delivered_iso_timestamp({name})"
    date_parts = [agreed.format.split(time)[0] for time in (" %H", "T%H", " %I") if time in agreed.format]
    formats = [agreed.format, *date_parts]
    return f"delivered_formatted_timestamp({name}, [{', '.join(map(_text, formats))}])"


def _code(name: str, agreed: Column | None) -> str:
    if agreed is None or not agreed.values:
        return f"delivered_code({name})"
    pairs = ", ".join(f"{_text(given)}: {_text(meant)}" for given, meant in agreed.codes.items())
    return f"delivered_code(provider_value(MAP {{{pairs}}}, trim({name})))"


def _key_helpers(connection: duckdb.DuckDBPyConnection, shape: FeedShape, present: Iterable[str]) -> dict[str, str]:
    """Rows that repeat an earlier one word for word: the first stays, so the key is judged without the others."""
    (key,) = shape.key
    if key not in set(present):
        return {}
    named = [_name(column) for column in shape.column_names if column in set(present)]
    content = ", ".join(named)
    connection.execute(
        f"CREATE OR REPLACE VIEW keyed AS SELECT source_row, {_name(key)} AS key, row({content}) AS content FROM raw"  # noqa: S608  # names from tables.py
    )
    connection.execute(f"CREATE OR REPLACE TABLE repeated_row AS {load_sql('repeated_rows')}")
    repeats = connection.execute("SELECT count(*) FROM repeated_row").fetchall()[0][0]
    is_repeat = "source_row IN (SELECT source_row FROM repeated_row)" if repeats else "false"
    return {"is_repeat": is_repeat, f"{key}_once": f"CASE WHEN NOT {is_repeat} THEN {_name(key)} END"}


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
