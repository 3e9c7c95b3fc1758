"""People who were forgotten: tombstones by which they stay out, without a value of theirs in clear.

What belongs here: the tombstones, the key of their digests, and knowing a record key or an NHS number again. What does
not: taking records out of anything (`registry_pipeline.forget`, `extract.left_out`).

A tombstone holds HMAC-SHA256 digests of the person's record keys (`provider:local_id`) and valid NHS numbers under a
random key of the home, and the opaque patient_ids. A digest without a key would be no protection: there are only 10^9
NHS numbers to try. The key lies beside the tombstones, for the owner only; without it nobody can be known again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from registry_pipeline.errors import RunFailed
from registry_pipeline.storage import Home, read_json, write_json

What = Literal["record", "nhs_number"]

KEY_BYTES = 32
"""As many as the digest has: more would add nothing (RFC 2104, section 3)."""

BLOCK_BYTES = 64
"""Block of SHA-256, to which HMAC pads its key (RFC 2104)."""

WAIT_SECONDS = 60
"""How long one writer of tombstones waits for another: each writes one small file."""


@dataclass(frozen=True)
class Tombstone:
    """One person who was forgotten.

    Attributes:
        number: 1, 2, ... in this home.
        forgotten_on: day on which it was asked for (UTC).
        patient_ids: ids that the person went by.
        records, nhs_numbers: digests, sorted.
        is_finished: whether everything was taken out, and proven; a killed attempt is to be run again.
    """

    number: int
    forgotten_on: date
    patient_ids: tuple[str, ...]
    records: tuple[str, ...]
    nhs_numbers: tuple[str, ...]
    is_finished: bool = False


@dataclass(frozen=True)
class Forgotten:
    """All tombstones of a home, and the key to know somebody again. False where nobody was forgotten."""

    key: bytes = b""
    tombstones: tuple[Tombstone, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tombstones)

    @property
    def people(self) -> int:
        """How many people were forgotten."""
        return len(self.tombstones)

    def digest(self, what: What, value: str) -> str:
        """The keyed digest of a record key, or of the ten digits of an NHS number."""
        return hmac.new(self.key, f"{what}:{value}".encode(), hashlib.sha256).hexdigest()

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The key as HMAC's inner and outer pad, for SQL: `sha256(outer || unhex(sha256(inner || message)))`."""
        padded = self.key.ljust(BLOCK_BYTES, b"\0")
        return bytes(b ^ 0x36 for b in padded), bytes(b ^ 0x5C for b in padded)

    @property
    def records(self) -> list[str]:
        """Digests of every forgotten record key."""
        return sorted({digest for tombstone in self.tombstones for digest in tombstone.records})

    @property
    def nhs_numbers(self) -> list[str]:
        """Digests of every forgotten NHS number."""
        return sorted({digest for tombstone in self.tombstones for digest in tombstone.nhs_numbers})

    def of_patient_id(self, patient_id: str) -> Tombstone | None:
        """The tombstone of the person who went by an id."""
        return next((t for t in self.tombstones if patient_id.lower() in t.patient_ids), None)

    def of_record(self, record_id: str) -> Tombstone | None:
        """The tombstone of the person whose record had this key."""
        digest = self.digest("record", record_id) if self else ""
        return next((t for t in self.tombstones if digest in t.records), None)

    def only(self, tombstone: Tombstone) -> Forgotten:
        """The same key, and one person."""
        return replace(self, tombstones=(tombstone,))


NOBODY = Forgotten()


def folder(home: Home) -> Path:
    """Where tombstones, their key, and the proofs lie."""
    return home.govern / "forgotten"


