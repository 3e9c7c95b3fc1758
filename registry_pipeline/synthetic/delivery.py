"""How each provider writes what it knows: the inverse of what its provider file says about reading it.

What belongs here: turning canonical columns back into a provider's own columns, formats and codes, and writing CSV in
all its forms, Parquet, and the tables of the replica. What does not: FHIR (`fhir.py`), and what is delivered when
(`nights.py`).

The provider's YAML is the one description of a form: column names, date formats, code values, delimiter, encoding and
compression all come from it. Only what a reader need not know stands here: who quotes every cell.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from registry_pipeline.config import Column, CsvSource, Feed, ParquetSource, PostgresSource, Provider
from registry_pipeline.tables import FEEDS

ROWS_A_BATCH = 16_384
FASTEST = 1
"""Level of gzip and zip: their files are read once."""

FIRST_DAY, LAST_DAY = date(1880, 1, 1), date(2045, 1, 1)
QUOTES_EVERY_CELL = ("GP1", "GP2")


def as_delivered(feed_name: str, feed: Feed, rows: pa.Table, *, typed: bool = False) -> pa.Table:
    """Canonical rows under the provider's own columns and codes.

    Args:
        feed_name: the feed.
        feed: its description in the provider's YAML.
        rows: canonical columns; those that the feed does not map are left out.
        typed: whether dates, times and flags stay what they are (Parquet, PostgreSQL) instead of becoming text.
    """
    made: dict[str, Any] = {}
    for name, column in _agreed(feed_name, feed).items():
        values = _column(rows, name, column, typed=typed)
        if len(column.source) == 1:
            made.setdefault(column.source[0], values)
        else:
            made.update(zip(column.source, _parts(values, column), strict=True))
    return pa.table(made)


def _agreed(feed_name: str, feed: Feed) -> dict[str, Column]:
    if feed.columns:
        return dict(feed.columns)
    return {name: Column.model_validate({"from": name}) for name in FEEDS[feed_name].column_names}


def _column(rows: pa.Table, name: str, column: Column, *, typed: bool) -> Any:
    if name not in rows.column_names:
        return pa.nulls(len(rows), pa.string())
    values = rows[name].combine_chunks()
    if typed and column.values is None and not pa.types.is_string(values.type):
        return values
    text = as_text(values, column.format)
    if column.values is None:
        return text
    own = {canonical: theirs for theirs, canonical in reversed(list(column.values.items()))}
    if not len(rows):
        return text
    index = pc.index_in(text, value_set=pa.array(list(own)))
    return pa.array(list(own.values())).take(index)


def as_text(values: Any, form: str | None = None) -> Any:
    """A column as text: dates and times in a strptime form (ISO without one), flags as true and false."""
    kind = values.type
    if pa.types.is_date(kind):
        days = pc.subtract(values.cast(pa.int32()), _day_number(FIRST_DAY))
        return _days(form or "%Y-%m-%d").take(days)
    if pa.types.is_timestamp(kind):
        form = form or "%Y-%m-%d %H:%M:%S"
        day_form, _, minute_form = form.partition(" %H") if " %H" in form else (form, "", "")
        seconds = values.cast(pa.timestamp("s")).cast(pa.int64())
        numbers = seconds.fill_null(0).to_numpy(zero_copy_only=False)
        day = _days(day_form).take(pa.array(numbers // 86400 - _day_number(FIRST_DAY)))
        if minute_form:
            day = pc.binary_join_element_wise(
                day, _minutes("%H" + minute_form).take(pa.array(numbers % 86400 // 60)), " "
            )
        return pc.if_else(seconds.is_valid(), day, None)
    if pa.types.is_boolean(kind):
        return pc.if_else(values, "true", "false")
    return values


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


@cache
def _days(form: str) -> pa.Array:
    """Every day that a record may hold, in one form: looking a text up is faster than formatting it a million times."""
    return pa.array([(FIRST_DAY + timedelta(days=n)).strftime(form) for n in range((LAST_DAY - FIRST_DAY).days)])


@cache
def _minutes(form: str) -> pa.Array:
    texts = [
        form.replace("%H", f"{m // 60:02d}").replace("%M", f"{m % 60:02d}").replace("%S", "00") for m in range(1440)
    ]
    return pa.array(texts)


def _parts(values: Any, column: Column) -> list[Any]:
    """One text over several columns; what there is none of stays empty, the last column takes the rest."""
    count = len(column.source)
    pieces = pc.split_pattern(values.fill_null(""), column.separator, max_splits=count - 1)
    found = []
    for place in range(count):
        one = pc.list_slice(pieces, place, place + 1, return_fixed_size_list=True)
        text = one.flatten() if len(one) else pa.array([], pa.string())
        found.append(pc.if_else(pc.equal(text, ""), None, text) if len(text) else text)
    return found


class Writer:
    """Writes the tables of one provider and night, batch by batch, and counts rows.

    Args:
        provider: its code.
        folder: what the paths of sources are relative to.
        replica: folder of the replica's tables.
        night: the night.
    """

    def __init__(self, provider: str, folder: Path, replica: Path, night: date) -> None:
        self.provider, self.folder, self.replica, self.night = provider, folder, replica, night
        self.rows: dict[str, int] = {}
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        for archive in self._archives.values():
            archive.close()
        self._stack.close()

    @contextmanager
    def feed(self, name: str, feed: Feed, *, blemish: tuple[int, Mapping[str, float]] | None = None) -> Iterator[Any]:
        """A function that takes canonical rows of a feed; the file is whole when the block ends.

        Args:
            name: the feed.
            feed: its description.
            blemish: seed and rates, where some delivered rows shall be bad ones.
        """
        self.rows.setdefault(name, 0)
        typed = not isinstance(feed.source, CsvSource)
        with ExitStack() as stack:
            sink: Any = None

            def write(rows: pa.Table) -> None:
                nonlocal sink
                table = as_delivered(name, feed, rows, typed=typed)
                if blemish is not None:
                    table = blemished(table, feed, *blemish)
                if sink is None:
                    sink = stack.enter_context(self._sink(feed, table.schema))
                sink(table)
                self.rows[name] += len(table)

            yield write

    @contextmanager
    def csv(self, source: CsvSource, *, quoted: bool, columns: list[str]) -> Iterator[Any]:
        """A function that takes tables of text and writes them as the source says that they are read."""
        with self._open(source) as raw:
            target = raw if source.encoding == "utf-8" else _Encoding(raw, source.encoding)
            style = "none" if not source.quote else "all_valid" if quoted else "needed"
            header = source.delimiter.join(f'"{c}"' if quoted else c for c in columns) + "\n"
            target.write(header.encode())
            options = pa_csv.WriteOptions(
                include_header=False, delimiter=source.delimiter, batch_size=ROWS_A_BATCH,
                quoting_style="none" if style == "needed" else style,
            )  # fmt: skip

            def write(table: pa.Table) -> None:
                if style == "needed":
                    table = pa.table({n: _quote_where_needed(table[n], source.delimiter) for n in table.column_names})
                elif style == "all_valid":
                    table = pa.table({n: table[n].fill_null("") for n in table.column_names})
                _write_rows(table, target, options, quoted=style == "needed")

            yield write

    @contextmanager
    def _sink(self, feed: Feed, schema: pa.Schema) -> Iterator[Any]:
        source = feed.source
        if isinstance(source, CsvSource):
            with self.csv(source, quoted=self.provider in QUOTES_EVERY_CELL, columns=schema.names) as write:
                yield write
            return
        if isinstance(source, ParquetSource):
            path = self.path(source.path)
        elif isinstance(source, PostgresSource):
            table = source.query.split(" from ")[1].split()[0]
            path = self.replica / self.night.isoformat() / f"{table}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            message = f"{source.kind} is not written here"
            raise TypeError(message)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield writer.write_table

    def path(self, pattern: str) -> Path:
        """The file of the night that a source's path names."""
        path = self.folder / pattern.format(night=self.night)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def _open(self, source: CsvSource) -> Iterator[IO[bytes]]:
        path = self.path(source.path)
        if path.suffix == ".zip":
            if path not in self._archives:
                self._archives[path] = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST)
            stem = (source.member or "*.csv").replace("*_", "291_").replace("_*", f"_{self.night:%Y%m%d}")
            # Opened by name a member is dated 1980, so the same seed gives the same bytes.
            with self._archives[path].open(stem, "w", force_zip64=True) as file:
                yield file
        elif path.suffix == ".gz":
            with (
                path.open("wb") as raw,
                gzip.GzipFile("", "wb", FASTEST, raw, mtime=0) as packed,
                io.BufferedWriter(packed, 1 << 20) as file,
            ):
                yield file
        else:
            with path.open("wb") as file:
                yield file


