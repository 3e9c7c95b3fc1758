"""The journal: who did what, when and why, each entry chained to the one before by SHA-256.

What belongs here: appending an entry, reading entries, and verifying the chain. What does not: deciding what is to be
written down (whoever acts does), and any personal value: counts, names of rules, numbers of overrides, patient_ids and
digests only. Record keys do not belong here either: an entry can never be taken out, and a person can be forgotten.

One entry is one line of JSON. The next entry holds the SHA-256 of that line's bytes, so whoever changes, removes or
moves one changes all that follow; and the last one's is noted outside the file: in `head.json` beside it, in each
published snapshot, in each report, and wherever people note it. With a secret key in the environment
(REGISTRY_JOURNAL_KEY) each entry also carries an HMAC-SHA256 of its bytes, which nobody without the key can make, not
even over a whole new journal.

Written here because none of the libraries for this fits (auditchain, ogentic-audit, matrym-hashchain and the like are
months old and of one author each, and none notes heads outside, waits for other processes and reads only the tail).
"""

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern.free_text import refuse_personal
from registry_pipeline.storage import Home, raise_if_disk_full, read_json

Kind = Literal[
    "take_in", "build", "publish", "report", "release", "sign_off", "reject", "override", "review", "model_admitted",
    "opt_out_request", "opt_out_refresh", "objection", "export", "forget", "key_rotation", "failed", "journal_mended",
]  # fmt: skip
"""What may be done. `release` makes an output current for its purpose; `export` copies one out."""

KEY_VARIABLE: Final = "REGISTRY_JOURNAL_KEY"
"""Environment variable of the secret under which entries are signed; without it they are chained only."""

NOTHING: Final = "0" * 64
"""What stands for the entry before the first."""

LONGEST_WAIT: Final = 60.0
"""Seconds that an append waits for others: each takes some milliseconds, so more means that one hangs."""

TAIL: Final = 1 << 14
"""Bytes read from the end at a time: more than nearly every entry has."""

