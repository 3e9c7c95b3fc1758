"""What is made of a published snapshot: the order of its consumers, where each one's work goes, and who sees it when.

What belongs here: calling each consumer with what its purpose may see, its manifest, its entry in the journal, and its
`current`. What does not: what a consumer makes (`risk`, `care`, `audit`), and signatures (`govern.sign_off`).

Each consumer stands alone: one that fails says so, and the others are made. Its folder appears whole or not at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration, ConsumerName, Purpose
from registry_pipeline.consumer import PURPOSE_OF, READS, RISK_BEFORE, Consumer, Made, Reading
from registry_pipeline.errors import BadInput, NotAllowed, RegistryError, RunFailed, kind_and_place
from registry_pipeline.govern import disclosure
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import (
    FORMER,
    Home,
    file_digest,
    lock,
    published_snapshots,
    read_json,
    remove_folder,
    scan,
    snapshot_order,
    step_aside,
    swap_symlink,
    whole_folder,
    write_json,
)
from registry_pipeline.tables import SCHEMA_VERSIONS

if TYPE_CHECKING:
    from registry_pipeline.registry.purposes import Besides
    from registry_pipeline.risk.fit import Fitted

MANIFEST = "manifest.json"

Report = Callable[[str, str], None]
"""Called with a stage and what it is at."""


@dataclass(frozen=True)
class ConsumerOutcome:
    """What became of one consumer: counts and sentences only.

    Attributes:
        name: the consumer, and its table.
        purpose: what it is made and read for.
        made: whether its table was written.
        is_current: whether its readers see it now.
        problem: why not, in one sentence; None where it waits for signatures only.
        withheld: why it may not be made, in one sentence: the deployment did not name its consumers, and nothing allows
            this one. Somebody who wants it has to see to that; nothing has failed.
        waits_for: signatures that are still missing.
        rows: rows of its table.
        pages: HTML files of it.
        checks: what its suite and the consumer itself found.
    """

    name: ConsumerName
    purpose: Purpose
    made: bool
    is_current: bool
    problem: str | None = None
    withheld: str | None = None
    waits_for: int = 0
    rows: int = 0
    pages: tuple[Path, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """What a file says of it; the rest stands in its manifest."""
        return {
            "name": self.name,
            "purpose": self.purpose,
            "made": self.made,
            "is_current": self.is_current,
            "problem": self.problem,
            "withheld": self.withheld,
            "waits_for": self.waits_for,
            "rows": self.rows,
            "pages": [str(page) for page in self.pages],
            "checks": [check.model_dump(mode="json") for check in self.checks],
            "seconds": self.seconds,
        }


def consumer_of(name: ConsumerName) -> Consumer:
    """The function that makes a consumer's table."""
    # Each is loaded when it is asked for: the command starts without them.
    if name == "risk_stratification":
        from registry_pipeline.risk import stratify as consumer
    elif name == "care_gap":
        from registry_pipeline.care.gaps import find_gaps as consumer
    elif name == "patient_care_team":
        from registry_pipeline.care.teams import find_teams as consumer
    elif name == "case_conference_list":
        from registry_pipeline.care.conferences import list_conferences as consumer
    else:
        from registry_pipeline.audit import measure as consumer
    return consumer


def make_consumers(
    configuration: Configuration,
    snapshot_id: str,
    *,
    only: Collection[ConsumerName] | None = None,
    report: Report = lambda _stage, _at: None,
) -> list[ConsumerOutcome]:
    """Make what the deployment's consumers make of a published snapshot; one that fails stops no other.

    Args:
        configuration: the deployment.
        snapshot_id: a snapshot that was published.
        only: these; None takes all that the deployment names. Later ones read what earlier ones made.
        report: told which one is at work.
    """
    return [
        _make_one(configuration, name, snapshot_id, report)
        for name in configuration.deployment.consumers
        if only is None or name in only
    ]


def _make_one(configuration: Configuration, name: ConsumerName, snapshot_id: str, report: Report) -> ConsumerOutcome:
    from registry_pipeline.govern import journal, sign_off

    home, purpose = Home(configuration.home), PURPOSE_OF[name]
    report("consumer", name)
    began = time.perf_counter()
    try:
        manifest = _write(configuration, name, snapshot_id)
        waits = sign_off.waits_for(configuration, home, snapshot_id, purpose)
        is_current = waits == 0 and show(configuration, name, snapshot_id)
    except Exception as problem:  # noqa: BLE001  # a mistake of ours in one consumer costs no other
        said = str(problem) if isinstance(problem, RegistryError) else unforeseen(name, problem)
        journal.record(home, "failed", what={"stage": name, "snapshot": snapshot_id, "said": said})
        is_withheld = isinstance(problem, NotAllowed) and "consumers" not in configuration.deployment.model_fields_set
        return ConsumerOutcome(
            name,
            purpose,
            made=False,
            is_current=False,
            problem=None if is_withheld else said,
            withheld=said if is_withheld else None,
            seconds=time.perf_counter() - began,
        )
    folder = home.consumer(name, snapshot_id)
    journal.record(
        home,
        "release" if is_current else "build",
        what={"consumer": name, "purpose": purpose, "snapshot": snapshot_id, "waits_for_signatures": waits},
        outputs={MANIFEST: file_digest(folder / MANIFEST)},
    )
    return ConsumerOutcome(
        name,
        purpose,
        made=True,
        is_current=is_current,
        waits_for=waits,
        rows=manifest["rows"][name],
        pages=tuple(folder / page for page in manifest["pages"]),
        checks=tuple(CheckOutcome.model_validate(check) for check in manifest["checks"]),
        about=manifest["about"],
        seconds=time.perf_counter() - began,
    )