class _Encoding:
    """A binary file that takes UTF-8 and writes another encoding; what it cannot hold becomes a question mark."""

    closed = False

    def __init__(self, raw: IO[bytes], encoding: str) -> None:
        self.raw, self.encoding = raw, encoding

    def write(self, data: Any) -> int:
        """Write a piece that ends between two characters."""
        content = bytes(data)
        if not content.isascii():
            content = content.decode("utf-8").encode(self.encoding, "replace")
        self.raw.write(content)
        return len(data)

    def flush(self) -> None:
        """Pass on what is held back."""
        self.raw.flush()


def _write_rows(table: pa.Table, target: Any, options: pa_csv.WriteOptions, *, quoted: bool) -> None:
    if not len(table):
        return
    if not quoted:
        buffer = pa.BufferOutputStream()
        pa_csv.write_csv(table, buffer, options)
        target.write(memoryview(buffer.getvalue()))
        return
    # write_csv quotes every text or none; where only some are quoted the lines are joined here, and the texts of an
    # Arrow array lie one after the other: they are the file.
    *cells, last = [table[n].combine_chunks().fill_null("") for n in table.column_names]
    lines = pc.binary_join_element_wise(*cells, pc.binary_join_element_wise(last, "\n", ""), options.delimiter)
    target.write(memoryview(lines.buffers()[2]))


