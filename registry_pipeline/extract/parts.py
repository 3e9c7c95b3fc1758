"""What every way of arriving is turned into: parts that DuckDB can read, and faults that say where.

What belongs here: the small types that the readers hand to the mapping, and the limits that hold for all of them.
What does not: reading any format, and what a canonical column is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from registry_pipeline.errors import FaultKind, FeedFault

FIELD_LIMIT = 1 << 20
"""Bytes in one field beyond which its row is set aside (`field_too_long`): no field of any feed comes near it."""

ROW_LIMIT = 16 << 20
"""Characters in one row beyond which it is not parsed at all, so that memory does not depend on what is delivered."""


@dataclass(frozen=True)
class Place:
    """Whose feed is read: every message of this stage names it."""

    provider: str
    feed: str

    def fault(
        self, kind: FaultKind, what: str, *, file: str | None = None, line: int | None = None, retryable: bool = False
    ) -> FeedFault:
        """A fault as one sentence: provider, feed, file, line, what is wrong and what to do.

        Args:
            kind: what sort of fault.
            what: the rest of the sentence, without a full stop; never a value of a row.
            file: name of the delivered file or member.
            line: line of that file, from 1.
            retryable: whether trying again soon may help.
        """
        where = f"{self.provider}, feed {self.feed}"
        where += f", file {file}" if file else ""
        where += f", line {line}" if line else ""
        return FeedFault(f"{where}: {what}.", kind=kind, retryable=retryable)


@dataclass(frozen=True)
class Part:
    """One delivered file (or member of an archive) as DuckDB reads it.

    Attributes:
        file: its name, as `source_file` shows it.
        columns: the provider's column names, in order.
        relation: a SELECT with `part_row` (from 1, in the file's order), `part_line`, and `c0`, `c1`, ... for the
            provider's columns, all text. Columns go by position because names of providers may differ by case only.
        rows: rows of the relation.
        last_row: the highest `part_row`, counting rows set aside.
        unreadable: Parquet of rows set aside (part_row, part_line, reason), or None.
        unreadable_rows: how many.
        first_problem: line and reason of the first row set aside.
    """

    file: str
    columns: tuple[str, ...]
    relation: str
    rows: int
    last_row: int
    unreadable: Path | None = None
    unreadable_rows: int = 0
    first_problem: tuple[int, str] | None = None


def quoted(text: str | Path) -> str:
    """A SQL string literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class ReadableAndAside:
    """Two Parquet files under way: the rows of a part that could be read, and those set aside.

    Rows are gathered to batches, so that memory holds one batch at most.
    """

    BATCH_ROWS = 16_384
    BATCH_CHARACTERS = 8 << 20

    def __init__(self, folder: Path, stem: str, width: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.readable_path = folder / f"{stem}.readable.parquet"
        self.aside_path = folder / f"{stem}.aside.parquet"
        place = [("part_row", pa.int64()), ("part_line", pa.int64())]
        self._schema = pa.schema([*place, *((f"c{i}", pa.string()) for i in range(width))])
        self._aside_schema = pa.schema([*place, ("reason", pa.string())])
        self._writer = pq.ParquetWriter(self.readable_path, self._schema, compression="lz4", use_dictionary=False)
        self._aside_writer = pq.ParquetWriter(self.aside_path, self._aside_schema)
        self._rows: list[Sequence[str | None]] = []
        self._places: list[tuple[int, int]] = []
        self._aside: list[tuple[int, int, str]] = []
        self._characters = 0
        self.rows = 0
        self.aside_rows = 0
        self.last_row = 0
        self.first_problem: tuple[int, str] | None = None

    def add(self, line: int, row: Sequence[str | None], characters: int) -> None:
        """Take a readable row that begins on a line."""
        self.last_row += 1
        self.rows += 1
        self._places.append((self.last_row, line))
        self._rows.append(row)
        self._characters += characters
        if len(self._rows) >= self.BATCH_ROWS or self._characters >= self.BATCH_CHARACTERS:
            self._flush()

    def set_aside(self, line: int, reason: str) -> None:
        """Take a row that could not be read, by the name of the rule."""
        self.last_row += 1
        self.aside_rows += 1
        self.first_problem = self.first_problem or (line, reason)
        self._aside.append((self.last_row, line, reason))
        if len(self._aside) >= self.BATCH_ROWS:
            self._flush_aside()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        numbers, lines = zip(*self._places, strict=True)
        columns = [pa.array(numbers, pa.int64()), pa.array(lines, pa.int64())]
        columns += [pa.array(values, pa.string()) for values in zip(*self._rows, strict=True)]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self._rows, self._places, self._characters = [], [], 0

    def _flush_aside(self) -> None:
        import pyarrow as pa

        if self._aside:
            columns = [pa.array(values) for values in zip(*self._aside, strict=True)]
            self._aside_writer.write_batch(pa.record_batch(columns, schema=self._aside_schema))
            self._aside = []

    def close(self) -> None:
        """End both files."""
        self._flush()
        self._flush_aside()
        self._writer.close()
        self._aside_writer.close()

    def part(self, file: str, columns: tuple[str, ...]) -> Part:
        """What was read, as a part; empty cells are nothing."""
        cells = ", ".join(f"nullif(c{i}, '') AS c{i}" for i in range(len(self._schema) - 2))
        return Part(
            file=file,
            columns=columns,
            relation=f"SELECT part_row, part_line, {cells} FROM read_parquet({quoted(self.readable_path)})",  # noqa: S608  # our own temporary file
            rows=self.rows,
            last_row=self.last_row,
            unreadable=self.aside_path if self.aside_rows else None,
            unreadable_rows=self.aside_rows,
            first_problem=self.first_problem,
        )


@contextmanager
def readable_and_aside(folder: Path, stem: str, width: int) -> Iterator[ReadableAndAside]:
    """The two files of a part, closed however the block ends."""
    files = ReadableAndAside(folder, stem, width)
    try:
        yield files
    finally:
        files.close()
