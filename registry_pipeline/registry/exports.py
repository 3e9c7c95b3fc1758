"""Taking an output out of the data folder, and changing the key that a purpose's outputs are under.

What belongs here: copies of outputs with their digests, the map from old to new pseudonyms, and their entries in the
journal. What does not: making an output (`purposes`), and keys themselves (`govern.pseudonyms`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from registry_pipeline.config import Configuration, Purpose
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal, pseudonyms
from registry_pipeline.registry import purposes
from registry_pipeline.registry.purposes import MANIFEST, Output
from registry_pipeline.storage import (
    Home,
    connect,
    create_for_owner_only,
    file_digest,
    load_sql,
    lock,
    scan,
    whole_folder,
    write_json,
    write_table,
)
from registry_pipeline.tables import EVENT_TABLES, KEY_MAP


@dataclass(frozen=True)
class Rotated:
    """A purpose's key was changed: fingerprints before and after, and rows of the map by kind of id."""

    purpose: str
    old_fingerprint: str
    new_fingerprint: str
    rows: Mapping[str, int]


def export(
    configuration: Configuration,
    purpose: Purpose,
    *,
    snapshot_id: str | None = None,
    to: Path | None = None,
    besides: purposes.Besides | None = None,
) -> tuple[Output, Path | None]:
    """Make a purpose's output if need be, check it, and copy it to a folder outside the data folder.

    Args:
        configuration: the deployment.
        purpose: one of its `outputs`.
        snapshot_id: default: what the purpose's readers see, else the current registry.
        to: a folder that is not there yet, or empty; None copies nothing.
        besides: what consumers make of what the purpose may see.

    Raises:
        BadInput: no such output or snapshot, a key that cannot be used, signatures are missing, or the folder is
            not one to write to.
        RunFailed: the output cannot be made, a file is damaged, or the disk is full.
    """
    home = Home(configuration.home)
    pseudonyms.output_of(configuration, purpose)
    wanted = snapshot_id or _seen(home, purpose)
    target = _folder_outside(home, to) if to is not None else None
    _refuse_unsigned(configuration, home, wanted, purpose)
    output = purposes.make_output(configuration, purpose, wanted, besides)
    link = home.output_current(purpose)
    if link.exists() and purposes.snapshot_of(link.resolve()) == wanted:
        # Readers see this snapshot already; where it was made anew just now, let them see that.
        purposes.release(configuration, purpose, wanted)
    purposes.verify(output)
    if target is not None:
        _copy(output, target)
        journal.record(
            home,
            "export",
            what={
                "purpose": purpose,
                "snapshot": wanted,
                "rows": dict(output.rows),
                "key_fingerprint": output.manifest["key_fingerprint"],
            },
            inputs={MANIFEST: file_digest(output.folder / MANIFEST)},
            outputs=dict(output.manifest["sha256"]),
        )
    return output, target


def _seen(home: Home, purpose: str) -> str:
    link = home.output_current(purpose)
    if link.exists():
        return purposes.snapshot_of(link.resolve())
    if home.current.exists():
        return home.current.resolve().name
    raise RunFailed(f"Nothing is published under {home.root} yet: run a night first (registry run).")


def _folder_outside(home: Home, to: Path) -> Path:
    folder = to.expanduser().resolve()
    if folder.is_relative_to(home.root.resolve()):
        raise BadInput(f"{folder} lies in the data folder {home.root}: give a folder outside it.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is there already, and not an empty folder: give another, or empty it first.")
    if not folder.parent.is_dir():
        raise BadInput(f"There is no folder {folder.parent}: make it first, or give another.")
    return folder


def _refuse_unsigned(configuration: Configuration, home: Home, snapshot_id: str, purpose: Purpose) -> None:
    if not configuration.deployment.sign_offs.get(purpose):
        return
    from registry_pipeline.govern import sign_off

    waits = sign_off.waits_for(configuration, home, snapshot_id, purpose)
    if waits:
        raise BadInput(
            f"The report of {snapshot_id} waits for {waits} more signature(s) before anything of it may leave for"
            f" {purpose}: see registry sign-off."
        )


def _copy(output: Output, target: Path) -> None:
    """Every file, whole or none, for this account only."""
    create_for_owner_only()
    if target.exists():
        target.rmdir()
    with whole_folder(target) as folder:
        for table, digest in output.manifest["sha256"].items():
            copied = folder / f"{table}.parquet"
            shutil.copyfile(output.folder / copied.name, copied)
            if file_digest(copied) != digest:
                raise RunFailed(f"{copied.name} did not arrive whole in {target}: check the disk and export again.")
        about = {key: value for key, value in output.manifest.items() if key != "made_from"}
        write_json(folder / MANIFEST, {**about, "exported_at": datetime.now(UTC).isoformat(timespec="seconds")})


