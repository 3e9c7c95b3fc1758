"""The proof that nothing of a person is left: every file under REGISTRY_HOME, searched for every identifying value.

What belongs here: what is looked for, opening files of every form, and what was found. What does not: taking anything
out. Values are held in memory only; what is written down are counts, kinds, and digests of files.

Looked for are NHS numbers in any spacing, record keys, local ids of five characters and more (in the provider's own
files), telephone numbers, e-mail addresses, address lines, and name with birth date in one row. What other people's
records hold too (a household's telephone) identifies none of them alone; it stays with them, and is counted.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import re
import sqlite3
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.extract.unpack import BROKEN
from registry_pipeline.forget.person import Person, birth_dates
from registry_pipeline.storage import Home, connect, scan

if TYPE_CHECKING:
    import duckdb

SHORTEST_LOCAL_ID = 5
"""Characters of a local id from which it is looked for by itself: shorter ones are also ages, wards and counts."""

SHORTEST_PHONE = 9
"""Digits of a telephone number that are compared, from its end: without the country or the leading zero."""

SHORTEST_ADDRESS = 8
"""Letters and digits of an address line below which it is no address of anybody's."""

CHUNK = 8 << 20
"""Bytes of text that are searched at once."""

AT_ONCE = 200
"""Parquet files of one table that one query searches."""

_APART = r"[\W_]{0,2}"
_LOOSELY_APART = r"[\W_]?[\W_]?"
_NOT_IN_KEY = r"[^0-9A-Za-z_/\-]"


@dataclass(frozen=True)
class Value:
    """One identifying value: all patterns of it must be in one row.

    Attributes:
        kind: what sort it is.
        patterns: Python's regular expressions, which know the letters of every script, for text in any case.
        loose: RE2's, simpler and a hundred times as fast, that find at least as much: they say where to look closer.
        provider: whose files it is looked for in; None: everybody's.
    """

    kind: str
    patterns: tuple[str, ...]
    loose: tuple[str, ...]
    provider: str | None = None


@dataclass
class Proof:
    """What was searched, and what was found: counts and file names only.

    Attributes:
        looked_for: kind to values.
        shared: kind to values that other people's records hold too, and that were therefore not looked for.
        files: path in the home to the SHA-256 of each file that was searched.
        bytes: of them.
        found: path to the kinds found in it.
        not_covered: paths that are not the registry's.
    """

    looked_for: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)
    not_covered: list[str] = field(default_factory=list)


# What is looked for --------------------------------------------------------------------------------------------------


def values_of(person: Person) -> list[Value]:
    """Every value of a person that identifies alone, as patterns."""
    made: dict[Value, None] = {}
    for kind, given in person.values:
        value = _value(kind, given)
        if value is not None:
            made[value] = None
    return list(made)


def _value(kind: str, given: tuple[str, ...]) -> Value | None:
    """The patterns of one value; None for what would be found by chance."""
    if kind == "local_id":
        if len(given[1]) < SHORTEST_LOCAL_ID:
            return None
        return Value(kind, (_whole_key(given[1]),), (re.escape(given[1]),), given[0])
    if kind == "name_and_birth_date":
        names = [words for name in given[:2] if (words := _words(name))]
        births = [re.escape(form) for form in birth_dates(given[2])]
        exact = "|".join(rf"(?:^|[^0-9]){form}(?:[^0-9]|$)" for form in births)
        if len(names) < 2:
            return None
        return Value(kind, (exact, *map(_in_words, names)), ("|".join(births), *map(_loosely, names)))
    made = _PATTERNS[kind](given[0])
    return Value(kind, (made[0],), (made[1],)) if made else None


def _number(text: str) -> tuple[str, str] | None:
    digits = re.sub(r"\D", "", text)
    if len(digits) != 10:
        return None
    return r"(?:^|[^0-9])" + _APART.join(digits) + r"(?:[^0-9]|$)", _LOOSELY_APART.join(digits)


def _phone(text: str) -> tuple[str, str] | None:
    digits = re.sub(r"\D", "", text)
    if len(digits) < SHORTEST_PHONE:
        return None
    return _APART.join(digits[-10:]) + r"(?:[^0-9]|$)", _LOOSELY_APART.join(digits[-10:])


def _email(text: str) -> tuple[str, str] | None:
    if "@" not in text.strip("@"):
        return None
    return rf"(?:^|[^0-9A-Za-z._%+\-]){re.escape(text)}(?:[^0-9A-Za-z_\-]|$)", re.escape(text)


