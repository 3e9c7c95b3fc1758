"""The landing: what was delivered, kept as it came, with a manifest for each delivery.

What belongs here: finding the delivered files, copying them in with their digests, knowing a delivery again, and the
manifest. What does not: reading what is in the files.

A delivery lies in `landing/<provider>/<feed>/<night>/v<n>/`. The same content again is the same delivery; other
content for the same night is the next version, beside the old ones. Nothing in a version is ever changed: its files
are made read-only. A delivery that could not be read lands too, as evidence of what was sent.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from registry_pipeline.config import CsvSource, FhirNdjsonSource, ParquetSource, PostgresSource
from registry_pipeline.errors import BadInput
from registry_pipeline.extract.parts import Place
from registry_pipeline.storage import raise_if_disk_full, read_json, write_json

CHUNK = 4 << 20
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Landed:
    """One delivery in the landing.

    Attributes:
        folder: where its files lie.
        version: 1, 2, ... within the night.
        sha256: digest by file name.
    """

    folder: Path
    version: int
    sha256: dict[str, str]

    @property
    def files(self) -> list[Path]:
        """The delivered files, in name order."""
        return [self.folder / name for name in sorted(self.sha256)]


def at_night(template: str, night: date) -> str:
    """A path or query with `{night}` and `{night:%Y%m%d}` filled in; other braces stay as they are."""
    return re.sub(r"\{night(?::([^{}]*))?\}", lambda m: night.strftime(m[1]) if m[1] else night.isoformat(), template)


def find_files(place: Place, sources: Path, path: str, night: date) -> list[Path]:
    """The files that a path names for a night, in name order.

    Raises:
        FeedFault: there is none, or it may not be read.
    """
    pattern = str(sources / at_night(path, night))
    found = [Path(pattern)] if Path(pattern).is_file() else [Path(f) for f in glob.glob(pattern, recursive=True)]  # noqa: PTH207  # absolute patterns
    files = sorted(f for f in found if f.is_file())
    if not files:
        raise place.fault("missing", f"no file {pattern} was delivered for {night}: ask the provider for it")
    names = [f.name for f in files]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise BadInput(
            f"{place.provider}, feed {place.feed}: {pattern} finds two files named {twice}: narrow the path."
        )
    return files


def digest(place: Place, file: Path, copy_to: Path | None = None) -> tuple[str, int]:
    """SHA-256 and bytes of a file, copied on the way where a target is given.

    Raises:
        FeedFault: the file may not be read, or was still growing.
        RunFailed: the disk is full.
    """
    sha256 = hashlib.sha256()
    size = 0
    try:
        before = file.stat()
        with file.open("rb") as source, (copy_to or Path(os.devnull)).open("wb") as target:
            while chunk := source.read(CHUNK):
                sha256.update(chunk)
                size += len(chunk)
                if copy_to is not None:
                    target.write(chunk)
        after = file.stat()
    except PermissionError as problem:
        what = "the file may not be read (permission denied): give this account the right to read it"
        raise place.fault("unreachable", what, file=file.name) from problem
    except OSError as problem:
        raise_if_disk_full(problem, copy_to or file)
        raise place.fault(
            "unreachable", f"reading failed ({problem.strerror}): see to the folder", file=file.name, retryable=True
        ) from problem
    if (before.st_size, before.st_mtime_ns) != (size, after.st_mtime_ns):
        what = "the file is still being written: let the provider rename it when it is whole"
        raise place.fault("unreadable", what, file=file.name, retryable=True)
    return sha256.hexdigest(), size


def versions(folder: Path) -> list[Landed]:
    """The deliveries of a night that have landed, the first one first."""
    if not folder.is_dir():
        return []
    found = [f for f in folder.iterdir() if re.fullmatch(r"v[0-9]+", f.name) and (f / MANIFEST).is_file()]
    return [_landed(f) for f in sorted(found, key=lambda f: int(f.name[1:]))]


def _landed(folder: Path) -> Landed:
    manifest = read_json(folder / MANIFEST)
    return Landed(folder, int(folder.name[1:]), {f["name"]: f["sha256"] for f in manifest["files"]})


def same_delivery(place: Place, landed: list[Landed], files: Iterable[Path]) -> Landed | None:
    """The version that holds exactly these files, or None; digests are taken only where there are versions."""
    if not landed:
        return None
    sha256 = {file.name: digest(place, file)[0] for file in files}
    return next((version for version in landed if version.sha256 == sha256), None)


def copy_in(place: Place, files: Iterable[Path], folder: Path) -> list[dict[str, Any]]:
    """Copy files into a version under way.

    Returns:
        Name, sha256 and bytes of each, as the manifest holds them.
    """
    entries = []
    for file in files:
        sha256, size = digest(place, file, folder / file.name)
        (folder / file.name).chmod(0o400)
        entries.append({"name": file.name, "sha256": sha256, "bytes": size})
    return entries


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write a version's manifest, read-only as its files."""
    write_json(folder / MANIFEST, content)
    (folder / MANIFEST).chmod(0o400)


def describe_source(
    source: CsvSource | ParquetSource | PostgresSource | FhirNdjsonSource, night: date
) -> dict[str, str]:
    """Where a delivery came from, without credentials: kind, and path or query."""
    if source.kind == "postgres":
        return {"kind": source.kind, "dsn_env": source.dsn_env, "query": at_night(source.query, night)}
    return {"kind": source.kind, "path": at_night(source.path, night)}


def now() -> str:
    """The time in UTC, to the second, as the manifest holds it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
