"""Taking rows out of delivered files: header, order and every other row stay as they were delivered.

What belongs here: rewriting landed files of every form without given rows (delimited text in any encoding, plain, gzip
or zip; FHIR by the line; Parquet, also as PostgreSQL landed), and the note of it in the landing's manifest. What does
not: deciding which rows (`left_out`).

The manifest keeps the digest of what was delivered, by which the same delivery is known again; under `redacted` it says
when and how much was taken out, why, and the digest of each file since. Rows that could not be read as rows, and
deliveries that could not be read at all, are looked through as text for record keys and NHS numbers of forgotten
people; what is no text and cannot be read is not kept.
"""

from __future__ import annotations

import codecs
import gzip
import io
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from registry_pipeline.config import Configuration, CsvSource, Provider
from registry_pipeline.errors import FeedFault
from registry_pipeline.extract import landing, mapping
from registry_pipeline.extract.left_out import LeftOut
from registry_pipeline.extract.parts import ROW_LIMIT, Part, Place, quoted
from registry_pipeline.extract.unpack import BROKEN, Member, members
from registry_pipeline.govern.forgotten import Forgotten
from registry_pipeline.storage import Home, connect, file_digest, load_sql, raise_if_disk_full, read_json, whole_file

if TYPE_CHECKING:
    import duckdb

SHORTEST_KEY = 5
"""Characters of a local id from which it is looked for in text that has no columns: `12` may be a ward or an age."""

PIECES = 50_000
"""Lines of such a text that are looked through at once."""

_PARQUET = b"PAR1"


@dataclass
class Redacted:
    """What was taken out of a delivery.

    Attributes:
        rows: rows taken out.
        cells: cells blanked in rows that stay.
        files: name to sha256 and bytes since; both None where the file could not be kept.
        values: what the rows that were taken out say of their people (`left_out.VALUES`).
    """

    rows: int = 0
    cells: int = 0
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: list[tuple[str | None, ...]] = field(default_factory=list, repr=False)

    def __bool__(self) -> bool:
        return bool(self.files)