def _address(text: str) -> tuple[str, str] | None:
    words = _words(text)
    enough = len(words) > 1 and sum(map(len, words)) >= SHORTEST_ADDRESS
    return (_in_words(words), _loosely(words)) if enough else None


def _key(text: str) -> tuple[str, str] | None:
    return _whole_key(text), re.escape(text)


def _whole_key(text: str) -> str:
    return rf"(?:^|{_NOT_IN_KEY}){re.escape(text)}(?:{_NOT_IN_KEY}|$)"


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _in_words(words: Sequence[str]) -> str:
    return r"(?:^|[\W_])" + r"[\W_]+".join(map(re.escape, words)) + r"(?:[\W_]|$)"


def _loosely(words: Sequence[str]) -> str:
    return r"[\W_]+".join(map(re.escape, words))


_PATTERNS: dict[str, Callable[[str], tuple[str, str] | None]] = {
    "nhs_number": _number,
    "phone": _phone,
    "email": _email,
    "address": _address,
    "record_key": _key,
}
"""Kind to what makes its exact and its loose pattern."""

_NOTHING = r"[^\s\S]"


class Search:
    """Patterns put together: one look at a row says whether it is worth a closer one."""

    def __init__(self, values: Sequence[Value]) -> None:
        self.values = list(values)
        together = [v for v in self.values if len(v.loose) > 1]
        self.any = _one_of(v.loose[0] for v in self.values if len(v.loose) == 1)
        self.birth, self.given, self.family = (_one_of(v.loose[n] for v in together) for n in range(3))
        self._of: dict[str | None, Search] = {}

    def of(self, provider: str | None) -> Search:
        """What is looked for in files of a provider; None: in everybody's."""
        if provider not in self._of:
            self._of[provider] = Search([v for v in self.values if v.provider in (None, provider)])
        return self._of[provider]

    def found_in(self, rows: Sequence[str]) -> list[Value]:
        """Which values some row holds."""
        return [value for value in self.values if any(_holds(row, value) for row in rows)]

    def suspects(self, rows: Sequence[str]) -> list[str]:
        """Rows worth a closer look."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pa.array(rows, pa.string())
        chosen = pc.match_substring_regex(texts, self.any, ignore_case=True)
        if self.birth != _NOTHING:
            born = pc.match_substring_regex(texts, self.birth, ignore_case=True)
            if pc.any(born).as_py():
                for pattern in (self.given, self.family):
                    born = pc.and_(born, pc.match_substring_regex(texts, pattern, ignore_case=True))
                chosen = pc.or_(chosen, born)
        kept: list[str] = texts.filter(chosen).to_pylist()
        return kept


def _holds(row: str, value: Value) -> bool:
    return all(_compiled(pattern).search(row) for pattern in value.patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _one_of(patterns: Iterable[str]) -> str:
    return "|".join(sorted({f"(?:{pattern})" for pattern in patterns})) or _NOTHING


def without_shared(
    configuration: Configuration, person: Person, values: Sequence[Value]
) -> tuple[list[Value], dict[str, int]]:
    """The values that no other person's records hold, and how many of each kind others hold too.

    Looked at are the person records and delivered patient rows of every night; for local ids all that the provider
    delivered, since a number that names a person may also number an event.
    """
    home = Home(configuration.home)
    theirs = set(person.records)
    shared: set[Value] = set()
    memory = configuration.deployment.memory_limit
    with closing(connect(home, memory_limit=memory, threads=configuration.deployment.threads, macros=False)) as there:
        general = Search([v for v in values if v.kind not in ("local_id", "record_key")])
        for pattern in ("staging/*/*/person_record.parquet", "staging/*/*/raw_patient.parquet"):
            files = sorted(home.root.glob(pattern))
            shared.update(general.found_in(_rows_of_others(there, files, theirs, general)))
        for provider in sorted({v.provider for v in values if v.provider is not None}):
            own = Search([v for v in values if v.provider == provider])
            for files in _by_name(home.root.glob(f"staging/*/{provider}/raw_*.parquet")).values():
                shared.update(own.found_in(_rows_of_others(there, files, theirs, own)))
    return [v for v in values if v not in shared], dict(Counter(v.kind for v in shared))


def _rows_of_others(
    connection: duckdb.DuckDBPyConnection, files: list[Path], theirs: set[str], search: Search
) -> list[str]:
    """Rows of other people's records that hold something that is looked for, without the keys of those records."""
    rows: list[str] = []
    for begins in range(0, len(files), AT_ONCE):
        part = files[begins : begins + AT_ONCE]
        columns = dict(_described(connection, part))
        key = "record_id" if "record_id" in columns else "split_part(filename, '/', -2) || ':' || trim(local_id)"
        if "record_id" not in columns and "local_id" not in columns:
            continue
        keys = ("record_id", "local_id", "merged_into", "carer_local_id")
        # A row without a key is nobody's record: it shares nothing with anybody.
        condition = f"NOT list_contains($theirs, coalesce({key}, $theirs[1]))"
        rows += _matching(
            connection, part, [c for c in columns if c not in keys], search, condition, {"theirs": sorted(theirs)}
        )
    return rows


