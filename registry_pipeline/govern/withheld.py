"""Legally restricted records: those whose identity is withheld, which never enter.

What belongs here: whose record keys a provider delivered as withheld, so that what it delivers of them besides, and
what it delivered before, stays out as well. What does not: finding such rows in a delivery (`extract.left_out`).

The Commissioning Data Sets mark such a record with a WITHHELD IDENTITY REASON (01 legal or statutory, 02 by the
Caldicott Guardian, 03 at the patient's request, 97 other, 99 not known) and must send it without NHS number, local
identifier, name, postcode and birth date. Where a system sends identifiers all the same, the row is known by its
reason, and the person's other rows by the local id. Of that only a digest is kept, under the home's key of forgotten
people (without one, local ids could be tried out), in a file for each night on which the provider's patients said
something new.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path

from registry_pipeline.govern import forgotten
from registry_pipeline.storage import Home, read_json, write_json

REASON = "withheld_identity"
"""What rows are counted under that never entered."""

COLUMN = "withheld_identity_reason"
"""The canonical column; anything in it withholds the row."""


def keep(home: Home, provider: str, night: date, *, withheld: Collection[str], released: Collection[str]) -> None:
    """Write down what a night's patients said: digests of record keys withheld, and of those no longer withheld.

    A night that is read again takes nothing back: by then its rows are gone from the landed copy.
    """
    file = _file(home, provider, night)
    before = read_json(file) if file.is_file() else {"withheld": [], "released": []}
    kept = {*before["withheld"], *withheld}
    if file.is_file() or kept or released or _files(home, provider):
        content = {"withheld": sorted(kept), "released": sorted({*released} - kept)}
        if content != before or not file.is_file():
            write_json(file, content)
            file.chmod(0o600)


def known(home: Home, provider: str, night: date, *, whole: bool) -> set[str]:
    """Keyed digests of the record keys that are withheld on a night.

    Args:
        home: the data folder.
        provider: whose records.
        night: what later nights said is left aside.
        whole: whether each night's patients are all of the provider's, so that the last file says it all; else what
            each night said is added up.
    """
    files = [file for file in _files(home, provider) if date.fromisoformat(file.stem) <= night]
    found: set[str] = set()
    for file in files[-1:] if whole else files:
        said = read_json(file)
        found = (found - set(said["released"])) | set(said["withheld"])
    return found


def pads(home: Home) -> tuple[bytes, bytes]:
    """The key of the digests, as HMAC's inner and outer pad; made where the home has none yet."""
    return forgotten.with_key(home).pads


def _files(home: Home, provider: str) -> list[Path]:
    return sorted((home.govern / "withheld" / provider).glob("[0-9]*.json"))


def _file(home: Home, provider: str, night: date) -> Path:
    return home.govern / "withheld" / provider / f"{night.isoformat()}.json"
