"""Pseudonyms and their keys: HMAC-SHA256 under a secret key for each purpose.

What belongs here: reading a key and refusing one that protects nobody, its fingerprint, which key a purpose's outputs
are under, and the pseudonym as an SQL expression. What does not: which tables get pseudonyms (`registry.purposes`).

A digest without a key hides nothing: whoever has it tries all NHS numbers in minutes. With one key a purpose, two
purposes' files hold no id in common; who holds no key can neither make a pseudonym nor go back from one.

A key never stands in SQL text, an exception, a log, a manifest or the journal: the padded key blocks are bound as
DuckDB variables, and `Key` shows its fingerprint only. (DuckDB's EXPLAIN would show them: no plan of a connection that
has a key is ever asked for or kept.)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from registry_pipeline.config import Configuration, KeySource, PurposeOutput
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.storage import Home, read_json, write_json

if TYPE_CHECKING:
    import duckdb

KEY_BYTES = 32
"""The shortest key: as long as SHA-256's output (RFC 2104 and NIST SP 800-107 ask for no less)."""

LONGEST_KEY_FILE = 1 << 16
"""Bytes that are read of a key file."""

FEWEST_DIFFERENT_BYTES = 8
"""Different byte values in a key, at least. 32 random bytes have about 30; fewer than 8 come once in 10^30 keys."""

BLOCK_BYTES = 64
"""SHA-256's block, to which HMAC fills a key up (FIPS 198-1)."""

PSEUDONYM_CHARACTERS = 32
"""Hex characters of a pseudonym: 128 bits. Among 10^9 ids, two alike come with a probability below 10^-20."""

FINGERPRINT_CHARACTERS = 16
FINGERPRINT_LABEL = b"registry-pipeline key fingerprint"

Domain = Literal["patient", "record", "event"]
"""What an id is of. It goes into the message, so that equal ids of two kinds get different pseudonyms."""

Encoding = Literal["hex", "base64", "raw"]


@dataclass(frozen=True)
class Key:
    """A secret key; only its fingerprint is ever shown.

    Attributes:
        fingerprint: HMAC of a fixed label: tells keys apart, and says nothing of the key.
        encoding: how it was written.
    """

    secret: bytes = field(repr=False, compare=False)
    fingerprint: str
    encoding: Encoding

    def __reduce__(self) -> Any:
        """A key is not to be written down by way of pickle or copy."""
        raise TypeError("a key cannot be pickled or copied")


def read_key(configuration: Configuration, source: KeySource, *, environment: Mapping[str, str] = os.environ) -> Key:
    """The key that a configuration names.

    Args:
        configuration: its folder is what the file is relative to.
        source: an environment variable or a file.
        environment: where the variable is looked up.

    Raises:
        BadInput: the key is missing, can be read by others, or is none; see `read_key_file` and `key_of`.
    """
    if source.file is not None:
        return read_key_file(configuration.directory / source.file)
    text = environment.get(source.env or "")
    if not text:
        raise BadInput(
            f"The environment variable {source.env} that is to hold a key is not set: set it where the registry runs,"
            " or name a file (registry key new FILE makes one)."
        )
    return key_of(text.encode("utf-8", "surrogateescape"), f"the environment variable {source.env}")