# Files ---------------------------------------------------------------------------------------------------------------


def prove(configuration: Configuration, values: Sequence[Value], shared: dict[str, int]) -> Proof:
    """Search every file under the home.

    Args:
        configuration: the deployment.
        values: what to look for.
        shared: what is not looked for, by kind.
    """
    home = Home(configuration.home)
    proof = Proof(dict(sorted(Counter(v.kind for v in values).items())), dict(sorted(shared.items())))
    search = Search(values)
    tables: dict[tuple[str, str | None], list[Path]] = defaultdict(list)
    proof.not_covered = sorted(str(path.relative_to(home.root)) for path in not_covered(configuration))
    passed_by = not_covered(configuration)
    for file in _files(home.root):
        if any(file.is_relative_to(folder) for folder in passed_by):
            continue
        provider = _provider_of(home, file)
        if _starts_with(file, b"PAR1"):
            parts = file.relative_to(home.root).parts
            group = f"{parts[0]}/{file.name}" if parts[0] != "landing" else str(file)
            tables[group, provider].append(file)
        else:
            _note(proof, home, file, _found_in_file(file, search.of(provider), _encodings(configuration, home, file)))
        proof.files[str(file.relative_to(home.root))] = _digest(file)
        proof.bytes += file.stat().st_size
    memory = configuration.deployment.memory_limit
    with closing(connect(home, memory_limit=memory, threads=configuration.deployment.threads, macros=False)) as there:
        for (_, provider), files in tables.items():
            for begins in range(0, len(files), AT_ONCE):
                _search_tables(there, proof, home, files[begins : begins + AT_ONCE], search.of(provider))
    return proof


def not_covered(configuration: Configuration) -> list[Path]:
    """What lies under the home and is not the registry's: the providers' own sources, of a made-up system."""
    home = configuration.home
    folders = {configuration.directory.resolve(), configuration.sources.resolve()}
    if configuration.deployment.made_up_replica is not None:
        folders.add((configuration.directory / configuration.deployment.made_up_replica).resolve())
    inside = sorted(f for f in folders if f != home and f.is_relative_to(home) and f.exists())
    return [f for f in inside if not any(f != other and f.is_relative_to(other) for other in inside)]


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())


def _provider_of(home: Home, file: Path) -> str | None:
    """Whose file it is, where the path says so."""
    parts = file.relative_to(home.root).parts
    if parts[0] == "landing" and len(parts) > 2:
        return parts[1]
    return parts[2] if parts[0] in ("staging", "quarantine") and len(parts) > 3 else None


def _starts_with(file: Path, magic: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(magic)) == magic


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _note(proof: Proof, home: Home, file: Path, found: Iterable[Value]) -> None:
    kinds = sorted({value.kind for value in found})
    if kinds:
        name = str(file.relative_to(home.root))
        proof.found[name] = sorted({*proof.found.get(name, []), *kinds})


def _encodings(configuration: Configuration, home: Home, file: Path) -> list[str]:
    """How a file's text may be encoded: as the provider's feed says, else UTF-8."""
    parts = file.relative_to(home.root).parts
    if parts[0] != "landing" or len(parts) < 3 or parts[1] not in configuration.providers:
        return ["utf-8"]
    feed = configuration.providers[parts[1]].feeds.get(parts[2])  # type: ignore[call-overload]  # any text may be asked for
    said = getattr(feed.source, "encoding", "utf-8") if feed is not None else "utf-8"
    return list(dict.fromkeys([codecs.lookup(said).name, "utf-8"]))


def _found_in_file(file: Path, search: Search, encodings: Sequence[str]) -> list[Value]:
    found = _found_in_sqlite(file, search) if _starts_with(file, b"SQLite format 3\0") else []
    for encoding in encodings:
        with file.open("rb") as opened:
            found += _found_in_stream(opened, search, encoding, file.name)
    return found


