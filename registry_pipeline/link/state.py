"""What a linked night leaves for the next one: which files, what they were made with, and whether they are whole.

What belongs here: writing and reading `linkage/<night>/linked.json`, finding the night that the next one goes on from,
and the digest of everything that a pair's score and a cluster rest on besides the records. What does not: using it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from registry_pipeline.errors import RunFailed
from registry_pipeline.link.frozen import Frozen
from registry_pipeline.link.model import LinkageModel
from registry_pipeline.storage import Home, file_digest, published_snapshots, read_json, snapshot_night, write_json

CARRIED = (
    "linked_pair",
    "person_cluster",
    "needs_attention",
    "override_pair",
    "record_state",
    "held_pair",
    "crowded_key",
)
"""Files of a night that the next night reads, beside the keys of its records."""

MOST_KEY_FILES = 60
"""Files of keys, two a night, that are read one after the other before they are written as two again."""


@dataclass(frozen=True)
class State:
    """A linked night that the next one may go on from.

    Attributes:
        made_with: digest of the model, what is frozen, the comparisons in use, the code and the library versions.
        frozen: name of what was frozen.
        key_files: files of record keys, the oldest first; a key counts while its record stays as it was.
        key_digests: SHA-256 of those of them that were written on earlier nights, and read to begin this one.
    """

    night: date
    folder: Path
    made_with: str
    frozen: str
    key_files: tuple[Path, ...]
    key_digests: Mapping[Path, str] = field(default_factory=dict)

    def table(self, name: str) -> Path:
        """One of the night's files."""
        return self.folder / f"{name}.parquet"


def digest(model: LinkageModel, comparisons: Collection[str], kept: Frozen) -> str:
    """Of all that a score, an outcome and a cluster rest on besides the records: if it differs, nothing is reused."""
    parts = [model.digest, kept.name, kept.model_digest, *comparisons, _code(), kept.duckdb]
    parts += [f"{name} {metadata.version(name)}" for name in ("duckdb", "splink", "nicknames")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _code() -> str:
    """Digest of the linkage code: a night linked by other code is linked anew rather than gone on from."""
    package = resources.files("registry_pipeline")
    texts = [path for path in package.joinpath("link").iterdir() if path.name.endswith(".py")]
    texts += [
        path for path in package.joinpath("sql").iterdir() if path.name.split("_")[0] in ("link", "block", "cluster")
    ]
    texts.append(package.joinpath("sql", "macros.sql"))
    made = hashlib.sha256()
    for path in sorted(texts, key=lambda path: path.name):
        made.update(path.name.encode() + path.read_bytes())
    return made.hexdigest()


def write(home: Home, standing: State, *, rows: Mapping[str, int], about: Mapping[str, Any]) -> None:
    """Write `linked.json`: from here on the night is linked.

    Args:
        home: whose folder the files' paths start from.
        standing: what the next night needs.
        rows: rows by table.
        about: counts, for people and for the manifest.
    """
    files = [*(standing.table(name) for name in CARRIED), *standing.key_files]
    known = standing.key_digests
    write_json(
        standing.folder / "linked.json",
        {
            "night": standing.night.isoformat(),
            **about,
            "rows": dict(rows),
            "made_with": standing.made_with,
            "frozen": standing.frozen,
            "key_files": [str(path.relative_to(home.root)) for path in standing.key_files],
            "files": {str(path.relative_to(home.root)): known.get(path) or file_digest(path) for path in files},
        },
    )
    _prune_keys(home, standing.folder)


def _prune_keys(home: Home, folder: Path) -> None:
    """Remove the key files that earlier runs of this night left and that no night reads any more.

    Where a night's note cannot be read, nobody knows what it reads: nothing is removed until that night is mended.
    """
    read: set[Path] = set()
    for note in home.root.glob("linkage/*/linked.json"):
        try:
            read |= {home.root / path for path in read_json(note).get("key_files", [])}
        except (OSError, ValueError, TypeError, AttributeError):
            return
    for path in folder.glob("keys/*.parquet"):
        if path not in read:
            path.unlink()


def previous(home: Home, night: date) -> State | None:
    """The last published night before this one, if it was linked by code that keeps a state; else None.

    Raises:
        RunFailed: a file of it is not as it was written.
    """
    nights = sorted({snapshot_night(path) for path in published_snapshots(home)}, reverse=True)
    before = next((each for each in nights if each < night), None)
    if before is None:
        return None
    note = home.linked("linked", before).with_suffix(".json")
    if not note.is_file():
        return None
    try:
        content = read_json(note)
        if "made_with" not in content:
            return None
        state = State(
            night=before,
            folder=note.parent,
            made_with=str(content["made_with"]),
            frozen=str(content["frozen"]),
            key_files=tuple(home.root / path for path in content["key_files"]),
        )
        digests = {home.root / path: str(written) for path, written in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise damaged(note, before) from problem
    for path, written in digests.items():
        if not path.is_file() or file_digest(path) != written:
            raise damaged(path, before)
    return replace(state, key_digests={path: digests[path] for path in state.key_files})


def damaged(path: Path, night: date) -> RunFailed:
    """The sentence for a file of a linked night that cannot be gone on from."""
    return RunFailed(
        f"The linkage of the night {night} cannot be gone on from: {path} is missing or not as it was written. Put it"
        " back from a backup, or run the night with --full, which links every record again."
    )