def read_key_file(file: Path) -> Key:
    """The key in a file that only this account can read.

    Raises:
        BadInput: the file is missing or no file, is readable or writable by others, belongs to another account, or does
            not hold a key.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not keep the night waiting
    except FileNotFoundError as problem:
        raise BadInput(f"The key file {file} is missing: make one with registry key new {file}.") from problem
    except OSError as problem:
        raise BadInput(f"The key file {file} cannot be read: give this account read permission.") from problem
    try:
        # Asked of the open file, so that nobody can put another one in its place in between.
        _refuse_open_to_others(file, os.fstat(descriptor))
        return key_of(os.read(descriptor, LONGEST_KEY_FILE), f"the key file {file}")
    finally:
        os.close(descriptor)


def _refuse_open_to_others(file: Path, about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise BadInput(f"The key file {file} is no ordinary file: make one with registry key new FILE.")
    if about.st_uid != os.geteuid():
        raise BadInput(
            f"The key file {file} belongs to another account, which can change it: make this account its owner, or make"
            " a new key."
        )
    if about.st_mode & 0o077:
        raise BadInput(
            f"The key file {file} is open to its group or to everybody (mode {about.st_mode & 0o777:04o}): close it"
            f" with chmod 600 {file}, and make a new key if others may have read it."
        )


def key_of(content: bytes, where: str) -> Key:
    """A key from its text (hex or base64) or its bytes.

    Text of hex digits only is hex; else what decodes as base64 is base64; anything else is taken as it is.

    Args:
        content: what the file or the variable holds; a final line break does not count for text.
        where: for the message.

    Raises:
        BadInput: it is too short, or all but the same character.
    """
    secret, encoding = _decoded(content)
    if not content.strip():
        raise BadInput(f"There is no key in {where}: it is empty; make one with registry key new FILE.")
    is_repeated = len(secret) >= KEY_BYTES and len(set(secret)) < FEWEST_DIFFERENT_BYTES
    if is_repeated or len(set(content.strip())) == 1:
        raise BadInput(
            f"The key in {where} repeats the same few characters: anybody can guess it; make a random one with registry"
            " key new FILE."
        )
    if len(secret) < KEY_BYTES:
        raise BadInput(
            f"The key in {where} has {len(secret)} bytes (read as {encoding}) and needs at least {KEY_BYTES}: make one"
            " with registry key new FILE."
        )
    mark = hmac.new(secret, FINGERPRINT_LABEL, hashlib.sha256).hexdigest()[:FINGERPRINT_CHARACTERS]
    return Key(secret, mark, encoding)


def _decoded(content: bytes) -> tuple[bytes, Encoding]:
    text = content.strip()
    if re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", text):
        return bytes.fromhex(text.decode()), "hex"
    if re.fullmatch(rb"[A-Za-z0-9+/_-]{8,}={0,2}", text) and len(text) % 4 == 0:
        try:
            return base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")), validate=True), "base64"
        except binascii.Error:
            pass  # not base64 after all: the bytes themselves
    return content, "raw"


def new_key(file: Path) -> Key:
    """Write a random key to a new file that only this account can read.

    Raises:
        BadInput: the file exists already, or its folder does not.
    """
    text = secrets.token_hex(KEY_BYTES).encode() + b"\n"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as problem:
        raise BadInput(f"{file} exists already: a key is never overwritten; give another name.") from problem
    except OSError as problem:
        raise BadInput(f"No key can be written to {file}: give a file in a folder that exists.") from problem
    with os.fdopen(descriptor, "wb") as content:
        content.write(text)
        content.flush()
        os.fsync(content.fileno())
    return key_of(text, f"the key file {file}")


def key_for(configuration: Configuration, purpose: str, *, environment: Mapping[str, str] = os.environ) -> Key:
    """The key of a purpose, which is no other purpose's.

    Raises:
        BadInput: there is no such output, its key cannot be used, or another purpose has, or had, the same key.
    """
    output = output_of(configuration, purpose)
    key = read_key(configuration, output.key, environment=environment)
    refuse_shared(configuration, purpose, key, environment=environment)
    return key


def output_of(configuration: Configuration, purpose: str) -> PurposeOutput:
    """The description of a purpose's output.

    Raises:
        BadInput: the deployment has no such output.
    """
    outputs = configuration.deployment.outputs
    found = {str(name): output for name, output in outputs.items()}.get(purpose)
    if found is None:
        known = ", ".join(sorted(outputs)) or "none"
        raise BadInput(
            f"{configuration.directory / 'registry.yaml'} describes no output for {purpose!r} (there are: {known}): add"
            " it under outputs, with its key."
        )
    return found


def refuse_shared(
    configuration: Configuration, purpose: str, key: Key, *, environment: Mapping[str, str] = os.environ
) -> None:
    """A key serves one purpose, or files of two could be joined.

    Raises:
        BadInput: another purpose has the same key, or had it.
    """
    known = {name: set(entry["all"]) for name, entry in _ledger(Home(configuration.home)).items()}
    for one, output in configuration.deployment.outputs.items():
        if one != purpose:
            try:
                theirs = read_key(configuration, output.key, environment=environment)
            except BadInput:
                continue  # said when that output is made
            known.setdefault(one, set()).add(theirs.fingerprint)
    for other, fingerprints in known.items():
        if other != purpose and key.fingerprint in fingerprints:
            raise BadInput(
                f"The key of {purpose} is also that of {other}: files of both could be joined; make one of its own with"
                " registry key new FILE."
            )


def _ledger_file(home: Home) -> Path:
    return home.govern / "keys.json"


def _ledger(home: Home) -> dict[str, Any]:
    """By purpose: the fingerprint that its outputs are under, since when, and every one that there was."""
    file = _ledger_file(home)
    if not file.is_file():
        return {}
    try:
        return read_json(file)
    except ValueError as problem:
        raise RunFailed(
            f"{file} is damaged (it is no JSON): restore it from a backup; without it nobody can tell whether a key was"
            " changed by mistake."
        ) from problem


def fingerprint_in_use(home: Home, purpose: str) -> str | None:
    """The fingerprint of the key that a purpose's outputs are under; None before the first."""
    entry = _ledger(home).get(purpose)
    return None if entry is None else str(entry["fingerprint"])


