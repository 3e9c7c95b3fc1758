"""Delimited text: two readers that give the same rows, one fast and one careful.

What belongs here: splitting text into rows and cells, the line on which each row begins, and setting aside rows that
are no rows. What does not: compression and encodings (`unpack`), and what a column means (`mapping`).

The fast reader is DuckDB's. It forgives more than it says, `strict_mode` or not (measured on 2.0.0: a surplus empty
cell at the end of a row is dropped, blanks before a quote are dropped, `new_line` may make every row vanish). So its
result counts only if every byte of the file is accounted for: the bytes of all cells, plus delimiters, line ends and
quotes, must make up the file exactly, and its rows must be as many as the lines. Whatever is not so simple (quoted
line breaks, a NUL, a huge field, a row of another width, anything lost) goes to the careful reader, which is Python's
csv module in strict mode over lines that can be given back.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from registry_pipeline.config import CsvSource
from registry_pipeline.errors import BadInput
from registry_pipeline.extract.parts import FIELD_LIMIT, ROW_LIMIT, Part, Place, quoted, readable_and_aside
from registry_pipeline.extract.unpack import Text, as_text, members
from registry_pipeline.storage import raise_if_disk_full

if TYPE_CHECKING:
    import duckdb


def read(
    connection: duckdb.DuckDBPyConnection, place: Place, files: Iterable[Path], source: CsvSource, folder: Path
) -> list[Part]:
    """Every file and member of a delivery, each with its own header line.

    Args:
        connection: where the parts will be read.
        place: whose feed, for messages.
        files: landed files, in order.
        source: delimiter, quoting and encoding.
        folder: for decoded copies and rows read carefully; the caller removes it after use.

    Raises:
        BadInput: the configuration names an encoding that does not exist.
        FeedFault: a file cannot be read as what it is said to be.
        RunFailed: the disk is full.
    """
    try:
        codecs.lookup(source.encoding)
    except LookupError as problem:
        raise BadInput(
            f"{place.provider}, feed {place.feed}: there is no encoding {source.encoding!r}: name one such as"
            " utf-8 or cp1252."
        ) from problem
    if not source.quote or "escape" not in source.model_fields_set:
        # A quote is doubled unless the file is said to escape it; without quotes there is nothing to escape.
        source = source.model_copy(update={"escape": source.quote})
    parts = []
    for file in files:
        for member in members(place, file, source.member):
            text = as_text(
                place, member, folder, encoding=source.encoding, quote=source.quote, escape=_escape(source) or ""
            )
            parts.append(_read_text(connection, place, text, source, folder))
    return parts


def _read_text(
    connection: duckdb.DuckDBPyConnection, place: Place, text: Text, source: CsvSource, folder: Path
) -> Part:
    with _opened(text) as file:
        lines = _Lines(file, "\n")
        header = _header(place, text, source, lines)
        header_size = sum(len(line.encode()) for line in lines.taken)
        simple_header = lines.number == 1 and len(lines.taken) == 1
    if simple_header and _looks_simple(text, source, header):
        part = _read_fast(connection, text, source, header, header_size)
        if part is not None:
            return part
    return _read_carefully(place, text, source, folder)


def _escape(source: CsvSource) -> str | None:
    """The character that escapes a quote, where that is not the quote itself."""
    return source.escape if source.escape and source.escape != source.quote else None


def _header(place: Place, text: Text, source: CsvSource, lines: _Lines) -> tuple[str, ...]:
    reader = _reader(source, lines)
    try:
        header: list[str] = next((row for row in _rows(reader, lines) if row), [])
    except (csv.Error, _TooLong) as problem:
        what = "the header line cannot be read (quotes or delimiter?): ask for it to be sent again"
        raise place.fault("unreadable", what, file=text.name, line=lines.number or 1) from problem
    if not header:
        what = "the file is empty, without even a header line: ask for it to be sent again"
        raise place.fault("unreadable", what, file=text.name)
    return tuple(name.strip() for name in header)


def _rows(reader: Iterator[list[str]], lines: _Lines) -> Iterator[list[str]]:
    """Rows with only their own lines in `lines.taken`."""
    while True:
        lines.taken.clear()
        row = next(reader, None)
        if row is None:
            return
        yield row


# ---------------------------------------------------------------------------------------------------------- fast ---


def _looks_simple(text: Text, source: CsvSource, header: tuple[str, ...]) -> bool:
    survey = text.survey
    return (
        len(header) > 1
        and survey.line_feeds > 0
        and not survey.nuls
        and survey.carriage_returns in (0, survey.line_feeds)
        and source.delimiter.isascii()
        and (
            (source.quote != "" and source.escape == source.quote)
            or not (survey.quotes or (source.escape and survey.escapes))
        )
    )


def _read_fast(
    connection: duckdb.DuckDBPyConnection, text: Text, source: CsvSource, header: tuple[str, ...], header_size: int
) -> Part | None:
    """The file as DuckDB reads it, or None where that does not account for every byte."""
    import duckdb

    relation = _duckdb_relation(text, source, len(header))
    try:
        found = connection.execute(_accounts(relation, source, header), [header[0]]).fetchall()[0]
        rows, cells, longest, rows_with_quotes, repeated_headers = (int(value or 0) for value in found)
        quotes_in_cells = 0
        if rows_with_quotes:
            quotes_in_cells = int(connection.execute(_quotes_in_cells(relation, source, len(header))).fetchall()[0][0])
    except duckdb.Error:
        return None  # it saw something that it does not forgive; the careful reader says what
    survey = text.survey
    with text.path.open("rb") as file:
        quotes_in_header = file.read(header_size).count(source.quote.encode()) if source.quote else 0
    line_ends = survey.line_feeds + survey.carriage_returns
    structure = rows * (len(header) - 1) + survey.quotes - quotes_in_header - quotes_in_cells
    body_line_ends = line_ends - (2 if survey.carriage_returns else 1)
    lines = survey.line_feeds + (0 if survey.ends_with_line_feed else 1)
    if (
        cells + structure + body_line_ends != survey.size - header_size
        or rows + 1 != lines
        or longest > FIELD_LIMIT
        or repeated_headers
    ):
        return None
    numbered = (
        f"SELECT part_row + 1 AS part_line, * FROM (SELECT row_number() OVER () AS part_row, * FROM ({relation}))"  # noqa: S608  # relation is ours
    )
    return Part(text.name, header, numbered, rows, rows)


def _duckdb_relation(text: Text, source: CsvSource, width: int) -> str:
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    return (
        f"SELECT * FROM read_csv({quoted(text.path)}, auto_detect = false, columns = {{{columns}}}, header = false,"  # noqa: S608  # our own path
        f" skip = 1, delim = {quoted(source.delimiter)}, quote = {quoted(source.quote)},"
        f" escape = {quoted(source.quote)}, comment = '', strict_mode = true, null_padding = false, nullstr = '',"
        " ignore_errors = false, compression = 'none', encoding = 'utf-8')"
    )


def _accounts(relation: str, source: CsvSource, header: tuple[str, ...]) -> str:
    """SQL for rows, bytes in cells, the longest cell, rows that hold a quote, and rows that may repeat the header."""
    names = [f"c{i}" for i in range(len(header))]
    cells = " + ".join(f"coalesce(sum(strlen({c})), 0)" for c in names)
    longest = ", ".join(f"max(strlen({c}))" for c in names)
    with_quote = " OR ".join(f"contains({c}, {quoted(source.quote)})" for c in names) if source.quote else "false"
    return (
        f"SELECT count(*), {cells}, greatest({longest}), count(*) FILTER ({with_quote}),"  # noqa: S608  # names are positions
        f" count(*) FILTER (trim(c0) = ?) FROM ({relation})"
    )


def _quotes_in_cells(relation: str, source: CsvSource, width: int) -> str:
    """SQL for the quotes that are letters of cells."""
    quote = quoted(source.quote)
    inner = (f"coalesce(sum(strlen(c{i}) - strlen(replace(c{i}, {quote}, ''))), 0)" for i in range(width))
    return f"SELECT {' + '.join(inner)} FROM ({relation})"  # noqa: S608  # names are positions


# ------------------------------------------------------------------------------------------------------- careful ---


class _TooLong(Exception):
    """A row goes on beyond `ROW_LIMIT` characters."""


class _Lines:
    """The physical lines of a file, with the possibility of giving lines back.

    Attributes:
        number: lines taken so far, so also the number of the last line taken.
        taken: lines of the row under way.
    """

    def __init__(self, file: TextIO, line_end: str) -> None:
        self._file = file
        self._line_end = line_end
        self._given_back: deque[str] = deque()
        self._characters = 0
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._file.readline(ROW_LIMIT + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if not self.taken:
            self._characters = 0
        self.taken.append(line)
        self._characters += len(line)
        if self._characters > ROW_LIMIT:
            raise _TooLong
        return line

    @property
    def characters(self) -> int:
        """Characters of the row under way."""
        return self._characters

    def give_back_all_but_first(self) -> None:
        """Begin again after the first line of the row under way."""
        self._given_back.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        if len(self.taken) == 1:
            self._pass_rest_of_line(self.taken[0])
        del self.taken[1:]

    def _pass_rest_of_line(self, start: str) -> None:
        """Go past the end of a line of which only the start was taken, without holding it."""
        piece = start
        while piece and len(piece) > ROW_LIMIT and not piece.endswith(self._line_end):
            piece = self._file.readline(ROW_LIMIT + 1)
            if piece and len(piece) <= ROW_LIMIT:
                return


def _opened(text: Text) -> TextIO:
    # Lines end as the file's do: a carriage return alone ends a line only where there is no line feed at all.
    line_end = "\n" if text.survey.line_feeds or not text.survey.carriage_returns else "\r"
    return text.path.open(encoding="utf-8", newline=line_end)


def _reader(source: CsvSource, lines: _Lines) -> Iterator[list[str]]:
    # A limit of the whole process; ours only has to be above any row that is given to it.
    csv.field_size_limit(max(csv.field_size_limit(), 2 * ROW_LIMIT))
    dialect: dict[str, Any] = {"delimiter": source.delimiter, "strict": True}
    if source.quote:
        dialect |= {"quotechar": source.quote, "doublequote": source.escape == source.quote}
    else:
        dialect |= {"quoting": csv.QUOTE_NONE}
    return csv.reader(lines, escapechar=_escape(source), **dialect)


def _read_carefully(place: Place, text: Text, source: CsvSource, folder: Path) -> Part:
    """The file row by row; rows that are none are set aside with their line."""
    try:
        with _opened(text) as file:
            line_end = "\r" if text.survey.carriage_returns and not text.survey.line_feeds else "\n"
            lines = _Lines(file, line_end)
            header = _header(place, text, source, lines)
            with readable_and_aside(folder, text.path.name + f".{len(list(folder.iterdir()))}", len(header)) as files:
                for line, row, problem in _judged(source, lines, header, may_hold_nul=text.survey.nuls > 0):
                    if problem is None:
                        files.add(line, row, lines.characters)
                    else:
                        files.set_aside(line, problem)
        return files.part(text.name, header)
    except OSError as problem:
        raise_if_disk_full(problem, folder / text.name)
        raise


def _judged(
    source: CsvSource, lines: _Lines, header: tuple[str, ...], *, may_hold_nul: bool
) -> Iterator[tuple[int, list[str], str | None]]:
    """Each row with the line that it begins on, and the name of what is wrong with it."""
    reader = _reader(source, lines)
    while True:
        lines.taken.clear()
        line = lines.number + 1
        try:
            row = next(reader, None)
        except _TooLong:
            problem = "field_too_long" if len(lines.taken) == 1 else "unbalanced_quotes"
            lines.give_back_all_but_first()
            yield line, [], problem
            continue
        except csv.Error:
            yield line, [], _refused(source, lines)
            continue
        if row is None:
            return
        if not row:
            continue  # an empty line is no row
        if len(lines.taken) > 1 and _swallowed_rows(source, lines.taken, row, header):
            lines.give_back_all_but_first()
            yield line, [], "unbalanced_quotes"
            continue
        holds_nul = may_hold_nul and any("\0" in taken for taken in lines.taken)
        yield line, row, "nul_byte" if holds_nul else _wrong(row, header, lines)


def _refused(source: CsvSource, lines: _Lines) -> str:
    """Names why a row is none, and lets reading go on at the line after its first."""
    has_quote = bool(source.quote) and source.quote in lines.taken[0]
    lines.give_back_all_but_first()
    return "unbalanced_quotes" if has_quote else "stray_carriage_return"


def _swallowed_rows(source: CsvSource, taken: list[str], row: list[str], header: tuple[str, ...]) -> bool:
    """Whether an open quote made one row of several: it has another width, or whole rows lie inside a field.

    A line of a note that happens to part into exactly as many cells as the header, from four on, is not to be expected.
    """
    if len(row) != len(header):
        return True
    if len(header) < 4:
        return False
    if all(line.count(source.delimiter) == len(header) - 1 for line in (taken[0], taken[-1])):
        return True
    for line in taken[1:-1]:
        try:
            if any(len(inner) == len(header) for inner in _plain_reader(source, line)):
                return True
        except csv.Error:
            continue
    return False


def _plain_reader(source: CsvSource, line: str) -> Iterator[list[str]]:
    return _reader(source, [line])  # type: ignore[arg-type]  # any iterable of lines will do


def _wrong(row: list[str], header: tuple[str, ...], lines: _Lines) -> str | None:
    """The name of what is wrong with a row that could be parted into cells."""
    if len(row) < len(header):
        return "too_few_fields"
    if len(row) > len(header):
        return "too_many_fields"
    if lines.characters > FIELD_LIMIT // 4 and any(len(cell.encode()) > FIELD_LIMIT for cell in row):
        return "field_too_long"
    if row[0].strip() == header[0] and tuple(cell.strip() for cell in row) == header:
        return "repeated_header"
    return None