@dataclass
class _Edit:
    """What is to become of one member's lines, numbered from 1.

    Attributes:
        out: line to the line after its row; None: to the end of the file.
        aside: the same, of rows that could not be read: taken out where they hold a forgotten person.
        blank: line to the line after its row, and the positions of cells to blank.
    """

    out: dict[int, int | None] = field(default_factory=dict)
    aside: dict[int, int | None] = field(default_factory=dict)
    blank: dict[int, tuple[int | None, tuple[int, ...]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.out or self.aside or self.blank)


@dataclass(frozen=True)
class Delivery:
    """A landed delivery whose files are to be redacted.

    Attributes:
        configuration: the deployment.
        provider: who delivered.
        feed: which of its feeds.
        landed: where it lies.
    """

    configuration: Configuration
    provider: Provider
    feed: str
    landed: landing.Landed

    @property
    def place(self) -> Place:
        """Whose it is, for messages."""
        return Place(self.provider.provider, self.feed)

    @property
    def source(self) -> Any:
        """How it arrives."""
        return self.provider.feeds[self.feed].source  # type: ignore[index]  # feed names are checked on load


def take_out(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    parts: Sequence[Part],
    found: LeftOut,
    known: Forgotten,
    find_again: Callable[[str], LeftOut] | None = None,
) -> Redacted:
    """Take rows out of the landed files of a delivery that was read.

    A file may hold several feeds, and a row of it names its own person in the patient feed's columns and somebody else
    in another's: every feed that reads the file has its say.

    Args:
        connection: has the tables `left_out_row` and `blank_cell` of `left_out.find`; afterwards another feed's.
        delivery: whose files.
        parts: what was read from them, in order.
        found: what `left_out.find` found.
        known: forgotten people, for rows that could not be read as rows.
        find_again: finds rows as another feed of the same files sees them; None where nobody is looked for.
    """
    redacted = Redacted()
    unread = bool(known) and any(part.unreadable_rows for part in parts)
    others = _feeds_of_the_same_files(delivery) if find_again is not None else []
    if not found and not unread and not others and not (known and _has_other_members(delivery)):
        return redacted
    redacted.values += [*found.values, *_name_file_rows(connection, delivery, parts, others, find_again)]
    remaining = iter(enumerate(parts))
    for file in delivery.landed.files:
        if delivery.source.kind in ("parquet", "postgres"):
            _redact_parquet(connection, file, *next(remaining), redacted)
            continue
        pattern = delivery.source.member if delivery.source.kind == "csv" else None
        edits: dict[str, _Edit] = {}
        for member, (index, part) in zip(members(delivery.place, file, pattern), remaining, strict=False):
            edits[member.name] = _edit(connection, index, part, aside=bool(known))
        _redact_text(connection, delivery, file, edits, known, redacted)
    return redacted


def _feeds_of_the_same_files(delivery: Delivery) -> list[str]:
    feeds = delivery.provider.feeds
    return [feed for feed, described in feeds.items() if feed != delivery.feed and described.source == delivery.source]


def _name_file_rows(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    parts: Sequence[Part],
    others: Sequence[str],
    find_again: Callable[[str], LeftOut] | None,
) -> list[tuple[str | None, ...]]:
    """Make `file_row` (part, part_row) and `file_cell` (part, part_row, position) from what each feed says.

    Where the patient feed reads the file, a row is the person's whom that feed names, and other feeds' names for
    somebody else are cells of it.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE feed_row (feed VARCHAR, part INTEGER, part_row BIGINT);"
        "CREATE OR REPLACE TEMP TABLE file_cell (part INTEGER, part_row BIGINT, position INTEGER)"
    )
    feeds = [delivery.feed, *others]
    values: list[tuple[str | None, ...]] = []
    for feed in feeds:
        if feed != delivery.feed and find_again is not None:
            values += find_again(feed).values
        connection.execute(
            "INSERT INTO feed_row SELECT DISTINCT $feed, part, part_row FROM left_out_row", {"feed": feed}
        )
        for index, part in enumerate(parts):
            for name, positions in _positions(delivery, feed, part).items():
                connection.execute(
                    "INSERT INTO file_cell SELECT part, part_row, unnest($positions::INTEGER[]) FROM blank_cell"
                    " WHERE part = $part AND column_name = $name",
                    {"positions": positions, "part": index, "name": name},
                )
                if name == "local_id" and feed != "patient" and "patient" in feeds:
                    connection.execute(
                        "INSERT INTO file_cell SELECT part, part_row, unnest($positions::INTEGER[]) FROM feed_row"
                        " WHERE feed = $feed AND part = $part",
                        {"positions": positions, "part": index, "feed": feed},
                    )
    whose = "feed = 'patient'" if "patient" in feeds else "true"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE file_row AS SELECT DISTINCT part, part_row FROM feed_row WHERE {whose};"  # noqa: S608  # a text of ours
        "DELETE FROM file_cell WHERE (part, part_row) IN (SELECT (part, part_row) FROM file_row)"
    )
    return values


def _has_other_members(delivery: Delivery) -> bool:
    return getattr(delivery.source, "member", None) is not None


def take_out_unread(delivery: Delivery, known: Forgotten) -> Redacted:
    """Look through a delivery that could not be read, or of which nobody knows how, for forgotten people.

    Lines that hold a record key or NHS number go. A file that is neither text nor whole is not kept: nobody could say
    that they are not in it.
    """
    redacted = Redacted()
    if not known:
        return redacted
    deployment = delivery.configuration.deployment
    with closing(connect(Home(delivery.configuration.home), memory_limit=deployment.memory_limit)) as connection:
        for file in delivery.landed.files:
            if file.is_file():
                _redact_unread(connection, delivery, file, known, redacted)
    return redacted


def _redact_unread(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, file: Path, known: Forgotten, redacted: Redacted
) -> None:
    with file.open("rb") as opened:
        start = opened.read(4)
    try:
        if start == _PARQUET:
            _redact_unknown_parquet(connection, delivery, file, known, redacted)
        else:
            _redact_text(connection, delivery, file, {}, known, redacted)
    except (FeedFault, UnicodeError, _UnreadableError, *BROKEN):
        # Broken, or no text: nothing in it can be told apart, so it is not kept, and the manifest says so. Any other
        # error is told: a disk that fails, or a mistake of ours, must not cost a delivery.
        file.unlink()
        redacted.files[file.name] = {"sha256": None, "bytes": None}


class _UnreadableError(Exception):
    """A Parquet file that is not whole."""


# Text ---------------------------------------------------------------------------------------------------------------


def _edit(connection: duckdb.DuckDBPyConnection, index: int, part: Part, *, aside: bool) -> _Edit:
    """Which lines of a part are concerned."""
    edit = _Edit()
    asked = connection.execute(
        "SELECT (SELECT count(*) FROM file_row WHERE part = $part)"
        " + (SELECT count(*) FROM file_cell WHERE part = $part)",
        {"part": index},
    ).fetchall()[0][0]
    with_aside = part.unreadable is not None
    if not asked and not (with_aside and aside):
        return edit
    set_aside = (
        f" UNION ALL SELECT part_row, part_line, {str(aside).lower()} FROM read_parquet({quoted(part.unreadable)})"  # noqa: S608  # our own file
        if part.unreadable is not None
        else ""
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW part_line AS SELECT part_row, part_line, false AS is_aside FROM ({part.relation})"  # noqa: S608  # our own files
        + set_aside
    )
    for line, next_line, what, positions in connection.execute(load_sql("redact_lines"), {"part": index}).fetchall():
        if what == "blank":
            edit.blank[line] = (next_line, tuple(positions))
        else:
            (edit.out if what == "out" else edit.aside)[line] = next_line
    return edit


def _positions(delivery: Delivery, feed: str, part: Part) -> dict[str, list[int]]:
    """Canonical column of a feed to the positions of the provider's columns that it is made of."""
    place = Place(delivery.provider.provider, feed)
    agreed = mapping.agreed_columns(place, delivery.provider.feeds[feed])  # type: ignore[index]  # feed names are checked
    return {
        name: [part.columns.index(source) for source in column.source if source in part.columns]
        for name, column in agreed.items()
    }


def _redact_text(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    file: Path,
    edits: Mapping[str, _Edit],
    known: Forgotten,
    redacted: Redacted,
) -> None:
    """Rewrite a file of text, or an archive of such, where anything is to go.

    A member without an edit is looked through, line by line.
    """
    inside = members(delivery.place, file)
    encoding = getattr(delivery.source, "encoding", "utf-8")
    before = (redacted.rows, redacted.cells)
    ready: dict[str, tuple[str, str, _Edit]] = {}
    for member in inside:
        edit = edits.get(member.name)
        if edit is None and not known:
            continue
        codec, line_end = _codec(member, encoding), _line_end(member, encoding)
        if edit is None:
            edit = _Edit(out=_lines_that_hold(connection, delivery, member, codec, line_end, known))
        elif edit.aside:
            held = _rows_that_hold(connection, delivery, member, codec, line_end, edit.aside, known)
            edit = _Edit({**edit.out, **held}, {}, edit.blank)
        if edit:
            ready[member.name] = (codec, line_end, edit)
            redacted.rows += len(edit.out)
            redacted.cells += sum(len(cells) for _, cells in edit.blank.values())
    if (redacted.rows, redacted.cells) == before:
        return

    def write(member: Member, target: IO[bytes]) -> None:
        if member.name not in ready:
            with member.open() as source:
                shutil.copyfileobj(source, target)
            return
        codec, line_end, edit = ready[member.name]
        with _lines(member, codec, line_end) as source:
            for text in _edited(delivery, source, line_end, edit):
                target.write(text.encode(codec))

    _replace(file, lambda made: _packed(file, made, inside, write), redacted)


def _packed(file: Path, made: Path, inside: Sequence[Member], write: Callable[[Member, IO[bytes]], None]) -> None:
    """Write a file's members packed as they were."""
    with file.open("rb") as opened:
        start = opened.read(2)
    if start == b"\x1f\x8b":
        with made.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as target:
            write(inside[0], target)  # type: ignore[arg-type]  # a GzipFile is written like any file
    elif start == b"PK":
        by_name = {member.name: member for member in inside}
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
            for info in old.infolist():
                if info.is_dir():
                    new.writestr(info, b"")
                    continue
                with new.open(info, "w", force_zip64=True) as target:
                    write(by_name[info.filename], target)
    else:
        with made.open("wb") as target:
            write(inside[0], target)


def _codec(member: Member, encoding: str) -> str:
    """The encoding, exactly: with its order of bytes where a byte order mark says it, so that the mark stays text."""
    name = codecs.lookup(encoding).name
    with member.open() as stream:
        start = stream.read(4)
    for mark, exact in (
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if start.startswith(mark) and name.startswith(exact[:6]):
            return exact
    return "utf-8" if name == "utf-8-sig" else name


def _line_end(member: Member, encoding: str) -> str:
    r"""How lines end, as the readers see it: `\r` only where there is no `\n` at all."""
    codec = _codec(member, encoding)
    decoder = codecs.getincrementaldecoder(codec)("strict")
    with member.open() as stream:
        while chunk := stream.read(landing.CHUNK):
            if "\n" in decoder.decode(chunk):
                return "\n"
    return "\r"


def _lines(member: Member, codec: str, line_end: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(member.open(), encoding=codec, errors="strict", newline=line_end)


def _numbered(source: io.TextIOWrapper, line_end: str) -> Iterator[tuple[int, str]]:
    """Pieces of lines with the number of their line: a huge line comes in several."""
    number = 1
    while piece := source.readline(ROW_LIMIT):
        yield number, piece
        number += piece.endswith(line_end)


def _edited(delivery: Delivery, source: io.TextIOWrapper, line_end: str, edit: _Edit) -> Iterator[str]:
    """The text without what is to go."""
    rows: dict[int, tuple[int | None, tuple[int, ...]]] = {line: (after, ()) for line, after in edit.out.items()}
    rows.update(edit.blank)
    held: list[str] = []
    until: float = 0
    cells: tuple[int, ...] = ()
    for number, piece in _numbered(source, line_end):
        if number >= until and held:
            yield _blanked(delivery, "".join(held), cells)
            held = []
        if number in rows and number >= until:
            after, cells = rows[number]
            until = float("inf") if after is None else after
        if number >= until:
            yield piece
        elif cells:
            held.append(piece)
    if held:
        yield _blanked(delivery, "".join(held), cells)


def _blanked(delivery: Delivery, row: str, cells: Sequence[int]) -> str:
    """A row with some cells empty."""
    if delivery.source.kind == "fhir_ndjson":
        return _blanked_resource(row, cells)
    for start, end in reversed([span for n, span in enumerate(_spans(row, delivery.source)) if n in cells]):
        row = row[:start] + row[end:]
    return row


def _spans(row: str, source: CsvSource) -> Iterator[tuple[int, int]]:
    """Where each cell of a delimited row stands in its text, quotes included."""
    escape = source.escape if source.escape and "escape" in source.model_fields_set else source.quote
    start, quoted_cell, position = 0, False, 0
    end = len(row.rstrip("\r\n"))
    while position < end:
        letter = row[position]
        if quoted_cell and letter == escape and row[position + 1 : position + 2] == source.quote:
            position += 1
        elif source.quote and letter == source.quote and (quoted_cell or position == start):
            quoted_cell = not quoted_cell
        elif letter == source.delimiter and not quoted_cell:
            yield start, position
            start = position + 1
        position += 1
    yield start, end


def _blanked_resource(line: str, cells: Sequence[int]) -> str:
    """A FHIR Patient that no longer says by whom it was replaced, or no longer has its NHS number."""
    import json

    from registry_pipeline.extract.fhir import COLUMNS

    resource = json.loads(line)
    names = {COLUMNS[cell] for cell in cells}
    if "merged_into" in names:
        resource["link"] = [link for link in resource.get("link", []) if link.get("type") != "replaced-by"]
    if "nhs_number" in names:
        numbers = "https://fhir.nhs.uk/Id/nhs-number"
        resource["identifier"] = [i for i in resource.get("identifier", []) if i.get("system") != numbers]
    ending = line[len(line.rstrip("\r\n")) :]
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + ending


def _rows_that_hold(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    member: Member,
    codec: str,
    line_end: str,
    asked: Mapping[int, int | None],
    known: Forgotten,
) -> dict[int, int | None]:
    """Of rows that could not be read, those that hold a forgotten person's record key or NHS number."""
    texts: dict[int, str] = {}
    start, until = 0, 0.0
    with _lines(member, codec, line_end) as source:
        for number, piece in _numbered(source, line_end):
            if number in asked and number >= until:
                after = asked[number]
                start, until = number, float("inf") if after is None else after
            if number < until:
                texts[start] = texts.get(start, "") + piece
    held = _holding(connection, delivery, list(texts.items()), known)
    return {line: asked[line] for line in held}


def _lines_that_hold(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    member: Member,
    codec: str,
    line_end: str,
    known: Forgotten,
) -> dict[int, int | None]:
    """Lines of a text of which nothing is known that hold a forgotten person's record key or NHS number."""
    held: list[int] = []
    batch: list[tuple[int, str]] = []
    with _lines(member, codec, line_end) as source:
        for piece in _numbered(source, line_end):
            batch.append(piece)
            if len(batch) == PIECES:
                held += _holding(connection, delivery, batch, known)
                batch = []
    held += _holding(connection, delivery, batch, known)
    return {line: line + 1 for line in held}


def _holding(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, pieces: Sequence[tuple[int, str]], known: Forgotten
) -> list[int]:
    """Numbers of the pieces of text that hold a forgotten person's record key or NHS number."""
    import pyarrow as pa

    if not pieces:
        return []
    inner, outer = known.pads
    numbers, texts = zip(*pieces, strict=True)
    connection.register("piece", pa.table({"number": pa.array(numbers, pa.int64()), "content": pa.array(texts)}))
    found = connection.execute(
        load_sql("redact_holding"),
        {
            "provider": delivery.provider.provider,
            "shortest_key": SHORTEST_KEY,
            "records": known.records,
            "numbers": known.nhs_numbers,
            "inner": inner,
            "outer": outer,
        },
    ).fetchall()
    connection.unregister("piece")
    return [number for (number,) in found]


# Parquet ------------------------------------------------------------------------------------------------------------


def _redact_parquet(
    connection: duckdb.DuckDBPyConnection, file: Path, index: int, _part: Part, redacted: Redacted
) -> None:
    out = connection.execute("SELECT part_row FROM file_row WHERE part = $part", {"part": index}).fetchall()
    blank = connection.execute(
        "SELECT part_row, position FROM file_cell WHERE part = $part", {"part": index}
    ).fetchall()
    cells: dict[int, set[int]] = {}
    for row, position in blank:
        cells.setdefault(row - 1, set()).add(position)
    _rewrite_parquet(file, {row - 1 for (row,) in out}, cells, redacted)


def _redact_unknown_parquet(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, file: Path, known: Forgotten, redacted: Redacted
) -> None:
    """Take out the rows of a Parquet file any of whose cells holds a forgotten person's record key or NHS number."""
    import duckdb

    source = f"read_parquet({quoted(file)}, file_row_number = true, binary_as_string = true)"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608  # our own file
        columns = [row[0] for row in described]
        cells = ", ".join(f'"{name}"::VARCHAR' for name in columns if name != "file_row_number")
        rows = connection.execute(f"SELECT file_row_number, concat_ws('|', {cells}) FROM {source}")  # noqa: S608  # our own file
        out: set[int] = set()
        with closing(connect(Home(delivery.configuration.home), macros=False)) as beside:
            while pieces := rows.fetchmany(PIECES):
                out.update(_holding(beside, delivery, pieces, known))
    except duckdb.Error as problem:
        raise_if_disk_full(problem, file)
        raise _UnreadableError from problem
    _rewrite_parquet(file, out, {}, redacted)


def _rewrite_parquet(file: Path, out: set[int], blank: Mapping[int, set[int]], redacted: Redacted) -> None:
    """Write a Parquet file without some rows and cells; schema, metadata, order and row groups stay."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not out and not blank:
        return
    redacted.rows += len(out)
    redacted.cells += sum(map(len, blank.values()))

    def write(made: Path) -> None:
        with pq.ParquetFile(file) as read:
            groups = read.metadata.num_row_groups
            packed = read.metadata.row_group(0).column(0).compression if groups else "NONE"
            with pq.ParquetWriter(made, read.schema_arrow, compression=packed) as writer:
                begins = 0
                for number in range(groups):
                    group = read.read_row_group(number)
                    rows = range(begins, begins + group.num_rows)
                    for position in sorted({p for row in rows if row in blank for p in blank[row]}):
                        gone = pa.array([position in blank.get(row, ()) for row in rows])
                        column = group.column(position)
                        cleared = pc.if_else(gone, pa.scalar(None, column.type), column)
                        group = group.set_column(position, group.schema.field(position), cleared)
                    writer.write_table(group.filter(pa.array([row not in out for row in rows])))
                    begins += group.num_rows

    _replace(file, write, redacted)


# Files --------------------------------------------------------------------------------------------------------------


def _replace(file: Path, write: Callable[[Path], None], redacted: Redacted) -> None:
    """Put a file that is written anew in the place of the old one, read-only as that was."""
    with whole_file(file, mode=0o400) as made:
        write(made)
    redacted.files[file.name] = {"sha256": file_digest(file), "bytes": file.stat().st_size}


def note(redacted: Redacted, reasons: Mapping[str, int]) -> dict[str, Any]:
    """What the manifest says of it: counts, reasons and digests."""
    return {
        "at": landing.now(),
        "rows": redacted.rows,
        "cells": redacted.cells,
        "reasons": dict(reasons),
        "files": redacted.files,
    }


def write_note(folder: Path, redacted: Redacted, reasons: Mapping[str, int]) -> None:
    """Add a note to the manifest of a delivery that had landed before."""
    content = read_json(folder / landing.MANIFEST)
    content["redacted"] = [*content.get("redacted", []), note(redacted, reasons)]
    landing.write_manifest(folder, content)
