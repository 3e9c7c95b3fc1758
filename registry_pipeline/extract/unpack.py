"""From a landed file to plain UTF-8 text: compression, encoding, byte order marks, and a survey of the bytes.

What belongs here: opening plain, gzip and zip files as streams, decoding them strictly, and counting what tells a
reader whether a file is simple. What does not: rows and columns.
"""

from __future__ import annotations

import codecs
import fnmatch
import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from registry_pipeline.errors import FeedFault
from registry_pipeline.extract.parts import Place
from registry_pipeline.storage import raise_if_disk_full

CHUNK = 4 << 20
"""Bytes read at once."""

BROKEN = (EOFError, NotImplementedError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error)
"""How Python says that something packed cannot be unpacked: cut short, in a way that it does not have (zipfile's word),
or broken. Trouble with the disk is none of them."""

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16: its mark begins with the same two bytes
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Member:
    """One table's bytes in a delivery: a file, or a member of an archive."""

    name: str
    open: Callable[[], IO[bytes]]
    plain: Path | None = None


@dataclass
class Survey:
    """Counts over the UTF-8 text of a file."""

    size: int = 0
    line_feeds: int = 0
    carriage_returns: int = 0
    nuls: int = 0
    quotes: int = 0
    escapes: int = 0
    ends_with_line_feed: bool = False
    has_high_bytes: bool = False


@dataclass(frozen=True)
class Text:
    """A member as UTF-8 text without a byte order mark."""

    name: str
    path: Path
    survey: Survey = field(default_factory=Survey)


def members(place: Place, file: Path, pattern: str | None = None) -> list[Member]:
    """What a landed file holds: itself, or the members of a zip whose names match, in name order.

    Args:
        place: whose it is, for messages.
        file: the landed file; how it is packed is seen from its first bytes, not from its name.
        pattern: glob of the members to read, against the whole name or the last part of it.

    Raises:
        FeedFault: a broken archive, or no member that matches.
    """
    with file.open("rb") as opened:
        start = opened.read(4)
    if start[:2] == _GZIP:
        name = file.name.removesuffix(".gz")
        return [Member(name, lambda: cast("IO[bytes]", gzip.open(file, "rb")))]
    if start in _ZIP:
        return _zip_members(place, file, pattern)
    if file.suffix.lower() in (".gz", ".zip") and start:
        kind = file.suffix.lower().removeprefix(".")
        raise place.fault("unreadable", f"this is not a {kind} file: ask for it to be sent again", file=file.name)
    return [Member(file.name, lambda: file.open("rb"), plain=file)]


def _zip_members(place: Place, file: Path, pattern: str | None) -> list[Member]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = sorted((i for i in archive.infolist() if not i.is_dir()), key=lambda i: i.filename)
    except (zipfile.BadZipFile, OSError, ValueError) as problem:
        raise place.fault(
            "unreadable", "the zip file is broken or cut short: ask for it to be sent again", file=file.name
        ) from problem
    if any(info.flag_bits & 1 for info in infos):
        raise place.fault("unreadable", "the zip file is locked with a password: ask for it without", file=file.name)
    names = [i.filename for i in infos]
    if pattern is not None:
        names = [n for n in names if fnmatch.fnmatch(n, pattern) or fnmatch.fnmatch(Path(n).name, pattern)]
    if not names:
        wanted = f"no member that matches {pattern!r}" if pattern else "no member"
        raise place.fault("missing", f"the zip file holds {wanted}: ask for what is missing", file=file.name)
    return [Member(name, lambda name=name: _zip_stream(file, name)) for name in names]  # type: ignore[misc]  # bound by default


def _zip_stream(file: Path, name: str) -> IO[bytes]:
    # The stream holds its own handle on the file, which closing the stream closes.
    return zipfile.ZipFile(file).open(name)


@contextmanager
def _unpacking(place: Place, member: Member) -> Iterator[None]:
    """Turn every way in which a compressed stream can be broken into one fault."""
    try:
        yield
    except EOFError as problem:
        what = "the compressed file ends too early (it was cut short): ask for it to be sent again"
        raise place.fault("unreadable", what, file=member.name) from problem
    except NotImplementedError as problem:  # zipfile's word for a method of compression that Python does not have
        what = "the archive is compressed in a way that cannot be read: ask for an ordinary zip (deflate)"
        raise place.fault("unreadable", what, file=member.name) from problem
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as problem:
        what = "the compressed file is broken: ask for it to be sent again"
        raise place.fault("unreadable", what, file=member.name) from problem