def refuse_changed(home: Home, purpose: str, key: Key) -> None:
    """An output under another key than the last would fit none of the former files; nobody does that unawares.

    Raises:
        BadInput: the key is not the one in use.
    """
    in_use = fingerprint_in_use(home, purpose)
    if in_use is not None and in_use != key.fingerprint:
        raise BadInput(
            f"The key of {purpose} (fingerprint {key.fingerprint}) is not the one that its outputs are under"
            f" ({in_use}): name that one in registry.yaml, or change it for good with registry key rotate {purpose}."
        )


def refuse_used(home: Home, purpose: str, key: Key) -> None:
    """A key that a purpose had once is not taken again: files of long ago would fit together with new ones.

    Raises:
        BadInput: the purpose has, or had, the key.
    """
    if key.fingerprint in _ledger(home).get(purpose, {"all": []})["all"]:
        raise BadInput(
            f"The key with the fingerprint {key.fingerprint} was the key of {purpose} already: make another with"
            " registry key new FILE."
        )


def take_into_use(home: Home, purpose: str, key: Key) -> None:
    """From here on a purpose's outputs are under this key."""
    ledger = _ledger(home)
    before = ledger.get(purpose, {"all": []})
    if before.get("fingerprint") == key.fingerprint:
        return
    ledger[purpose] = {
        "fingerprint": key.fingerprint,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "all": [*(mark for mark in before["all"] if mark != key.fingerprint), key.fingerprint],
    }
    write_json(_ledger_file(home), ledger)


def bind(connection: duckdb.DuckDBPyConnection, key: Key, *, name: str = "key") -> None:
    """Give a connection a key, for `pseudonym`; as values bound to variables, which no SQL text shows."""
    block = key.secret if len(key.secret) <= BLOCK_BYTES else hashlib.sha256(key.secret).digest()
    block = block.ljust(BLOCK_BYTES, b"\0")
    connection.execute(f"SET VARIABLE {name}_inner = $block", {"block": bytes(byte ^ 0x36 for byte in block)})
    connection.execute(f"SET VARIABLE {name}_outer = $block", {"block": bytes(byte ^ 0x5C for byte in block)})


def unbind(connection: duckdb.DuckDBPyConnection, *, name: str = "key") -> None:
    """Take a key from a connection again."""
    for part in ("inner", "outer"):
        connection.execute(f"RESET VARIABLE {name}_{part}")


def define(connection: duckdb.DuckDBPyConnection, *, name: str = "key", macro: str = "pseudonym") -> None:
    """The SQL macro `pseudonym(domain, id)` of a connection that has a key: null for null, else 32 hex characters.

    HMAC-SHA256 (FIPS 198-1) of `domain`, a colon and the id in UTF-8, cut to 128 bits.
    """
    message = "encode(concat(domain, ':', id::VARCHAR))"
    connection.execute(
        f"CREATE OR REPLACE TEMP MACRO {macro}(domain, id) AS CASE WHEN id IS NOT NULL THEN left(sha256("
        f"getvariable('{name}_outer') || unhex(sha256(getvariable('{name}_inner') || {message}))),"
        f" {PSEUDONYM_CHARACTERS}) END"
    )


def pseudonym(key: Key, domain: Domain, value: str) -> str:
    """One pseudonym in Python, as the SQL macro makes it: for a key holder who looks one person up, and for tests."""
    return hmac.new(key.secret, f"{domain}:{value}".encode(), hashlib.sha256).hexdigest()[:PSEUDONYM_CHARACTERS]