_SIGNATURE = re.compile(rb', "mac": "([0-9a-f]{64})"\}$')


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Attributes:
        number: 1, 2, ... in the journal.
        at: when, in UTC.
        kind: what was done.
        who: the person who said so, or the account that ran it.
        why: in words; empty where nobody had to say.
        what: about what, by name: counts, ids and names only.
        inputs, outputs: SHA-256 by name.
        previous: SHA-256 of the entry before it.
        mac: HMAC-SHA256 of the rest, where a key was set.
    """

    number: int
    at: str
    kind: Kind
    who: str
    why: str
    what: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    previous: str
    mac: str | None = None


@dataclass(frozen=True)
class Head:
    """How many entries the journal has, and the SHA-256 of the last."""

    entries: int
    sha256: str


@dataclass(frozen=True)
class Verified:
    """What verifying found.

    Attributes:
        head: where the chain stands.
        anchors: heads noted outside the file that were compared.
        signed: entries with an HMAC; `checked` says whether a key was there to check them with.
        wrong: the number of the first wrong entry; None where nothing is wrong.
        problem: what is wrong, in one sentence.
    """

    head: Head
    anchors: int
    signed: int
    checked: bool
    wrong: int | None = None
    problem: str | None = None


def this_account() -> str:
    """Who runs this process: the environment's REGISTRY_USER, else the account's name."""
    return os.environ.get("REGISTRY_USER") or getpass.getuser()


# Appending ----------------------------------------------------------------------------------------------------------


def record(
    home: Home,
    kind: Kind,
    *,
    who: str | None = None,
    why: str = "",
    what: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
) -> Entry:
    """Append an entry; it is on the disk when this returns. Other processes and threads wait for their turn.

    Raises:
        BadInput: `who`, `why` or a role holds a patient's value; or the journal is signed and there is no key.
        RunFailed: the journal does not end where it ended, its last line is torn, or the disk is full; nothing was
            appended.
    """
    for text, where in ((who, "The name"), (why, "The reason or comment"), ((what or {}).get("role"), "The role")):
        refuse_personal(str(text or ""), where)
    with _turn(home):
        last, key = _ready(home)
        number = last.head.entries + 1
        entry = {
            "number": number,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "kind": kind,
            "who": who or this_account(),
            "why": why,
            "what": dict(what or {}),
            "inputs": dict(inputs or {}),
            "outputs": dict(outputs or {}),
            "previous": last.head.sha256,
        }
        line = _signed(json.dumps(entry, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace"), key)
        _append(home.journal, line)
        _note(home, Head(number, _digest(line)))
        return _read(line)


def check_ready(home: Home) -> None:
    """Raise what `record` would: for whoever changes something first, and writes it down then.

    Raises:
        BadInput: the journal is signed and there is no key, or the key is too short.
        RunFailed: the journal does not end where it ended, or its last line is torn.
    """
    with _turn(home):
        _ready(home)


def mend(home: Home, *, who: str, why: str) -> Entry:
    """Cut off a torn last line, keep it beside the journal, and write that down.

    Raises:
        BadInput: nobody or no reason is named, or the last line is whole.
        RunFailed: more than the last line is wrong.
    """
    if not who.strip() or not why.strip():
        raise BadInput("Say who mends the journal and why: --who NAME --why REASON.")
    refuse_personal(why, "The reason or comment")
    with _turn(home):
        content = home.journal.read_bytes() if home.journal.is_file() else b""
        whole = content.rfind(b"\n") + 1
        if whole == len(content):
            raise BadInput(f"The last line of {home.journal} is whole: there is nothing to mend.")
        kept = home.journal.with_name(f"torn-{hashlib.sha256(content[whole:]).hexdigest()[:12]}.part")
        _write(kept, content[whole:])
        with home.journal.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
    return record(
        home, "journal_mended", who=who.strip(), why=why.strip(),
        what={"bytes_cut": len(content) - whole}, outputs={kept.name: _digest(content[whole:])},
    )  # fmt: skip


@dataclass(frozen=True)
class _Last:
    head: Head
    signed: bool


def _ready(home: Home) -> tuple[_Last, bytes | None]:
    """Where the chain stands, and the key to sign with."""
    key, last = _key(), _last(home)
    if last.signed and key is None:
        raise BadInput(
            f"The journal {home.journal} is signed, and the environment has no {KEY_VARIABLE}: set it where the"
            " registry runs; nothing was written down."
        )
    return last, key


def _last(home: Home) -> _Last:
    """Where the chain stands, from the file's tail and `head.json`, which must agree.

    A process that was killed between both leaves `head.json` one entry behind.
    """
    noted = _noted(home)
    line = _last_line(home.journal)
    if line is None:
        if noted.entries:
            raise RunFailed(
                f"The journal {home.journal} is gone or empty, and {_anchor(home).name} beside it notes"
                f" {noted.entries:,} entries: bring it back from the backup; nothing was written down."
            )
        return _Last(Head(0, NOTHING), signed=False)
    entry = _read(line)
    stands = Head(entry.number, _digest(line))
    behind = Head(entry.number - 1, entry.previous)
    if noted not in {stands, behind}:
        raise RunFailed(
            f"The journal {home.journal} does not end where it ended: {_anchor(home).name} beside it notes"
            f" {noted.entries:,} entries, and {entry.number:,} are there (or the last is another); see registry journal"
            " verify, and bring both back from the backup; nothing was written down."
        )
    return _Last(stands, signed=entry.mac is not None)


def _last_line(journal: Path) -> bytes | None:
    """The last line, however long; None of an empty journal."""
    if not journal.is_file():
        return None
    with journal.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        tail = b""
        while end and tail[:-1].count(b"\n") == 0:
            start = max(end - TAIL, 0)
            file.seek(start)
            tail = file.read(end - start) + tail
            end = start
    if not tail:
        return None
    _refuse_torn(journal, tail)
    return tail[:-1].rpartition(b"\n")[2]


def _refuse_torn(journal: Path, content: bytes) -> None:
    if content and not content.endswith(b"\n"):
        raise RunFailed(
            f"The last line of {journal} is torn (a process was killed while it wrote): nothing may be added before"
            " somebody has looked at it and cut it off with registry journal mend --who NAME --why REASON."
        )


@contextmanager
def _turn(home: Home) -> Iterator[None]:
    """One at a time, over all processes and threads."""
    from filelock import FileLock, Timeout

    for folder in (home.root / "locks", home.journal.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # A lock of its own for each call: one that is shared would let a second thread of this process in.
    held = FileLock(home.root / "locks" / "journal.lock", timeout=LONGEST_WAIT, thread_local=False, is_singleton=False)
    try:
        held.acquire()
    except Timeout as problem:
        raise RunFailed(
            f"Another process has held the journal under {home.root} for {LONGEST_WAIT:.0f} seconds: see which registry"
            " command hangs; nothing was written down."
        ) from problem
    try:
        yield
    finally:
        held.release()


def _append(journal: Path, line: bytes) -> None:
    is_new = not journal.exists()
    end = 0 if is_new else journal.stat().st_size
    try:
        with journal.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        if journal.exists():
            os.truncate(journal, end)  # what a full disk took of the line
        raise_if_disk_full(problem, journal)
        raise
    if is_new:
        _sync_folder(journal.parent)


def _note(home: Home, head: Head) -> None:
    _write(_anchor(home), json.dumps({"entries": head.entries, "head": head.sha256}).encode() + b"\n")


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and on the disk."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as problem:
        raise_if_disk_full(problem, path)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _anchor(home: Home) -> Path:
    return home.journal.with_name("head.json")


def _noted(home: Home) -> Head:
    """What `head.json` notes."""
    anchor = _anchor(home)
    if not anchor.is_file():
        return Head(0, NOTHING)
    try:
        content = read_json(anchor)
        return Head(int(content["entries"]), str(content["head"]))
    except (ValueError, KeyError, TypeError) as problem:
        raise RunFailed(
            f"{anchor} cannot be read: bring it back from the backup (registry journal verify)."
        ) from problem


def _key() -> bytes | None:
    """The secret of the environment.

    Raises:
        BadInput: it is too short, or anybody can guess it.
    """
    text = os.environ.get(KEY_VARIABLE)
    if text is None:
        return None
    from registry_pipeline.govern.pseudonyms import key_of

    return key_of(text.encode("utf-8", "surrogateescape"), f"the environment variable {KEY_VARIABLE}").secret


def _signed(body: bytes, key: bytes | None) -> bytes:
    return body if key is None else b'%s, "mac": "%s"}' % (body[:-1], _mac(body, key))


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256").hex().encode()


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


# Reading ------------------------------------------------------------------------------------------------------------


def head(home: Home) -> Head:
    """Where the chain stands.

    Raises:
        RunFailed: the journal does not end where it ended, or its last line is torn.
    """
    with _turn(home):
        return _last(home).head


def entries(home: Home, kinds: Collection[str] = ()) -> list[Entry]:
    """What was written down, the first one first; only of some kinds where any are given.

    Raises:
        RunFailed: a line is no entry.
    """
    read = [_read(line) for line in _lines(home)]
    return [entry for entry in read if not kinds or entry.kind in kinds]


def _lines(home: Home) -> list[bytes]:
    content = home.journal.read_bytes() if home.journal.is_file() else b""
    if content and not content.endswith(b"\n"):
        with _turn(home):  # perhaps somebody is just writing the last line
            content = home.journal.read_bytes()
        _refuse_torn(home.journal, content)
    return content.split(b"\n")[:-1]


def _read(line: bytes) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError) as problem:
        raise RunFailed("The journal holds a line that is no entry: see registry journal verify.") from problem


# Verifying ----------------------------------------------------------------------------------------------------------


def verify(home: Home, *, noted: str | None = None) -> Verified:
    """Look for any change, removal or reordering: in the chain, and against the heads noted outside the file.

    Args:
        home: the data folder.
        noted: a head that somebody noted at some time; the journal must have stood there once.

    Returns:
        What was found; `problem` says the first thing that is wrong.

    Raises:
        BadInput: `noted` is no SHA-256, or the key in the environment is too short.
    """
    if noted is not None and not re.fullmatch(r"[0-9a-f]{64}", noted):
        raise BadInput("A head is the 64 hexadecimal digits that registry journal verify shows: give it whole.")
    key = _key()
    try:
        lines = _lines(home)
    except RunFailed as problem:
        whole = home.journal.read_bytes().count(b"\n")
        return Verified(Head(whole, NOTHING), 0, 0, key is not None, wrong=whole + 1, problem=str(problem))
    digests = [_digest(line) for line in lines]
    signed = sum(_SIGNATURE.search(line) is not None for line in lines)
    anchors = _anchors(home)
    found = Verified(Head(len(lines), digests[-1] if digests else NOTHING), len(anchors), signed, key is not None)
    wrong = _wrong_in_chain(lines, digests, key) or _wrong_at_anchor(digests, anchors, home)
    if wrong is None and noted is not None and noted not in {NOTHING, *digests}:
        wrong = (
            len(lines),
            f"entry {len(lines)} or one before it was changed or removed: none has the head that was noted",
        )
    if wrong is None:
        return found
    number, what = wrong
    return replace(
        found,
        wrong=number,
        problem=f"{home.journal}: {what}; keep the file as it is, and compare it with the backup.",
    )


def _wrong_in_chain(lines: list[bytes], digests: list[str], key: bytes | None) -> tuple[int, str] | None:
    """The first entry that is not what the chain says, and how."""
    is_signed = False
    for number, line in enumerate(lines, 1):
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            return number, f"entry {number} is no entry any more"
        if entry.number != number:
            return number, f"entry {number} is not in its place: entries were removed, added or moved there"
        if entry.previous != (digests[number - 2] if number > 1 else NOTHING):
            return max(
                number - 1, 1
            ), f"entry {max(number - 1, 1)} is not the one that entry {number} follows: it was changed"
        if fault := _wrong_signature(line, key, is_signed=is_signed):
            return number, f"entry {number} {fault}"
        is_signed = is_signed or entry.mac is not None
    if key is not None and lines and not is_signed:
        return 1, "no entry is signed with the key, so anybody may have written them"
    return None


def _wrong_signature(line: bytes, key: bytes | None, *, is_signed: bool) -> str | None:
    """What is wrong with an entry's HMAC; once entries are signed, all that follow are."""
    signature = _SIGNATURE.search(line)
    if signature is None:
        return "is not signed, although entries before it are" if is_signed else None
    if key is None:
        return None
    body = line[: signature.start()] + b"}"
    return None if hmac.compare_digest(_mac(body, key), signature[1]) else "was not signed with the key"


