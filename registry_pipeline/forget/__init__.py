"""Forgetting a person: out of the landing, every table, every snapshot, and the proof that nothing is left.

What belongs here: the order of the work over all stages. What does not: who was forgotten (`govern.forgotten`), and how
a delivered file is read (`extract`).

`person` finds whom it is about, `tables` takes rows out of the home's own tables, `proof` searches every file for what
may be left. The order lets a kill be finished by running it again: the tombstone stands first, so that nothing of the
person comes in meanwhile; outputs go before the snapshots that tell which of them held the person; and the files from
which the person's values are known go last, so that the next attempt still knows what to search for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration, Provider
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import forgotten, journal
from registry_pipeline.govern.forgotten import Forgotten
from registry_pipeline.storage import (
    FORMER,
    Home,
    clear_unfinished,
    file_digest,
    lock_whole,
    published_snapshots,
    scan,
    write_json,
)

if TYPE_CHECKING:
    from registry_pipeline.forget.person import Person
    from registry_pipeline.forget.proof import Proof
    from registry_pipeline.forget.tables import Work

__all__ = ["Done", "Seen", "forget", "look"]

Report = Callable[[str, str], None]
"""Called with a step and what it is at."""


@dataclass(frozen=True)
class Seen:
    """What forgetting would concern: counts only.

    Attributes:
        patient_ids: ids that the person went by.
        records: record keys over all time.
        providers: providers of them.
        snapshots: snapshots that hold any of the records.
        nhs_numbers: valid numbers by which the person will be known again.
        shared_numbers: valid numbers that other people's records hold too, by which nobody will be kept out.
        begun: number of the tombstone, where an earlier attempt was not finished or the person was forgotten before.
    """

    patient_ids: int
    records: int
    providers: int
    snapshots: int
    nhs_numbers: int
    shared_numbers: int
    begun: int | None


@dataclass(frozen=True)
class Done:
    """What was done: counts and paths only.

    Attributes:
        number: of the tombstone; None for a rectification.
        rows: place to rows taken out.
        files: files of the home's own tables that were written anew.
        deliveries: landed deliveries that were redacted.
        overrides: rows of the store of overrides, and of objections, that were changed.
        outputs_deleted: outputs and consumers' tables that held the person, as `<purpose or table>/<snapshot>`.
        outputs_made: of them those that were made anew.
        proof: what was searched.
        proof_file: where it is written down.
    """

    number: int | None
    rows: Mapping[str, int]
    files: int
    deliveries: int
    overrides: int
    outputs_deleted: tuple[str, ...]
    outputs_made: tuple[str, ...]
    snapshots: tuple[str, ...]
    proof: Proof
    proof_file: Path
    seconds: Mapping[str, float] = field(default_factory=dict)


def look(configuration: Configuration, asked: str) -> Seen:
    """Find whom it is about, and change nothing.

    Args:
        configuration: the deployment.
        asked: any id of the person, or the key of any of the person's records (PROVIDER:local_id).

    Raises:
        BadInput: neither, or never one of this home.
    """
    from registry_pipeline.forget import person, tables

    found = person.find(configuration, asked.strip())
    work = tables.begin(configuration, found, {})
    try:
        holding = _snapshots_with(work)
    finally:
        work.connection.close()
    return Seen(
        patient_ids=len(found.patient_ids),
        records=len(found.records),
        providers=len({record.partition(":")[0] for record in found.records}),
        snapshots=len(holding),
        nhs_numbers=len(found.nhs_numbers),
        shared_numbers=found.shared_numbers,
        begun=found.tombstone.number if found.tombstone else None,
    )


def forget(
    configuration: Configuration,
    asked: str,
    *,
    who: str,
    why: str,
    rectify: bool = False,
    report: Report = lambda _step, _at: None,
) -> Done:
    """Take a person's records out of everything under the home, keep them out, and prove it.

    Args:
        configuration: the deployment.
        asked: any id of the person, or the key of any of the person's records.
        who: who decided; written in the journal.
        why: for what reason; no patient's value.
        rectify: take them out without a tombstone, so that a corrected extract comes in afresh and the id lives again.
        report: told which step is at what.

    Raises:
        BadInput: nobody is found; who or why is empty.
        RunFailed: a run is at work, a snapshot is damaged, a file cannot be read, or something of the person was found
            when all was done: the message names the files.
    """
    if not who.strip() or not why.strip():
        raise BadInput("Say who decides and why: --who NAME --why REASON.")
    home = Home(configuration.home)
    with lock_whole(home):
        clear_unfinished(home)
        return _Forgetting(configuration, asked.strip(), who, why, rectify, report).run()


class _Forgetting:
    """One person on the way out; holds the home alone."""

    def __init__(
        self, configuration: Configuration, asked: str, who: str, why: str, rectify: bool, report: Report
    ) -> None:
        from registry_pipeline.forget import person, proof, tables

        self.configuration = configuration
        self.home = Home(configuration.home)
        self.who, self.why, self.rectify, self.report = who, why, rectify, report
        report("find", "the person's records")
        self.person: Person = person.find(configuration, asked)
        report("find", "what other people share")
        values = [v for v in proof.values_of(self.person) if not (rectify and v.kind == "record_key")]
        self.values, self.shared = proof.without_shared(configuration, self.person, values)
        self.number = None if rectify else self._number()
        note = {"number": self.number, "rectified": rectify}
        self.work: Work = tables.begin(configuration, self.person, note)

    def _number(self) -> int:
        if self.person.tombstone is not None:
            return self.person.tombstone.number
        return 1 + max((t.number for t in forgotten.load(self.home).tombstones), default=0)

    def run(self) -> Done:
        try:
            return self._run()
        finally:
            self.work.connection.close()

    def _run(self) -> Done:
        from registry_pipeline.forget import proof, tables

        tables.refuse_damaged(self.work)
        known = self._tombstone()
        self._journal("begun")
        overrides = 0 if self.rectify else self._overrides()
        deleted, outputs_seen = self._made_of_snapshots("outputs")
        more_deleted, consumers_seen = self._made_of_snapshots("consumers")
        deleted += more_deleted
        self.report("snapshots", "of every night")
        newest = published_snapshots(self.home)[-1:]
        for folder in tables.snapshots(self.home):
            ends = ("rectified" if self.rectify else "forgotten") if folder in newest else None
            tables.redact_snapshot(self.work, folder, history=ends, keeps_former=self.rectify)
        self.report("linkage", "of every night")
        tables.redact_linkage(self.work)
        self.report("landing", "of every night")
        deliveries = self._landing(known)
        self.report("staging", "of every night")
        tables.redact_elsewhere(
            self.work, ("landing", "staging", "quarantine", "linkage", "registry", "outputs", "consumers")
        )
        tables.redact_staging(self.work, last=False)
        tables.redact_staging(self.work, last=True)
        shutil.rmtree(self.home.temporary, ignore_errors=True)
        made = self._make_again(outputs_seen, consumers_seen)
        self.report("proof", "every file")
        found = proof.prove(self.configuration, self.values, self.shared)
        file = self._write_proof(found)
        if found.found:
            raise RunFailed(
                f"Something of the person was found in {len(found.found)} files when all was done"
                f" ({', '.join(sorted(found.found)[:8])}): see {file} for what kind, remove it there, and run this"
                " again."
            )
        self._finish(file)
        return Done(
            number=self.number,
            rows=dict(self.work.rows),
            files=self.work.files,
            deliveries=deliveries,
            overrides=overrides,
            outputs_deleted=tuple(deleted),
            outputs_made=tuple(made),
            snapshots=tuple(self.work.snapshots),
            proof=found,
            proof_file=file,
        )

    # Before anything goes -------------------------------------------------------------------------------------------

    def _tombstone(self) -> Forgotten:
        """Write the tombstone; returns what knows this person again."""
        base = forgotten.throwaway() if self.rectify else forgotten.with_key(self.home)
        made = forgotten.tombstone(
            base, self.number or 0, self.person.patient_ids, self.person.records, self.person.nhs_numbers
        )
        if self.rectify:
            return base.only(made)
        forgotten.keep(self.home, made)
        return base.only(next(t for t in forgotten.load(self.home).tombstones if t.number == made.number))

    def _journal(self, phase: str, outputs: Mapping[str, str] | None = None) -> None:
        what: dict[str, Any] = {
            "phase": phase,
            "number": self.number,
            "rectified": self.rectify,
            "patient_ids": len(self.person.patient_ids),
            "records": len(self.person.records),
        }
        if phase == "finished":
            what |= {"rows": dict(self.work.rows), "snapshots": len(self.work.snapshots)}
        journal.record(self.home, "forget", who=self.who, why=self.why, what=what, outputs=dict(outputs or {}))

    # Places ---------------------------------------------------------------------------------------------------------

    def _overrides(self) -> int:
        """Overrides and objections: what was decided stays, the person's keys go."""
        from registry_pipeline.govern import objections

        self.report("overrides", "and objections")
        changed = objections.forget(self.home, self.person.nhs_numbers, self.person.records)
        kept_elsewhere = self.configuration.deployment.overrides_url_env is not None
        if kept_elsewhere or self.home.overrides.is_file():
            from registry_pipeline.link import override_forget

            texts = [" ".join(given) if kind != "local_id" else given[1] for kind, given in self.person.values]
            enough = [text for text in texts if len(text) >= _SHORTEST_TEXT]
            stand_in = f"forgotten:{self.number}"
            changed += override_forget.forget(self.configuration, self.person.records, stand_in, enough)
        return changed

    def _made_of_snapshots(self, kind: str) -> tuple[list[str], dict[str, list[str]]]:
        """Delete what was made of snapshots that hold the person, or that are gone.

        Args:
            kind: `outputs` (pseudonymised, by purpose) or `consumers` (by table).

        Returns:
            What was deleted, as `<purpose or table>/<snapshot>`; and by snapshot, of which purposes or tables readers
            saw what was made of it.
        """
        holding = _snapshots_with(self.work)
        deleted: list[str] = []
        current: dict[str, list[str]] = {}
        for whose in sorted((self.home.root / kind).glob("*/")):
            link = whose / "current"
            seen = link.resolve() if link.is_symlink() else None
            for folder in [each for each in sorted(whose.iterdir()) if not each.is_symlink()]:
                snapshot = folder.name.removesuffix(FORMER)
                if self.home.snapshot(snapshot).is_dir() and snapshot not in holding:
                    continue
                if seen is not None and seen == folder.resolve():
                    link.unlink()
                    current.setdefault(snapshot, []).append(whose.name)
                leaving = folder.with_name(f".{folder.name}.unfinished")
                folder.rename(leaving)
                shutil.rmtree(leaving)
                deleted.append(f"{whose.name}/{folder.name}")
        return deleted, current

    def _make_again(self, outputs: Mapping[str, list[str]], consumers: Mapping[str, list[str]]) -> list[str]:
        """Make anew what readers saw, from the snapshots as they are now, where the keys are at hand."""
        from registry_pipeline import consume, release

        made = []
        for snapshot in sorted({*outputs, *consumers}):
            if not (self.home.snapshot(snapshot) / "published.json").is_file():
                continue
            if snapshot in consumers:
                of_tables = consume.make_consumers(
                    self.configuration,
                    snapshot,
                    only=consumers[snapshot],  # type: ignore[arg-type]  # names of folders that consumers made
                    report=self.report,
                )
                made += [f"{each.name}/{snapshot}" for each in of_tables if each.made]
            if snapshot in outputs:
                of_purposes = release.make_outputs(self.configuration, snapshot, report=self.report)
                made += [f"{each.purpose}/{snapshot}" for each in of_purposes if each.made]
        return made

    def _landing(self, known: Forgotten) -> int:
        """Redact every landed delivery; returns how many were."""
        from registry_pipeline import extract

        redacted = 0
        delivered: set[tuple[str, tuple[str | None, ...]]] = set()
        for folder in sorted((self.home.root / "landing").glob("*/*/*/")):
            provider, feed, night = folder.parts[-3:]
            described = self.configuration.providers.get(provider)
            if described is None or feed not in described.feeds:
                described, feed = _unknown_provider(provider), "patient"
            self.report("landing", f"{provider} {night}")
            for each in extract.redact_landed(
                self.configuration, described, feed, date.fromisoformat(night), known, folder=folder
            ):
                redacted += bool(each)
                self.work.rows["landing"] += each.rows
                delivered |= {(provider, row) for row in each.values}
        self._learn(delivered)
        return redacted

    def _learn(self, delivered: set[tuple[str, tuple[str | None, ...]]]) -> None:
        """Values that only landed deliveries still held: an earlier attempt had taken the rest out."""
        from registry_pipeline.forget import person, proof, tables

        if person.learn(self.person, delivered):
            tables.know(self.work)
            values = [v for v in proof.values_of(self.person) if not (self.rectify and v.kind == "record_key")]
            self.values, self.shared = proof.without_shared(self.configuration, self.person, values)

    # Afterwards -----------------------------------------------------------------------------------------------------

    def _write_proof(self, found: Proof) -> Path:
        name = str(self.number) if self.number else f"rectified-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        file = forgotten.folder(self.home) / f"{name}.json"
        attempt = 1
        while file.exists():  # what was proven before stays as evidence
            attempt += 1
            file = file.with_name(f"{name}-{attempt}.json")
        content = {
            "number": self.number,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "nothing_was_found": not found.found,
            "meaning": {
                "not_covered": "Lies under the home and is not the registry's: the providers' own sources. What they"
                " still hold they will deliver again, and the tombstone keeps it out.",
                "shared": "Values that other people's records hold too; they identify nobody alone and stay there.",
            },
            "files_searched": len(found.files),
            "bytes_searched": found.bytes,
            "rows_taken_out": dict(self.work.rows),
            **asdict(found),
        }
        write_json(file, content)
        file.chmod(0o600)
        return file

    def _finish(self, file: Path) -> None:
        if self.number is not None:
            known = forgotten.load(self.home)
            standing = next(t for t in known.tombstones if t.number == self.number)
            forgotten.keep(self.home, forgotten.finished(standing))
        self._journal("finished", {file.name: file_digest(file)})


_SHORTEST_TEXT = 5
"""Characters of a value that is taken out of a free text: a shorter one would be found inside words."""


def _unknown_provider(code: str) -> Provider:
    """A provider of whom the configuration no longer says how its files are read."""
    feeds = {"patient": {"source": {"kind": "csv", "path": "gone"}}}
    return Provider.model_validate({"provider": code, "setting": "gp", "feeds": feeds})


def _snapshots_with(work: Work) -> list[str]:
    """Snapshots that hold a record of the person."""
    from registry_pipeline.forget import tables

    files = [file for folder in tables.snapshots(work.home) if (file := folder / "patient_record.parquet").is_file()]
    if not files:
        return []
    found = work.connection.execute(
        "SELECT DISTINCT split_part(filename, '/', -2) FROM"  # noqa: S608  # our own files
        f" {scan(files).replace('union_by_name = true', 'union_by_name = true, filename = true')}"
        " SEMI JOIN gone_record USING (record_id) ORDER BY ALL"
    ).fetchall()
    return [name for (name,) in found]
