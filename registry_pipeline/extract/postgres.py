"""A query on a provider's PostgreSQL, streamed through ADBC into one Parquet file.

What belongs here: connecting, asking, and faults of either that never show the address or the password. What does
not: what becomes of the rows.

Equal content gives equal bytes: every column is text as PostgreSQL itself writes it, under fixed settings, in row
groups of a fixed size, and the settings keep an unsorted query in the table's own order. A query over a table that is
rewritten between two runs should sort (`order by`), or the same rows may land as a new version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import PostgresSource
from registry_pipeline.errors import FeedFault
from registry_pipeline.extract.landing import at_night
from registry_pipeline.extract.parts import Place, identifier
from registry_pipeline.storage import raise_if_disk_full

if TYPE_CHECKING:
    import pyarrow as pa

FILE_NAME = "query.parquet"
ROW_GROUP = 65_536
CONNECT_SECONDS = 15
"""How long a host may take to answer; a night has 115 providers to go through."""

_SETTINGS = (
    "SET DateStyle TO 'ISO, YMD'",
    "SET IntervalStyle TO 'iso_8601'",
    "SET TimeZone TO 'UTC'",
    "SET extra_float_digits TO 1",
    "SET bytea_output TO 'hex'",
    "SET synchronize_seqscans TO off",  # an unsorted query gives the rows in the table's order
    "SET max_parallel_workers_per_gather TO 0",
    "SET default_transaction_read_only TO on",
)


def fetch(
    place: Place, source: PostgresSource, night: date, folder: Path, environment: Mapping[str, str] = os.environ
) -> Path:
    """Run the query and write its rows, all columns as text, to a Parquet file.

    Args:
        place: whose feed, for messages.
        source: the query, and the environment variable that holds address and credentials.
        night: stands for `$1` in the query, as a date.
        folder: where the file goes.
        environment: where the variable is looked up.

    Raises:
        FeedFault: the variable is not set, the server does not answer or refuses the password (`unreachable`), or it
            refuses the query (`columns` where a column is missing).
        RunFailed: the disk is full.
    """
    import pyarrow.parquet as pq

    path = folder / FILE_NAME
    with closing(_connect(place, source, environment)) as connection, _asking(place, source):
        with closing(connection.cursor()) as cursor:
            for setting in _SETTINGS:
                cursor.execute(setting)
            connection.commit()
        with closing(connection.cursor()) as cursor:
            query = with_night(source.query, night)
            cursor.execute(_as_text(place, query, _column_names(cursor, query)))
            batches = cursor.fetch_record_batch()
            try:
                with pq.ParquetWriter(path, batches.schema.remove_metadata(), compression="zstd") as writer:
                    for group in _regrouped(_arriving(place, source, batches)):
                        writer.write_table(group, row_group_size=ROW_GROUP)
            except OSError as problem:
                raise_if_disk_full(problem, path)
                raise
    return path


def with_night(query: str, night: date) -> str:
    """The query with the night in place of `$1` (outside quotes) and of `{night}`.

    The night is written in as a literal, not bound: PostgreSQL's COPY, the only way to stream, takes no parameters,
    and a bound query holds its whole result in memory (measured with ADBC 1.13). It is a date, so nothing can be
    smuggled in by it.
    """
    literal = f"DATE '{night.isoformat()}'"
    text = re.sub(r"'(?:[^']|'')*'|\$1(?![0-9])", lambda m: literal if m[0] == "$1" else m[0], at_night(query, night))
    return text.strip().rstrip(";").rstrip()


def _connect(place: Place, source: PostgresSource, environment: Mapping[str, str]) -> Any:
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    dsn = environment.get(source.dsn_env, "")
    if not dsn:
        what = f"the environment variable {source.dsn_env} is not set: set it to the address of the database"
        raise place.fault("unreachable", what)
    try:
        return dbapi.connect(_with_timeout(dsn))
    except adbc_driver_manager.Error as problem:
        # The driver's own text may hold host and user, so nothing of it goes on, nor does the chain of exceptions.
        raise _no_connection(place, source, str(problem)) from None


def _with_timeout(dsn: str) -> str:
    if "connect_timeout" in dsn:
        return dsn
    if dsn.startswith(("postgresql://", "postgres://")):
        return f"{dsn}{'&' if '?' in dsn else '?'}connect_timeout={CONNECT_SECONDS}"
    return f"{dsn} connect_timeout={CONNECT_SECONDS}"


def _no_connection(place: Place, source: PostgresSource, text: str) -> FeedFault:
    at = f"the database that {source.dsn_env} names"
    if re.search(r"authentication failed|no password supplied|role .* does not exist|no pg_hba.conf entry", text):
        what = f"{at} refused the user or the password: correct {source.dsn_env}"
        return place.fault("unreachable", what, retryable=True)
    if re.search(r"database .* does not exist", text):
        return place.fault("unreachable", f"{at} does not exist on its server: correct {source.dsn_env}")
    if "connection info string" in text or "invalid" in text:
        what = f"{source.dsn_env} is not an address of a PostgreSQL: write it as postgresql://user:password@host/name"
        return place.fault("unreachable", what)
    return place.fault("unreachable", f"{at} did not answer: see that it runs and can be reached", retryable=True)


@contextmanager
def _asking(place: Place, source: PostgresSource) -> Iterator[None]:
    import adbc_driver_manager

    try:
        yield
    except adbc_driver_manager.Error as problem:
        # PostgreSQL's text may quote a value of a row; its state code says enough.
        state = problem.sqlstate or ""
        if state == "42703":
            raise place.fault("columns", "the query asks for a column that is not there: correct the query") from None
        if state == "42P01":
            raise place.fault("missing", "the query asks for a table that is not there: correct the query") from None
        if state == "42501":
            what = f"the user of {source.dsn_env} may not read what the query asks for: have the right granted"
            raise place.fault("unreachable", what) from None
        if not state or state.startswith(("08", "53", "57")):
            what = f"the database that {source.dsn_env} names broke off while it answered: see that it runs"
            raise place.fault("unreachable", what, retryable=True) from None
        what = f"the database refused the query (SQLSTATE {state}): correct the query"
        raise place.fault("unreadable", what) from None


def _column_names(cursor: Any, query: str) -> list[str]:
    cursor.execute(f"SELECT * FROM (\n{query}\n) AS delivered LIMIT 0")  # noqa: S608  # the deployment's own query
    reader = cursor.fetch_record_batch()
    names = list(reader.schema.names)
    for _ in reader:
        pass  # a result not read to its end would hold the connection
    return names


def _as_text(place: Place, query: str, names: list[str]) -> str:
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise place.fault("columns", f"the query gives two columns named {twice}: rename one of them in the query")
    cells = ", ".join(f"{identifier(n)}::text AS {identifier(n)}" for n in names)
    return f"SELECT {cells} FROM (\n{query}\n) AS delivered"  # noqa: S608  # the deployment's own query


def _arriving(place: Place, source: PostgresSource, batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches; what breaks off on the way comes as an error of Arrow's, not of the driver."""
    import pyarrow as pa

    while True:
        try:
            batch = batches.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as problem:
            # The text may quote a value of a row: it decides, but is not shown.
            if re.search(r"server closed|connection|terminating|SSL", str(problem)):
                what = f"the database that {source.dsn_env} names broke off while it answered: see that it runs"
                raise place.fault("unreachable", what, retryable=True) from None
            what = "the database could not work out a row of the query: correct the query"
            raise place.fault("unreadable", what) from None
        yield batch


def _regrouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of exactly `ROW_GROUP` rows (the last may be shorter), however the server parted them."""
    import pyarrow as pa

    held: list[Any] = []
    rows = 0
    for batch in batches:
        while batch.num_rows:
            taken = batch.slice(0, ROW_GROUP - rows)
            held.append(pa.record_batch(taken.columns, names=taken.schema.names))
            rows += taken.num_rows
            batch = batch.slice(taken.num_rows)  # noqa: PLW2901  # what is left of it
            if rows == ROW_GROUP:
                yield pa.Table.from_batches(held).combine_chunks()
                held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held).combine_chunks()