@dataclass(frozen=True)
class _Anchor:
    where: str
    head: Head


def _anchors(home: Home) -> list[_Anchor]:
    """Every head noted outside the file, by how many entries there were."""
    found = [_Anchor(str(_anchor(home).relative_to(home.root)), _noted(home))] if _anchor(home).is_file() else []
    for file in (*home.snapshots.glob("*/published.json"), *(home.root / "reports").glob("*/linkage_quality.json")):
        told = _told(file)
        if told is not None:
            found.append(_Anchor(str(file.relative_to(home.root)), told))
    return sorted(found, key=lambda anchor: anchor.head.entries)


def _told(file: Path) -> Head | None:
    """The head that a snapshot or a report carries, if it does."""
    try:
        content = read_json(file)
    except ValueError:
        return None  # a damaged report is another command's matter; it notes no head
    about = content.get("journal") or (content.get("about") or {}).get("journal")
    return Head(int(about["entries"]), str(about["head"])) if isinstance(about, dict) and about.get("entries") else None


def _wrong_at_anchor(digests: list[str], anchors: list[_Anchor], home: Home) -> tuple[int, str] | None:
    for anchor in anchors:
        entries_then = anchor.head.entries
        if entries_then > len(digests):
            return (
                len(digests) + 1,
                f"entry {len(digests) + 1} and all after it are gone: {anchor.where} notes {entries_then:,} entries",
            )
        if entries_then and digests[entries_then - 1] != anchor.head.sha256:
            return entries_then, f"entry {entries_then} or one before it was changed: {anchor.where} notes another"
    last = max((anchor.head.entries for anchor in anchors if anchor.where.endswith(_anchor(home).name)), default=0)
    # A process that was killed leaves `head.json` one behind; more were not written by the registry.
    if len(digests) > last + 1:
        return (
            last + 1,
            f"entry {last + 1} and all after it were not written by the registry: {_anchor(home).name} notes {last:,}",
        )
    return None
