"""The journal: who did what, when and why, each entry chained to the one before by SHA-256.

What belongs here: appending an entry, reading entries, and verifying the chain. What does not: deciding what is to be
written down (whoever acts does), and any personal value: keys, counts, names of rules and digests only.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from registry_pipeline.storage import Home

Kind = Literal[
    "take_in", "build", "publish", "report", "release", "sign_off", "reject", "override", "review", "model_admitted",
    "opt_out_request", "opt_out_refresh", "objection", "forget", "key_rotation", "failed",
]  # fmt: skip
"""What may be done. `release` makes an output current for its purpose."""


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Attributes:
        number: 1, 2, ... in the journal.
        at: when, in UTC.
        kind: what was done.
        who: the person who said so, or the account that ran it.
        why: in words; empty where nobody had to say.
        what: about what, by name: keys, counts and names only.
        inputs, outputs: SHA-256 by name.
        previous: SHA-256 of the entry before it.
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


def this_account() -> str:
    """Who runs this process: the environment's REGISTRY_USER, else the account's name."""
    return os.environ.get("REGISTRY_USER") or getpass.getuser()


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
    """Append an entry; it is on the disk when this returns."""
    before = home.journal.read_bytes().splitlines() if home.journal.is_file() else []
    previous = hashlib.sha256(before[-1]).hexdigest() if before else "0" * 64
    entry = Entry(
        number=len(before) + 1,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        kind=kind,
        who=who or this_account(),
        why=why,
        what=dict(what or {}),
        inputs=dict(inputs or {}),
        outputs=dict(outputs or {}),
        previous=previous,
    )
    home.journal.parent.mkdir(parents=True, exist_ok=True)
    with home.journal.open("ab") as file:
        file.write(json.dumps(vars(entry), ensure_ascii=False).encode() + b"\n")
    return entry


def entries(home: Home, kinds: Collection[Kind] = ()) -> list[Entry]:
    """What was written down, the first one first; only of some kinds where any are given."""
    if not home.journal.is_file():
        return []
    read = [Entry(**json.loads(line)) for line in home.journal.read_text(encoding="utf-8").splitlines()]
    return [entry for entry in read if not kinds or entry.kind in kinds]


@dataclass(frozen=True)
class Head:
    """How many entries the journal has, and the SHA-256 of the last."""

    entries: int
    sha256: str


def head(home: Home) -> Head:
    """Where the chain stands."""
    lines = home.journal.read_bytes().splitlines() if home.journal.is_file() else []
    return Head(len(lines), hashlib.sha256(lines[-1]).hexdigest() if lines else "0" * 64)