def _quote_where_needed(column: Any, delimiter: str) -> Any:
    text = column.combine_chunks().fill_null("")
    needed = pc.or_(pc.match_substring(text, delimiter), pc.match_substring(text, '"'))
    if not pc.any(needed).as_py():
        return text
    inner = pc.replace_substring(text, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', inner, '"', ""), text)


def client_level(
    provider: Provider, persons: pa.Table, events: Mapping[str, pa.Table]
) -> tuple[pa.Table, dict[str, int]]:
    """Client Level Data: the person repeated on each event; who has no event has a row without one.

    Args:
        provider: whose feeds say which columns and marks are whose.
        persons: delivered patient rows.
        events: canonical rows by feed.

    Returns:
        The table, and rows by feed.
    """
    key = source_of(provider.feeds["patient"], "local_id")
    ids = persons[key].combine_chunks()
    parts, counts = [], {}
    seen = []
    for name, rows in events.items():
        feed = provider.feeds[name]  # type: ignore[index]  # feeds of the provider's own file
        own = as_delivered(name, feed, rows)
        index = pc.index_in(own[key].combine_chunks(), value_set=ids)
        own = own.filter(index.is_valid())
        index = index.drop_null()
        person = persons.take(index)
        marks = {c: pa.array(np.full(len(own), v[0])) for c, v in feed.only.items() if c not in own.column_names}
        parts.append(pa.table({**dict(zip(person.column_names, person.columns, strict=True)),
                               **dict(zip(own.column_names, own.columns, strict=True)), **marks}))  # fmt: skip
        seen.append(index)
        counts[name] = len(own)
    without = np.ones(len(ids), bool)
    without[pa.chunked_array(seen).to_numpy()] = False
    parts.append(persons.filter(pa.array(without)))
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks(), counts


def source_of(feed: Feed, name: str) -> str:
    """The provider's (first) column of a canonical one."""
    return feed.columns[name].source[0] if feed.columns else name


def blemished(rows: pa.Table, feed: Feed, seed: int, rates: Mapping[str, float]) -> pa.Table:
    """Delivered patient rows with the few that a row rule must find; the same rows every night.

    Only texts can hold what is no date, so typed columns keep theirs.
    """
    from registry_pipeline.synthetic import recording

    local, birth = source_of(feed, "local_id"), source_of(feed, "birth_date")
    keys = np.array(pc.fill_null(rows[local], "").to_pylist(), dtype="S40")
    dice = _hash(keys, seed)
    columns = {name: rows[name].combine_chunks() for name in rows.column_names}
    below = 0.0

    def chosen(rate: str) -> Any:
        nonlocal below
        mask = (dice >= below) & (dice < below + rates[rate])
        below += rates[rate]
        return mask

    mask = chosen("unreadable_date")
    if pa.types.is_string(columns[birth].type):
        texts = pa.array(np.array(recording.UNREADABLE)[(dice[mask] * 1e9).astype(int) % len(recording.UNREADABLE)])
        columns[birth] = recording.put(columns[birth], mask, texts.cast(pa.string()))
    mask = chosen("text_in_code")
    for name in ("ethnicity", "sex"):
        where = source_of(feed, name)
        columns[where] = recording.put(columns[where], mask, "see notes")
    mask = chosen("missing_local_id")
    columns[local] = recording.put(columns[local], mask, pa.scalar(None, pa.string()))
    again = np.flatnonzero(chosen("repeated_row"))
    table = pa.table(columns)
    return pa.concat_tables([table, table.take(pa.array(again))])


def _hash(keys: Any, seed: int) -> Any:
    """A figure in [0, 1) for each key, the same every night."""
    width = keys.dtype.itemsize
    codes = keys.view(np.uint8).reshape(len(keys), width).astype(np.uint64)
    mixed = np.full(len(keys), 1469598103934665603 + seed, dtype=np.uint64)
    for place in range(width):
        mixed = (mixed ^ codes[:, place]) * np.uint64(1099511628211)
    mixed ^= mixed >> np.uint64(29)
    return (mixed * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(11)).astype(np.float64) / float(1 << 53)