def unforeseen(name: str, problem: Exception) -> str:
    """One sentence on an unforeseen failure: kind and place only, because its own text may hold a patient's value."""
    return (
        f"{name} broke unexpectedly ({kind_and_place(problem)}); what was made of an earlier snapshot still stands;"
        " please report this to the maintainers."
    )


def _write(configuration: Configuration, name: ConsumerName, snapshot_id: str) -> dict[str, Any]:
    """Make one consumer's folder, whole or not at all; returns its manifest.

    Raises:
        RunFailed: its table breaks a critical rule of its suite, or the disk is full.
    """
    from registry_pipeline import validate
    from registry_pipeline.registry import purposes

    home, purpose = Home(configuration.home), PURPOSE_OF[name]
    final = home.consumer(name, snapshot_id)
    with lock(home, f"consumer-{name}"), whole_folder(final) as folder:
        with purposes.open_reading(configuration, purpose, snapshot_id) as reading:
            if name == "case_conference_list" and not _sees_all(reading):
                _make_before_again(reading, folder / ".before")
            made = consumer_of(name)(reading, folder)
        shutil.rmtree(folder / ".before", ignore_errors=True)
        checks = [*made.checks, *validate.validate_table(configuration, name, folder / f"{name}.parquet")]
        broken = [check for check in checks if not check.passed and check.severity == "critical"]
        if broken:
            told = "; ".join(f"{c.name}: {c.observed or f'{c.failing:,} of {c.rows:,}'}" for c in broken)
            raise RunFailed(
                f"{name} of {snapshot_id} failed its own checks ({told}) and is shown to nobody; what was made of an"
                " earlier snapshot still stands; please report this to the maintainers."
            )
        manifest = _manifest(reading, name, folder, made, checks)
        write_json(folder / MANIFEST, manifest)
        for file in folder.rglob("*"):
            file.chmod(0o700 if file.is_dir() else 0o400)
        step_aside(final, home.consumer_current(name))
    return manifest


def _sees_all(reading: Reading) -> bool:
    """Whether the purpose sees every record that direct care sees, from which risk and gaps were made."""
    return reading.connection.execute(f"SELECT count(*) FROM ({_unseen(reading)})").fetchall() == [(0,)]  # noqa: S608  # our own query


def _unseen(reading: Reading) -> str:
    """A query of the records that direct care sees and the purpose does not."""
    whole = scan(Home(reading.configuration.home).snapshot(reading.snapshot_id) / "patient_record.parquet")
    return f"FROM {whole} ANTI JOIN patient_record USING (record_id)"


def _make_before_again(reading: Reading, folder: Path) -> None:
    """Risk and gaps from what the purpose may see only, in the place of those that direct care's records gave.

    The risk of an earlier night stands for those of whom it sees everything: of the others it told more than that.
    """
    from registry_pipeline.registry import purposes

    reading.connection.execute(
        f"CREATE TEMP TABLE risk_before_seen AS FROM {RISK_BEFORE} ANTI JOIN ({_unseen(reading)}) USING (patient_id)"
    )
    reading.connection.execute(f"CREATE OR REPLACE TEMP VIEW {RISK_BEFORE} AS FROM risk_before_seen")
    files: dict[ConsumerName, Path] = {}
    for name in READS["case_conference_list"]:
        if name in reading.absent:
            continue
        (folder / name).mkdir(parents=True)
        with purposes.open_reading(reading.configuration, reading.purpose, reading.snapshot_id) as own:
            _show_files(own, files)
            consumer_of(name)(own, folder / name)
        files[name] = folder / name / f"{name}.parquet"
    _show_files(reading, files)


def _show_files(reading: Reading, files: Mapping[ConsumerName, Path]) -> None:
    for name, file in files.items():
        reading.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS FROM {scan(file)}")


def _manifest(
    reading: Reading, name: ConsumerName, folder: Path, made: Made, checks: list[CheckOutcome]
) -> dict[str, Any]:
    snapshot = Home(reading.configuration.home).snapshot(reading.snapshot_id)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        "table": name,
        "purpose": reading.purpose,
        "snapshot_id": reading.snapshot_id,
        "snapshot_manifest": file_digest(snapshot / MANIFEST),
        "night": reading.night.isoformat(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "schema_version": SCHEMA_VERSIONS["consumer"][name],
        "rows": dict(made.rows),
        "sha256": {str(file.relative_to(folder)): file_digest(file) for file in files},
        "pages": [str(page.relative_to(folder)) for page in made.pages],
        "not_made_before": sorted(reading.absent),
        "left_out": {reason: disclosure.shown_count(people) for reason, people in reading.left_out.items()},
        "about": dict(made.about),
        "checks": [check.model_dump(mode="json", exclude_none=True) for check in checks],
    }