def _found_in_stream(stream: IO[bytes], search: Search, encoding: str, name: str) -> list[Value]:
    """Search a stream of any form; what is packed is unpacked."""
    start = stream.read(4)
    stream.seek(0)
    try:
        if start[:2] == b"\x1f\x8b":
            with gzip.open(stream, "rb") as inner:
                return _found_in_text(inner, search, encoding)  # type: ignore[arg-type]  # a GzipFile is read like any
        if start in (b"PK\x03\x04", b"PK\x05\x06"):
            found = []
            with zipfile.ZipFile(stream) as archive:
                for info in archive.infolist():
                    with archive.open(info) as member:
                        found += _found_in_stream(member, search, encoding, name)
            return found
    except (RuntimeError, *BROKEN) as problem:  # a RuntimeError is zipfile's word for a member behind a password
        raise RunFailed(
            f"The file {name} is packed and cannot be unpacked, so that nobody can say what is in it: remove it, or"
            " restore it from a backup, and run this again."
        ) from problem
    return _found_in_text(stream, search, encoding)


def _found_in_text(stream: IO[bytes], search: Search, encoding: str) -> list[Value]:
    """Search text line by line; bytes that are not in the encoding stand in nobody's way."""
    found: dict[Value, None] = {}
    start = stream.read(4)
    for mark, exact in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if start.startswith(mark):
            encoding = exact
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    left = decoder.decode(start)
    while True:
        chunk = stream.read(CHUNK)
        text = left + decoder.decode(chunk, final=not chunk)
        lines = re.split(r"[\r\n\0]+", text)
        left = lines.pop() if chunk else ""
        if suspects := search.suspects(lines):
            found.update(dict.fromkeys(search.found_in(suspects)))
        if not chunk:
            return list(found)


def _found_in_sqlite(file: Path, search: Search) -> list[Value]:
    rows: list[str] = []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            content = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # a name from the file itself
            rows += ["\x1f".join(str(cell) for cell in row) for row in content]
    return search.found_in(search.suspects(rows)) if rows else []


# Tables --------------------------------------------------------------------------------------------------------------


def _by_name(files: Iterable[Path]) -> dict[str, list[Path]]:
    named: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(files):
        named[file.name].append(file)
    return named


def _described(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> list[tuple[str, str]]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {scan(files)}").fetchall()  # noqa: S608  # our own files
    return [(str(name), str(kind)) for name, kind, *_ in described]


def _search_tables(
    connection: duckdb.DuckDBPyConnection, proof: Proof, home: Home, files: list[Path], search: Search
) -> None:
    import duckdb

    try:
        columns = [name for name, kind in _described(connection, files) if _may_identify(kind)]
        if not columns or not search.found_in(_matching(connection, files, columns, search, "true", {})):
            return
        for file in files:
            _note(proof, home, file, search.found_in(_matching(connection, [file], columns, search, "true", {})))
    except duckdb.Error as problem:
        raise RunFailed(
            f"One of {len(files)} files like {files[0]} cannot be read (truncated or damaged), so that nobody can say"
            " what is in it: restore it from a backup or remove it, then run this again."
        ) from problem


def _may_identify(kind: str) -> bool:
    """Whether a column of a type may hold text, a date or a long whole number."""
    return any(word in kind for word in ("VARCHAR", "DATE", "TIMESTAMP", "BIGINT", "HUGEINT", "BLOB", "JSON"))


def _matching(
    connection: duckdb.DuckDBPyConnection,
    files: list[Path],
    columns: Sequence[str],
    search: Search,
    condition: str,
    bound: dict[str, Any],
) -> list[str]:
    """Rows, as text, that hold something that is looked for."""
    source = scan(files).replace("union_by_name = true", "union_by_name = true, filename = true")
    cells = ", ".join(f'"{name}"::VARCHAR' for name in columns)
    found = connection.execute(
        f"SELECT content FROM (SELECT concat_ws(chr(31), {cells}) AS content FROM {source} WHERE {condition})"  # noqa: S608  # our own files
        " WHERE regexp_matches(content, $any, 'i') OR (regexp_matches(content, $birth, 'i')"
        " AND regexp_matches(content, $given, 'i') AND regexp_matches(content, $family, 'i'))",
        {"any": search.any, "birth": search.birth, "given": search.given, "family": search.family, **bound},
    ).fetchall()
    return [row[0] for row in found]
