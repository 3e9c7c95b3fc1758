"""Signatures under a snapshot's report, and rejections: read from the journal, where they stand for ever.

What belongs here: whose signatures count, who may sign, and how many a purpose still waits for. What does not: writing
them down and what they bring about (`release`), and how many a purpose needs (`sign_offs` in registry.yaml).

A signature is of files: the snapshot's manifest, which holds the SHA-256 of its tables, and the report as it was read.
As soon as one of them is another, the signature does not count any more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from registry_pipeline.config import Configuration, Purpose
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import journal
from registry_pipeline.govern.free_text import refuse_personal
from registry_pipeline.storage import Home, file_digest

SIGNED_FILES = ("manifest.json", "linkage_quality.html", "linkage_quality.json")
"""What a signature is under: the first lies in the snapshot, the others in its report."""


@dataclass(frozen=True)
class Signature:
    """Somebody signed, or rejected: who, in which role, with which comment, when (UTC)."""

    who: str
    role: str
    comment: str
    at: str


@dataclass(frozen=True)
class Standing:
    """Where a snapshot stands.

    Attributes:
        signatures: those that count, the first one first; one a person.
        rejection: the first rejection; it stands for ever.
        void: signatures of a manifest or report that is another by now.
    """

    signatures: tuple[Signature, ...]
    rejection: Signature | None
    void: tuple[Signature, ...]


def signed(home: Home, snapshot_id: str) -> Standing:
    """Who signed a snapshot's report as it stands, and who rejected it.

    Raises:
        RunFailed: the journal cannot be read.
    """
    stands = _digests(home, snapshot_id)
    signatures: dict[str, Signature] = {}
    void: list[Signature] = []
    rejection: Signature | None = None
    for entry in journal.entries(home, ("sign_off", "reject")):
        if entry.what.get("snapshot") != snapshot_id:
            continue
        said = Signature(entry.who, str(entry.what.get("role", "")), entry.why, entry.at)
        if entry.kind == "reject":
            rejection = rejection or said
        elif _is_of(entry.inputs, stands):
            signatures.setdefault(_same(entry.who), said)
        else:
            void.append(said)
    return Standing(tuple(signatures.values()), rejection, tuple(void))


def waits_for(configuration: Configuration, home: Home, snapshot_id: str, purpose: Purpose) -> int:
    """How many signatures a snapshot still lacks before it may become current for a purpose.

    A rejected one always lacks one, which nobody can give.
    """
    needed = configuration.deployment.sign_offs.get(purpose, 0)
    standing = signed(home, snapshot_id)
    missing = max(needed - len(standing.signatures), 0)
    return max(missing, 1) if standing.rejection else missing


def enough_for(configuration: Configuration, home: Home, snapshot_id: str, purpose: Purpose) -> bool:
    """Whether a snapshot has all signatures that a purpose needs, and was not rejected."""
    return waits_for(configuration, home, snapshot_id, purpose) == 0


def check_said(who: str, role: str, comment: str) -> None:
    """Who signs or rejects must say who, in which role, and something.

    Raises:
        BadInput: one of them is missing, or holds a patient's value.
    """
    for text, option in ((who, "--who"), (role, "--role"), (comment, "--comment")):
        if not _same(text):
            raise BadInput(f"Say who signs or rejects, in which role, and why: {option} is empty; nothing was changed.")
        refuse_personal(text, option)


def check_may_sign(home: Home, snapshot_id: str, digests: Mapping[str, str], who: str) -> None:
    """Refuse a signature that could not count.

    Args:
        home: the data folder.
        snapshot_id: whose report is signed.
        digests: SHA-256 of `SIGNED_FILES`, as whoever signs has them before him.
        who: the person.

    Raises:
        BadInput: there is no such snapshot, it was rejected, its report is another by now, or the person signed it
            already.
    """
    standing = _standing_of(home, snapshot_id)
    if not _is_of(digests, _digests(home, snapshot_id)):
        raise BadInput(
            f"The manifest or report of {snapshot_id} is missing or is not the one that you were to sign: open the"
            " report as it stands (registry report), then sign."
        )
    before = next((each for each in standing.signatures if _same(each.who) == _same(who)), None)
    if before is not None:
        raise BadInput(
            f"{before.who} signed the report of {snapshot_id} already, at {before.at}: where two signatures are needed,"
            " another person gives the second; nothing was changed."
        )


def check_may_reject(home: Home, snapshot_id: str) -> None:
    """Refuse to reject what is not there, or is rejected.

    Raises:
        BadInput: there is no such snapshot, or it was rejected already.
    """
    _standing_of(home, snapshot_id)


def _standing_of(home: Home, snapshot_id: str) -> Standing:
    if not (home.snapshot(snapshot_id) / SIGNED_FILES[0]).is_file():
        there = sorted(path.name for path in home.snapshots.glob("*") if (path / SIGNED_FILES[0]).is_file())
        raise BadInput(
            f"There is no snapshot {snapshot_id!r} under {home.snapshots}; the last one is"
            f" {there[-1] if there else 'still to be made'}; nothing was changed."
        )
    standing = signed(home, snapshot_id)
    if standing.rejection is not None:
        raise BadInput(
            f"The snapshot {snapshot_id} was rejected by {standing.rejection.who} at {standing.rejection.at}: run its"
            " night again and judge the new snapshot; nothing was changed."
        )
    return standing


def _digests(home: Home, snapshot_id: str) -> dict[str, str]:
    """SHA-256 of those of `SIGNED_FILES` that are there."""
    manifest, *report = SIGNED_FILES
    files = [home.snapshot(snapshot_id) / manifest, *(home.report(snapshot_id) / name for name in report)]
    return {file.name: file_digest(file) for file in files if file.is_file()}


def _is_of(inputs: Mapping[str, str], stands: Mapping[str, str]) -> bool:
    return all(name in stands and inputs.get(name) == stands[name] for name in SIGNED_FILES)


def _same(who: str) -> str:
    """A person's name as it is compared: letters and digits only, whatever the case."""
    return "".join(each for each in unicodedata.normalize("NFKC", who).casefold() if each.isalnum())