def as_text(
    place: Place, member: Member, folder: Path, *, encoding: str = "utf-8", quote: str = "", escape: str = ""
) -> Text:
    """A member as UTF-8 text, and the survey of it; one pass, and no copy of a file that is plain UTF-8 already.

    Args:
        place: whose it is, for messages.
        member: what to read.
        folder: where a decoded copy goes.
        encoding: what the provider says that the file is; decoding is strict.
        quote: the quote character that the survey counts.
        escape: the escape character that the survey counts.

    Raises:
        FeedFault: a broken archive; bytes that are not in the encoding, with the line of the first; or bytes that are
            UTF-8 in truth although a one-byte encoding is given.
        RunFailed: the disk is full.
    """
    name = codecs.lookup(encoding).name
    with _unpacking(place, member), member.open() as stream:
        first = stream.read(CHUNK)
        mark = _byte_order_mark(place, member, first, name)
        survey = Survey()
        counting = _Counting(survey, quote, escape)
        if name == "utf-8" and not mark and member.plain is not None:
            for _ in _decoded(place, member, stream, first, name, counting):
                pass
            return Text(member.name, member.plain, survey)
        path = folder / f"{len(list(folder.iterdir())):04d}.text"
        try:
            with path.open("wb") as out:
                for chunk in _decoded(place, member, stream, first[mark:], name, counting):
                    out.write(chunk)
        except OSError as problem:
            raise_if_disk_full(problem, path)
            raise
    return Text(member.name, path, survey)


def _byte_order_mark(place: Place, member: Member, first: bytes, encoding: str) -> int:
    """Bytes of a mark to leave out; a mark that gainsays the encoding is a fault."""
    for mark, meaning in _MARKS.items():
        if first.startswith(mark):
            if encoding == "utf-8" and meaning == "utf-8":
                return len(mark)
            if encoding in ("utf-8-sig", meaning) or encoding.startswith(meaning + "-"):
                return 0  # the codec takes it away itself, or it is one of its own
            what = f"its byte order mark says {meaning}, not {encoding}: set `encoding: {meaning}`"
            raise place.fault("unreadable", what, file=member.name, line=1)
    return 0


class _Counting:
    """Fills a survey chunk by chunk."""

    def __init__(self, survey: Survey, quote: str, escape: str) -> None:
        self.survey = survey
        self._quote = quote.encode()
        self._escape = escape.encode()

    def see(self, chunk: bytes) -> bytes:
        survey = self.survey
        survey.size += len(chunk)
        survey.line_feeds += chunk.count(b"\n")
        survey.carriage_returns += chunk.count(b"\r")
        survey.nuls += chunk.count(b"\0")
        if self._quote:
            survey.quotes += chunk.count(self._quote)
        if self._escape and self._escape != self._quote:
            survey.escapes += chunk.count(self._escape)
        if chunk:
            survey.ends_with_line_feed = chunk.endswith(b"\n")
        return chunk


def _decoded(
    place: Place, member: Member, stream: IO[bytes], first: bytes, encoding: str, counting: _Counting
) -> Iterator[bytes]:
    """The stream as UTF-8 bytes, counted."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    ascii_alike = not encoding.startswith(("utf-16", "utf-32", "utf-7", "cp037", "cp500"))
    disguised = _DisguisedUtf8() if encoding not in ("utf-8", "utf-8-sig") and ascii_alike else None
    pending = False
    chunk = first
    line = 1
    while chunk:
        if ascii_alike and not pending and chunk.isascii() and encoding != "utf-8-sig":
            text = chunk
            if disguised:
                disguised.see_ascii()
        else:
            counting.survey.has_high_bytes = True
            try:
                decoded = decoder.decode(chunk)
            except UnicodeDecodeError as problem:
                line += problem.object[: problem.start].count(b"\n")
                raise _undecodable(place, member, encoding, line) from problem
            pending = bool(decoder.getstate()[0])
            if disguised:
                disguised.see(chunk)
            text = chunk if encoding == "utf-8" else decoded.encode()
        line += chunk.count(b"\n")
        yield counting.see(text)
        chunk = stream.read(CHUNK)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as problem:
        raise _undecodable(place, member, encoding, line) from problem
    if disguised and disguised.found():
        what = f"its letters beyond ASCII are UTF-8, not {encoding}: set `encoding: utf-8`"
        raise place.fault("unreadable", what, file=member.name)


class _DisguisedUtf8:
    """Whether all bytes beyond ASCII of a file in a one-byte encoding make valid UTF-8: then it is UTF-8.

    In cp1252 every such pair would have to be a capital letter with an accent (or such) before a symbol, throughout.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._possible = True
        self._seen = False

    def see(self, chunk: bytes) -> None:
        if not self._possible:
            return
        self._seen = True
        try:
            self._decoder.decode(chunk)
        except UnicodeDecodeError:
            self._possible = False

    def see_ascii(self) -> None:
        # A letter cut off by the end of the last chunk cannot go on in ASCII.
        self._possible = self._possible and not self._decoder.getstate()[0]

    def found(self) -> bool:
        return self._seen and self._possible and not self._decoder.getstate()[0]


def _undecodable(place: Place, member: Member, encoding: str, line: int) -> FeedFault:
    likely = "cp1252" if encoding in ("utf-8", "utf-8-sig", "ascii") else "utf-8"
    what = f"there are bytes that are not {encoding}: set the right `encoding` (it may be {likely})"
    return place.fault("unreadable", what, file=member.name, line=line)