def show(configuration: Configuration, name: ConsumerName, snapshot_id: str) -> bool:
    """Let a consumer's readers see what was made of a snapshot, in one step; whether they may is the caller's to ask.

    Returns:
        True if they now see it; False where it was not made, or a later night's is what they see already.

    Raises:
        RunFailed: a file is missing, or another than was made.
    """
    home = Home(configuration.home)
    folder, link = home.consumer(name, snapshot_id), home.consumer_current(name)
    if not (folder / MANIFEST).is_file():
        return False
    for file, digest in read_json(folder / MANIFEST)["sha256"].items():
        if not (folder / file).is_file() or file_digest(folder / file) != digest:
            raise RunFailed(
                f"{folder / file} is missing, or not the file that was made: make it again (registry consumers --only"
                f" {name} --snapshot {snapshot_id})."
            )
    with lock(home, f"consumer-{name}"):
        if link.exists() and _snapshot_of(link.resolve())[0] > snapshot_order(folder)[0]:
            return False
        swap_symlink(link, folder)
        for former in link.parent.glob(f"[!.]*{FORMER}"):
            remove_folder(former)
    return True


def _snapshot_of(folder: Path) -> tuple[date, int]:
    return snapshot_order(Path(folder.name.removesuffix(FORMER)))


def show_to_purpose(configuration: Configuration, purpose: str, snapshot_id: str) -> list[str]:
    """Let the readers of a purpose see all that was made for it of a snapshot.

    Returns:
        The tables that they did not see before.
    """
    already = {name for name, _, current in seen(configuration) if current == snapshot_id}
    names = [name for name in configuration.deployment.consumers if PURPOSE_OF[name] == purpose and name not in already]
    return [name for name in names if show(configuration, name, snapshot_id)]


def seen(configuration: Configuration) -> list[tuple[str, str, str]]:
    """Each consumer, its purpose, and the snapshot that its readers see (empty where nothing was made)."""
    home = Home(configuration.home)
    rows = []
    for name in configuration.deployment.consumers:
        link = home.consumer_current(name)
        current = link.resolve().name.removesuffix(FORMER) if link.exists() else ""
        rows.append((str(name), str(PURPOSE_OF[name]), current))
    return rows


def besides(configuration: Configuration, purpose: Purpose) -> Besides | None:
    """What consumers make within a purpose's pseudonymised output, and what that rests on besides the snapshot."""
    from registry_pipeline.registry.purposes import Besides

    name: ConsumerName = "risk_stratification"
    if purpose != name or name not in configuration.deployment.consumers:
        return None
    models = sorted(Home(configuration.home).risk_models.glob("v*.json"))
    rests_on = {"risk": configuration.deployment.risk.model_dump_json()}
    return Besides({name: consumer_of(name)}, {**rests_on, **{file.stem: file_digest(file) for file in models}})


def check_configuration(configuration: Configuration) -> None:
    """What only the consumers can say of a configuration: code lists and protocols.

    Asked by `registry check-config` only: a protocol that is wrong is left out of a night, and stops none.

    Raises:
        BadInput: the first thing that is wrong.
    """
    from registry_pipeline import audit, codes, risk
    from registry_pipeline.care import protocols

    codes.check(configuration)
    risk.check(configuration)
    protocols.check(configuration)
    audit.check(configuration)


def fit_risk_model(configuration: Configuration, snapshot_id: str) -> Fitted:
    """Fit the next version of the local risk model on what the purpose risk_stratification may see of a snapshot.

    Raises:
        BadInput: there is no such snapshot, it was never published, or it was rejected: people would be chosen by what
            was learned from it.
        RunFailed: no agreement covers the purpose, or the history is too short.
    """
    from registry_pipeline.govern import journal, sign_off
    from registry_pipeline.registry import purposes
    from registry_pipeline.risk import fit

    home = Home(configuration.home)
    if home.snapshot(snapshot_id) not in published_snapshots(home):
        raise BadInput(f"The snapshot {snapshot_id} was never published: fit on one that was (--snapshot).")
    if sign_off.signed(home, snapshot_id).rejection is not None:
        raise BadInput(f"The snapshot {snapshot_id} was rejected: fit on another one (--snapshot).")
    with lock(home, "risk-model"), purposes.open_reading(configuration, "risk_stratification", snapshot_id) as reading:
        fitted = fit.fit(reading)
    journal.record(
        home,
        "build",
        what={"risk_model": fitted.version, "snapshot": snapshot_id, "purpose": "risk_stratification"},
        inputs={MANIFEST: file_digest(home.snapshot(snapshot_id) / MANIFEST)},
        outputs={file.name: file_digest(file) for file in (fitted.json_file, fitted.card_file)},
    )
    return fitted