def rotate(configuration: Configuration, purpose: Purpose, *, new: Path, map_file: Path, why: str = "") -> Rotated:
    """Change a purpose's key: write the map from old to new pseudonyms, and take the new key into use.

    Only who holds both keys can make the map, or make it again. It holds the ids that stand in an output that is kept
    here under the old key, and none besides. Outputs that were made go on standing until the next is made and released.

    Args:
        configuration: the deployment; its key must still be the old one.
        purpose: one of its `outputs`.
        new: file of the new key.
        map_file: a Parquet file to write, outside the data folder.
        why: for the journal.

    Raises:
        BadInput: a key cannot be used or was this or another purpose's, the old one is not the one in use, or the map's
            file is not one to write.
        RunFailed: nothing is published yet, or the disk is full.
    """
    home = Home(configuration.home)
    old = pseudonyms.key_for(configuration, purpose)
    after = pseudonyms.read_key_file(new)
    pseudonyms.refuse_changed(home, purpose, old)
    pseudonyms.refuse_shared(configuration, purpose, after)
    pseudonyms.refuse_used(home, purpose, after)
    file = _map_outside(home, map_file)
    if not home.current.exists():
        raise RunFailed(f"Nothing is published under {home.root} yet: run a night first (registry run).")
    with lock(home, f"output-{purpose}"):
        create_for_owner_only()
        rows = _write_map(configuration, home, purpose, old, after, file)
        pseudonyms.take_into_use(home, purpose, after)
        journal.record(
            home,
            "key_rotation",
            why=why,
            what={"purpose": purpose, "from": old.fingerprint, "to": after.fingerprint, "ids": rows},
            outputs={"key_map.parquet": file_digest(file)},
        )
    return Rotated(purpose, old.fingerprint, after.fingerprint, rows)


def _map_outside(home: Home, map_file: Path) -> Path:
    file = map_file.expanduser().resolve()
    if file.is_relative_to(home.root.resolve()):
        raise BadInput(f"{file} lies in the data folder {home.root}, beside the outputs: give a file elsewhere.")
    if file.exists():
        raise BadInput(f"{file} exists already: a map is never overwritten; give another name.")
    if not file.parent.is_dir():
        raise BadInput(f"There is no folder {file.parent}: make it first, or give another.")
    return file


def _write_map(
    configuration: Configuration,
    home: Home,
    purpose: Purpose,
    old: pseudonyms.Key,
    new: pseudonyms.Key,
    file: Path,
) -> dict[str, int]:
    """The map, mode 0600; returns its rows by kind."""
    deployment, snapshot = configuration.deployment, home.current.resolve()
    made = [each for each in sorted(home.output(purpose, "x").parent.glob("[!.]*/")) if not each.is_symlink()]
    views = (
        ("known_patient", "patient_id", [snapshot], ("identity_event",)),
        ("known_record", "record_id", [snapshot], ("patient_record", "former_record")),
        ("known_event", "event_key", [snapshot], tuple(EVENT_TABLES)),
        ("shown_patient", "patient_pseudonym", made, ("patient", "identity_event")),
        ("shown_record", "record_pseudonym", made, ("patient_record",)),
        ("shown_event", "event_pseudonym", made, tuple(EVENT_TABLES)),
    )
    with closing(
        connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
    ) as connection:
        for view, column, folders, tables in views:
            files = [folder / f"{table}.parquet" for folder in folders for table in tables]
            found = [each for each in files if each.is_file()]
            source = scan(found) if found else f"(SELECT NULL::VARCHAR AS {column} LIMIT 0)"
            connection.execute(f"CREATE TEMP VIEW {view} AS SELECT {column} FROM {source}")  # noqa: S608  # names from this module
        pseudonyms.bind(connection, old)
        pseudonyms.define(connection)
        pseudonyms.bind(connection, new, name="new_key")
        pseudonyms.define(connection, name="new_key", macro="new_pseudonym")
        write_table(connection, load_sql("output_key_map"), KEY_MAP, file)
        file.chmod(0o600)
        counted = connection.execute(f"SELECT kind, count(*) FROM {scan(file)} GROUP BY kind ORDER BY kind").fetchall()  # noqa: S608  # as above
    return {kind: int(rows) for kind, rows in counted}
