"""Which linkage model a night uses, and how another version is let in.

What belongs here: the rule that a published registry keeps its model until a person lets another one in, the trial that
tells whose ids a version would change, and the record of who let it in and why. What does not: how a model is trained
(`train`), what its numbers mean (`model`), and giving ids (`identity`).

A new model version changes people's ids: it joins some that were apart and parts some that were joined. So:

* `report` links a night with it in a folder of its own, gives ids as the night would, counts what would change, and
  publishes nothing;
* `admit` lets it in, with name and reason, and needs that report;
* `model_for_night` takes the version that was let in last, else the one that the registry was linked with.

Before anything is published there are no ids to change, and the newest version that fits is used.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link.model import LinkageModel, choose_model, load_model, saved_versions
from registry_pipeline.outcomes import CheckOutcome, Share
from registry_pipeline.storage import Home, connect, load_sql, read_json, scan, snapshot_night, write_json

if TYPE_CHECKING:
    import duckdb

ADMISSIONS = "admissions.json"
"""The file beside the reports that tells which versions were let in; entries are only ever added."""

HOW_TO_ADMIT = (
    "`registry model report {version} --night DATE` tells whose ids it would change,"
    " `registry model admit {version} --who NAME --why REASON` lets it in"
)


@dataclass(frozen=True)
class Admission:
    """A version that was let in.

    Attributes:
        sha256: digest of the model's file as it was reported on.
        report_sha256: digest of the report that it was let in on.
    """

    version: str
    who: str
    why: str
    when: str
    sha256: str
    report_sha256: str


@dataclass(frozen=True)
class SettingReport:
    """What a version would change for the records of one setting. A pair counts in the setting of either record."""

    setting: str
    records: int
    people: int
    people_changed: int
    records_moved: int
    pairs_gained: int | None
    pairs_lost: int | None


@dataclass(frozen=True)
class ModelReport:
    """What letting a version in would change: counts only.

    Attributes:
        version: the version that was tried.
        sha256: digest of its file.
        night: the night whose records were linked with it.
        compared_with: the published snapshot whose ids were carried on.
        same_night: whether that snapshot is of this very night, so that every change is the model's doing; else the
            changes of the records since then are among the counts.
        instead_of: the version that the snapshot was linked with.
        people: people of the snapshot.
        people_changed: of them, those of whom a record would go by another id.
        ids: events that the night would write, by type.
        records_moved: records that would go by another id.
        pairs_gained: pairs that would match and do not; None where the snapshot's pairs are no longer there.
        pairs_lost: pairs that match and would not.
    """

    version: str
    sha256: str
    night: str
    compared_with: str
    same_night: bool
    instead_of: str | None
    reported_at: str
    people: int
    people_changed: int
    ids: dict[str, int]
    records: int
    records_moved: int
    pairs: int
    pairs_gained: int | None
    pairs_lost: int | None
    by_setting: list[SettingReport]


# The model of a night ----------------------------------------------------------------------------------------------


def model_for_night(configuration: Configuration, columns: Collection[str], night: date) -> LinkageModel:
    """The model that a night links with.

    Args:
        configuration: says where models lie, and may name one.
        columns: person_record columns that hold values tonight.
        night: named in errors.

    Raises:
        BadInput: nothing is published yet, and there is no model to begin with.
        RunFailed: the version that is in use cannot be read any more, or the deployment names one that was not let in.
    """
    version = version_in_use(configuration)
    if version is None:
        return choose_model(configuration, columns)
    file = _file_of(configuration, version)
    if not file.is_file():
        raise RunFailed(
            f"The night {night} cannot be linked: the linkage model {version}, which the registry is linked with, is no"
            f" longer in {configuration.models}; put its file back, or let another version in"
            f" ({HOW_TO_ADMIT.format(version='VERSION')})."
        )
    admitted = _last_admission(configuration, version)
    if admitted is not None and admitted.sha256 != _sha256(file):
        raise RunFailed(
            f"The night {night} cannot be linked: {file} is no longer the file that was let in as {version}; put that"
            f" one back, or let the new one in ({HOW_TO_ADMIT.format(version=version)})."
        )
    try:
        return load_model(file)
    except BadInput as problem:
        raise RunFailed(
            f"The night {night} cannot be linked with the model {version} that is in use: {file} does not fit this"
            " version of the software, or is damaged; put the file or the software back, or let another version in"
            f" ({HOW_TO_ADMIT.format(version='VERSION')})."
        ) from problem


def version_published(home: Home) -> str | None:
    """The version that the current snapshot was linked with; None where nothing is published.

    Raises:
        RunFailed: the snapshot's manifest cannot be read.
    """
    if not home.current.exists():
        return None
    file = home.current.resolve() / "manifest.json"
    try:
        version = read_json(file).get("model_version")
    except (OSError, ValueError, AttributeError) as problem:
        raise RunFailed(
            f"The current snapshot is damaged: {file} cannot be read; restore the snapshot from a backup, then run"
            " again (nothing was changed)."
        ) from problem
    return None if version is None else str(version)


def version_in_use(configuration: Configuration) -> str | None:
    """The version that the next night links with; None where nothing is published and the newest that fits is taken.

    Raises:
        RunFailed: the deployment names a version that was not let in, or the current snapshot is damaged.
    """
    published = version_published(Home(configuration.home))
    if published is None:
        return None
    let_in = [admission.version for admission in admissions(Home(configuration.home))]
    named = configuration.deployment.model
    if named is None:
        return let_in[-1] if let_in else published
    if named != published and named not in let_in:
        raise RunFailed(
            f"The linkage model {named} that registry.yaml names is not in use yet, the registry is linked with"
            f" {published}: {HOW_TO_ADMIT.format(version=named)}, or remove `model` from registry.yaml."
        )
    return named


def newer_versions(configuration: Configuration) -> list[str]:
    """Versions that are newer than the one in use and wait to be let in, the newest first; none before publication.

    Raises:
        RunFailed: as `model_for_night`, for what is in use.
    """
    in_use = version_in_use(configuration)
    if in_use is None:
        return []
    newest_first = [version for version, _ in saved_versions(configuration.models)]
    return newest_first[: newest_first.index(in_use)] if in_use in newest_first else newest_first


def newer_model_check(configuration: Configuration) -> CheckOutcome:
    """A night's check that tells of newer versions that wait.

    Raises:
        RunFailed: as `model_for_night`, for what is in use.
    """
    waiting = newer_versions(configuration)
    return CheckOutcome(
        name="newest_model_is_in_use",
        passed=not waiting,
        severity="info",
        dimension="timeliness",
        reason="A newer linkage model is let in once it is known whose ids it would change.",
        observed=f"waiting: {', '.join(waiting)}" if waiting else None,
    )


# Letting a version in ------------------------------------------------------------------------------------------------


def report(
    configuration: Configuration, version: str, night: date, shares: Sequence[Share], *, prior: Path | None
) -> ModelReport:
    """Link a night with a version, in a folder of its own, and count whose ids it would change; keep the report.

    Args:
        configuration: the deployment.
        version: the version to try.
        night: the night whose records are linked; best the last published one.
        shares: what each provider gives to it.
        prior: the published snapshot whose ids are carried on.

    Raises:
        BadInput: there is no such version, or it cannot be read, or nothing is published that could change.
        RunFailed: there are no person records, or the disk is full.
    """
    from registry_pipeline.link import identity, nights

    if prior is None:
        raise BadInput(
            "Nothing is published yet, so that no model can change an id: run a night (registry run); it takes the"
            " newest model that fits."
        )
    home, file = Home(configuration.home), _file_of(configuration, version)
    model = load_model(_there(configuration, file, version))
    folder = home.temporary / f"model-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        nights.link_beside(configuration, night, shares, model, folder, prior=prior)
        happened = identity.assign_identities(
            configuration, night, shares, prior=prior, run_id=f"trial of {version}", folder=folder
        )
        made = ModelReport(
            version=version,
            sha256=_sha256(file),
            night=night.isoformat(),
            compared_with=prior.name,
            same_night=snapshot_night(prior) == night,
            instead_of=read_json(prior / "manifest.json").get("model_version"),
            reported_at=datetime.now(UTC).isoformat(timespec="seconds"),
            ids=happened,
            **_changes(configuration, prior, folder),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_json(report_file(home, version), asdict(made))
    return made


def _changes(configuration: Configuration, prior: Path, folder: Path) -> dict[str, Any]:
    """The counts of a report: the snapshot beside the trial."""
    home, deployment = Home(configuration.home), configuration.deployment
    pairs_before = home.linked("linked_pair", snapshot_night(prior))
    with closing(
        connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
    ) as connection:
        for view, file in (
            ("record_before", prior / "patient_record.parquet"),
            ("record_after", folder / "patient_record.parquet"),
            ("pair_before", pairs_before if pairs_before.is_file() else folder / "linked_pair.parquet"),
            ("pair_after", folder / "linked_pair.parquet"),
        ):
            connection.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM {scan(file)}")  # noqa: S608  # own paths
        connection.execute(f"CREATE TEMP TABLE model_pair AS {load_sql('model_pair')}")
        rows = _rows(connection, load_sql("model_report"))
    if not pairs_before.is_file():
        rows = [row | {"pairs_gained": None, "pairs_lost": None} for row in rows]
    of_all, *by_setting = rows
    return {
        **{name: value for name, value in of_all.items() if name != "setting"},
        "by_setting": [SettingReport(**{k: v for k, v in row.items() if k != "pairs"}) for row in by_setting],
    }


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    found = connection.execute(sql)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def admit(configuration: Configuration, version: str, *, who: str, why: str) -> Admission:
    """Let a version in: nights link with it from now on. Appended to what was let in before, and never changed.

    Raises:
        BadInput: nobody or no reason is named, there is no report on the version, or its file is another by now.
    """
    if not who.strip() or not why.strip():
        raise BadInput(f"Say who lets the model {version} in and why: --who NAME --why REASON.")
    home, file = Home(configuration.home), _file_of(configuration, version)
    _there(configuration, file, version)
    reported = report_file(home, version)
    if not reported.is_file():
        raise BadInput(
            f"Nobody knows yet whose ids the model {version} would change: run"
            f" `registry model report {version} --night DATE` first."
        )
    try:
        content = read_json(reported)
    except ValueError as problem:
        raise BadInput(
            f"The report {reported} cannot be read: run `registry model report {version} --night DATE` again."
        ) from problem
    if content.get("sha256") != _sha256(file):
        raise BadInput(
            f"The model {version} was changed since it was reported on: run"
            f" `registry model report {version} --night DATE` again."
        )
    admission = Admission(
        version=version,
        who=who.strip(),
        why=why.strip(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=_sha256(file),
        report_sha256=_sha256(reported),
    )
    before = admissions(home)
    write_json(_folder(home) / ADMISSIONS, {"admitted": [asdict(each) for each in (*before, admission)]})
    return admission


def admissions(home: Home) -> list[Admission]:
    """Every version that was ever let in, the last one last.

    Raises:
        RunFailed: the file that tells it cannot be read.
    """
    file = _folder(home) / ADMISSIONS
    if not file.is_file():
        return []
    try:
        return [Admission(**each) for each in read_json(file)["admitted"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise RunFailed(
            f"{file} cannot be read, and it tells which linkage models were let in: put it back from a backup (nothing"
            " was changed)."
        ) from problem


def report_file(home: Home, version: str) -> Path:
    """Where the report on a version is kept."""
    return _folder(home) / f"{version}.json"


def _folder(home: Home) -> Path:
    return home.models


def _last_admission(configuration: Configuration, version: str) -> Admission | None:
    return next((a for a in reversed(admissions(Home(configuration.home))) if a.version == version), None)


def _file_of(configuration: Configuration, version: str) -> Path:
    return configuration.models / f"{Path(version).name}.json"


def _there(configuration: Configuration, file: Path, version: str) -> Path:
    if not file.is_file():
        there = ", ".join(each for each, _ in saved_versions(configuration.models)) or "none"
        raise BadInput(f"There is no linkage model {version!r} in {configuration.models} (there: {there}).")
    return file


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