def load(home: Home) -> Forgotten:
    """Everybody who was forgotten; costs one look at a file name where nobody was.

    Raises:
        RunFailed: the tombstones or their key cannot be used: without them forgotten people would come in again.
    """
    file = folder(home) / "tombstones.json"
    if not file.is_file():
        return NOBODY
    try:
        people = tuple(
            Tombstone(
                number=int(each["number"]),
                forgotten_on=date.fromisoformat(each["forgotten_on"]),
                patient_ids=tuple(each["patient_ids"]),
                records=tuple(each["records"]),
                nhs_numbers=tuple(each["nhs_numbers"]),
                is_finished=bool(each["is_finished"]),
            )
            for each in read_json(file)["people"]
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RunFailed(_UNUSABLE.format(file=file, why="cannot be read")) from problem
    return Forgotten(_key(home), people) if people else NOBODY


_UNUSABLE = (
    "{file} {why}, and without it people who were forgotten would come in again: restore it from a backup, readable for"
    " its owner only (chmod 600), then run again."
)


def _key(home: Home) -> bytes:
    file = folder(home) / "key"
    try:
        if file.stat().st_mode & 0o077:
            raise RunFailed(_UNUSABLE.format(file=file, why="can be read by others than its owner"))
        key = bytes.fromhex(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as problem:
        raise RunFailed(_UNUSABLE.format(file=file, why="is missing or cannot be read")) from problem
    if len(key) != KEY_BYTES:
        raise RunFailed(_UNUSABLE.format(file=file, why="is not the key that was made"))
    return key


def with_key(home: Home) -> Forgotten:
    """As `load`; where nobody was forgotten yet, with the key that the first tombstone will use, made if need be."""
    known = load(home)
    if known:
        return known
    file = folder(home) / "key"
    if not file.is_file():
        with _writing(home):
            if not file.is_file():
                _make_key(file)
    return Forgotten(_key(home))


def _make_key(file: Path) -> None:
    """Whole or not at all: half a key would shut every delivery out."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_hex(KEY_BYTES))
    unfinished.replace(file)


def throwaway() -> Forgotten:
    """A key of the moment, for knowing a person again without a tombstone."""
    return Forgotten(secrets.token_bytes(KEY_BYTES))


def tombstone(
    known: Forgotten, number: int, patient_ids: Collection[str], records: Collection[str], numbers: Collection[str]
) -> Tombstone:
    """A person's tombstone, from record keys and NHS numbers in clear, which it does not hold."""
    return Tombstone(
        number=number,
        forgotten_on=datetime.now(UTC).date(),
        patient_ids=tuple(sorted(patient_ids)),
        records=tuple(sorted(known.digest("record", each) for each in records)),
        nhs_numbers=tuple(sorted(known.digest("nhs_number", each) for each in numbers)),
    )


def keep(home: Home, made: Tombstone) -> None:
    """Write a tombstone; one of the same number gains what it had not, and loses nothing."""
    with _writing(home):
        known = load(home)
        before = next((t for t in known.tombstones if t.number == made.number), None)
        if before is not None:
            made = replace(
                made,
                forgotten_on=before.forgotten_on,
                patient_ids=tuple(sorted({*before.patient_ids, *made.patient_ids})),
                records=tuple(sorted({*before.records, *made.records})),
                nhs_numbers=tuple(sorted({*before.nhs_numbers, *made.nhs_numbers})),
            )
        others = [t for t in known.tombstones if t.number != made.number]
        _write(home, sorted([*others, made], key=lambda t: t.number))


def finished(standing: Tombstone) -> Tombstone:
    """The tombstone of somebody of whom nothing was found any more."""
    return replace(standing, is_finished=True)


def add_records(home: Home, record_ids: Collection[tuple[str, str]]) -> None:
    """Add record keys of forgotten people who came in under new ones.

    Args:
        home: whose tombstones.
        record_ids: record key, and the NHS number in clear by which its person was known.
    """
    with _writing(home):
        known = load(home)
        people = []
        for each in known.tombstones:
            new = {
                known.digest("record", r) for r, n in record_ids if known.digest("nhs_number", n) in each.nhs_numbers
            }
            people.append(replace(each, records=tuple(sorted({*each.records, *new}))))
        _write(home, people)


@contextmanager
def _writing(home: Home) -> Iterator[None]:
    """One writer at a time: providers are taken in side by side."""
    from filelock import FileLock

    locks = home.root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / "forgotten.lock", timeout=WAIT_SECONDS):
        yield


def _write(home: Home, people: Collection[Tombstone]) -> None:
    content = json.loads(json.dumps([asdict(each) for each in people], default=str))
    file = folder(home) / "tombstones.json"
    write_json(file, {"people": content})
    file.chmod(0o600)
