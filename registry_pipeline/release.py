"""What becomes of a snapshot once it is audited: published, shown to each purpose, reported on, signed.

What belongs here: the order of that work over the stages, and its entries in the journal. What does not: how any of it
is done (`registry`, `govern`, `reports` and `link` do it), and the night before it (`night`).

A snapshot is published at once, so that later nights carry its ids on. What readers of a purpose see
(`registry/current` for direct care, `outputs/<purpose>/current` for the others) moves to it when as many people have
signed its report as the deployment asks for (`sign_offs` in registry.yaml; none, by default).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import consume
from registry_pipeline.config import Configuration, Purpose
from registry_pipeline.consumer import PURPOSE_OF
from registry_pipeline.errors import BadInput, RegistryError, RunFailed
from registry_pipeline.storage import (
    Home,
    file_digest,
    lock,
    prune_made_of_snapshots,
    published_snapshots,
    read_json,
    snapshot_night,
    snapshot_order,
)

if TYPE_CHECKING:
    from registry_pipeline.registry import Snapshot

DIRECT_CARE: Purpose = "direct_care"
"""The purpose of `registry/current` itself."""

REPORT_PAGE, REPORT_FIGURES = "linkage_quality.html", "linkage_quality.json"

DRIFT_NIGHTS = 30
"""Nights back that overrides are counted over, as the report's drift is."""

Report = Callable[[str, str], None]
"""Called with a stage and what it is at, as the work goes on."""


def silent(_stage: str, _at: str) -> None:
    """A report that tells nobody."""


@dataclass(frozen=True)
class PurposeOutcome:
    """What became of one purpose's output of a snapshot: counts and sentences only.

    Attributes:
        made: whether its tables were written.
        is_current: whether its readers see them now.
        problem: why not, in one sentence; None where it waits for signatures only.
        waits_for: signatures that are still missing.
    """

    purpose: Purpose
    made: bool
    is_current: bool
    problem: str | None = None
    waits_for: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeReport:
    """A report that was written: where, and its lights as (name, colour, value)."""

    snapshot_id: str
    page: Path
    figures: Path
    lights: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Signed:
    """What a signature brought about: purposes that see the snapshot from now on, and those that still wait."""

    snapshot_id: str
    now_current: tuple[str, ...]
    waiting: Mapping[str, int]


def check_configuration(configuration: Configuration) -> None:
    """What can be said of the outputs before any is made: keys, and the list of postcodes.

    Asked by `registry check-config` only: a key that is missing stops its output, never the night.

    Raises:
        BadInput: the first thing that is wrong.
    """
    from registry_pipeline.registry import purposes

    purposes.check_outputs(configuration)


def find(configuration: Configuration, snapshot_id: str | None) -> Snapshot:
    """A snapshot by its id; None gives the last one published, whether readers see it yet or not.

    Raises:
        BadInput: there is none.
    """
    from registry_pipeline import registry

    home = Home(configuration.home)
    if snapshot_id is None:
        published = published_snapshots(home)
        if not published:
            raise BadInput(f"Nothing is published under {home.root} yet: run a night first (registry run).")
        snapshot_id = published[-1].name
    elif not _is_snapshot_id(snapshot_id):
        raise BadInput(f"{snapshot_id!r} is not the id of a snapshot: they are called <night>.<number>.")
    return registry.find_snapshot(home, snapshot_id)


def _is_snapshot_id(text: str) -> bool:
    try:
        snapshot_order(Path(text))
    except ValueError:
        return False
    return Path(text).name == text


def publish(configuration: Configuration, snapshot_id: str) -> bool:
    """Publish a snapshot; readers see it unless signatures are asked for, or a later night's is current already.

    Raises:
        RunFailed: a required provider is not in.
    """
    from registry_pipeline import registry
    from registry_pipeline.govern import journal

    home = Home(configuration.home)
    snapshot = registry.find_snapshot(home, snapshot_id)
    held = _waits(configuration, home, snapshot_id)
    is_current = registry.publish(configuration, snapshot, hold=held, about={"journal": _journal_head(home)})
    journal.record(
        home,
        "publish",
        what={"snapshot": snapshot_id, "is_current": is_current, "waits_for_signatures": held},
        outputs={"manifest.json": file_digest(snapshot.folder / "manifest.json")},
    )
    registry.prune_snapshots(home)
    for kind in ("outputs", "consumers"):
        prune_made_of_snapshots(home, kind)
    return is_current


def _waits(configuration: Configuration, home: Home, snapshot_id: str) -> bool:
    if not configuration.deployment.sign_offs.get(DIRECT_CARE):
        return False
    from registry_pipeline.govern import sign_off

    return not sign_off.enough_for(configuration, home, snapshot_id, DIRECT_CARE)


def make_outputs(configuration: Configuration, snapshot_id: str, *, report: Report = silent) -> list[PurposeOutcome]:
    """The pseudonymised output of every purpose that the deployment names; one that fails stops no other."""
    return [_one_output(configuration, purpose, snapshot_id, report) for purpose in configuration.deployment.outputs]


def _one_output(configuration: Configuration, purpose: Purpose, snapshot_id: str, report: Report) -> PurposeOutcome:
    from registry_pipeline.govern import journal, sign_off
    from registry_pipeline.registry import purposes

    home = Home(configuration.home)
    report("output", purpose)
    try:
        made = purposes.make_output(configuration, purpose, snapshot_id, consume.besides(configuration, purpose))
        waits = sign_off.waits_for(configuration, home, snapshot_id, purpose)
        is_current = waits == 0 and purposes.release(configuration, purpose, snapshot_id)
    except Exception as problem:  # noqa: BLE001  # a mistake of ours in one output costs neither another nor the report
        known = isinstance(problem, RegistryError)
        said = str(problem) if known else consume.unforeseen(f"the output for {purpose}", problem)
        journal.record(home, "failed", what={"stage": f"output {purpose}", "snapshot": snapshot_id, "said": said})
        return PurposeOutcome(purpose, made=False, is_current=False, problem=said)
    manifest = made.folder / "manifest.json"
    journal.record(
        home,
        "release" if is_current else "build",
        what={"purpose": purpose, "snapshot": snapshot_id, "waits_for_signatures": waits},
        outputs={"manifest.json": file_digest(manifest)},
    )
    return PurposeOutcome(purpose, made=True, is_current=is_current, waits_for=waits, rows=dict(made.rows))


def make_report(
    configuration: Configuration, snapshot_id: str | None = None, *, replace_signed: bool = False
) -> MadeReport:
    """The linkage quality report of a snapshot, under `reports/<id>/`; made again, it takes the place of the former.

    Args:
        configuration: the deployment.
        snapshot_id: None takes the last one published.
        replace_signed: also where somebody has signed the former one, whose signature then no longer counts.

    Raises:
        BadInput: there is no such snapshot, or its report is signed.
        RunFailed: its linkage is gone, or the disk is full.
    """
    from registry_pipeline.govern import journal
    from registry_pipeline.link import evidence
    from registry_pipeline.pages import page
    from registry_pipeline.reports.figures import build_report

    snapshot = find(configuration, snapshot_id)
    home = Home(configuration.home)
    if not replace_signed:
        _refuse_signed(home, snapshot.snapshot_id)
    if not home.linked("linked_pair", snapshot.night).is_file():
        raise RunFailed(
            f"The linkage of {snapshot.night} is gone, without which nothing can be said of its quality: run the night"
            f" {snapshot.night} again."
        )
    content = build_report(
        configuration,
        snapshot.snapshot_id,
        linkage=evidence.gather(configuration, snapshot.night),
        governance=governance(configuration, snapshot),
    )
    html, figures = page.write_report(content, home.report(snapshot.snapshot_id))
    journal.record(
        home,
        "report",
        what={"snapshot": snapshot.snapshot_id},
        inputs={"manifest.json": file_digest(snapshot.folder / "manifest.json")},
        outputs={html.name: file_digest(html), figures.name: file_digest(figures)},
    )
    lights = tuple((light.name, light.colour, light.value) for light in content.lights)
    return MadeReport(snapshot.snapshot_id, html, figures, lights)


def _refuse_signed(home: Home, snapshot_id: str) -> None:
    from registry_pipeline.govern import sign_off

    signatures = sign_off.signed(home, snapshot_id).signatures
    if signatures:
        raise BadInput(
            f"The report of {snapshot_id} is signed by {len(signatures)} already, whose signatures would no longer"
            " count if it were made anew: read the one that stands, or give --replace-signed."
        )


def governance(configuration: Configuration, snapshot: Snapshot) -> dict[str, Any]:
    """What the report says besides linkage: overrides, signatures, the journal, agreements, outputs, who was forgotten.

    Counts, names of staff and of agreements only.
    """
    from registry_pipeline.govern import forgotten, journal, sign_off

    home = Home(configuration.home)
    standing = sign_off.signed(home, snapshot.snapshot_id)
    outputs = [_output_told(configuration, home, snapshot, purpose) for purpose in configuration.deployment.outputs]
    return {
        "overrides": _overrides(configuration, snapshot.night),
        "reviews": [{"at": e.at, "who": e.who, **e.what} for e in journal.entries(home, ("review",))],
        "signatures": [vars(each) for each in standing.signatures],
        "rejection": vars(standing.rejection) if standing.rejection else None,
        "journal": _journal_head(home),
        "agreements": _agreements(configuration, snapshot.night),
        "outputs": outputs,
        "objections": {each["purpose"]: each.get("left_out", {}) for each in outputs},
        "forgotten": {"people": forgotten.load(home).people},
        "sign_offs": dict(configuration.deployment.sign_offs),
        "waiting": {
            purpose: sign_off.waits_for(configuration, home, snapshot.snapshot_id, purpose)
            for purpose in configuration.deployment.sign_offs
        },
    }


def _journal_head(home: Home) -> dict[str, Any]:
    from registry_pipeline.govern import journal

    head = journal.head(home)
    return {"entries": head.entries, "head": head.sha256}


def _overrides(configuration: Configuration, night: date) -> dict[str, Any]:
    from registry_pipeline.link import overrides

    everything = overrides.all_overrides(configuration)
    in_force: dict[str, int] = {}
    for each in everything:
        if overrides.state(each, night) == "in force":
            in_force[each.kind] = in_force.get(each.kind, 0) + 1
    since = night - timedelta(days=DRIFT_NIGHTS)
    return {"in_force": in_force, "made_last_30_nights": sum(each.made_at.date() >= since for each in everything)}


def _agreements(configuration: Configuration, night: date) -> list[dict[str, Any]]:
    from registry_pipeline.govern import agreements

    told: list[dict[str, Any]] = []
    for code, provider in configuration.providers.items():
        agreement = provider.last_agreement(night)
        if agreement is None:
            told.append({"provider": code, "reference": None, "in_force": False})
            continue
        last_day = agreements.last_day_of(provider, agreement)
        told.append(
            {
                "provider": code,
                "reference": agreement.reference,
                "starts": agreement.starts.isoformat() if agreement.starts else None,
                "ends": agreement.ends.isoformat() if agreement.ends else None,
                "purposes": list(agreement.purposes),
                "in_force": agreement.in_force(night),
                "ends_in_days": (last_day - night).days if last_day else None,
                "on_end": agreement.on_end,
            }
        )
    return told


def _output_told(configuration: Configuration, home: Home, snapshot: Snapshot, purpose: Purpose) -> dict[str, Any]:
    from registry_pipeline.govern import sign_off

    manifest = home.output(purpose, snapshot.snapshot_id) / "manifest.json"
    current = home.output_current(purpose)
    return {
        **(read_json(manifest) if manifest.is_file() else {}),
        "purpose": purpose,
        "made": manifest.is_file(),
        "is_current": current.exists() and current.resolve().name == snapshot.snapshot_id,
        "waits_for_signatures": sign_off.waits_for(configuration, home, snapshot.snapshot_id, purpose),
    }


def sign(configuration: Configuration, snapshot_id: str, *, who: str, role: str, comment: str) -> Signed:
    """Sign a snapshot's report; a purpose that has all its signatures sees the snapshot from now on.

    Raises:
        BadInput: there is no such snapshot or it has no report, the person signed it already, or it was rejected.
    """
    from registry_pipeline.govern import journal, sign_off

    sign_off.check_said(who, role, comment)
    home = Home(configuration.home)
    snapshot = find(configuration, snapshot_id)
    with lock(home, f"registry-{snapshot.night}"):
        digests = _what_is_signed(home, snapshot)
        sign_off.check_may_sign(home, snapshot_id, digests, who)
        journal.record(
            home, "sign_off", who=who, why=comment, what={"snapshot": snapshot_id, "role": role}, inputs=digests
        )
        return _show_to_purposes(configuration, home, snapshot)


def _what_is_signed(home: Home, snapshot: Snapshot) -> dict[str, str]:
    files = (
        snapshot.folder / "manifest.json",
        *(home.report(snapshot.snapshot_id) / f for f in (REPORT_PAGE, REPORT_FIGURES)),
    )
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise BadInput(
            f"The snapshot {snapshot.snapshot_id} has no linkage quality report to sign ({missing.name} is missing):"
            f" make it first (registry report --snapshot {snapshot.snapshot_id})."
        )
    return {file.name: file_digest(file) for file in files}


def _show_to_purposes(configuration: Configuration, home: Home, snapshot: Snapshot) -> Signed:
    from registry_pipeline.govern import journal, sign_off

    now_current: list[str] = []
    waiting: dict[str, int] = {}
    consumers_purposes = (PURPOSE_OF[name] for name in configuration.deployment.consumers)
    for purpose in dict.fromkeys((*_read_for(configuration), *consumers_purposes)):
        missing = sign_off.waits_for(configuration, home, snapshot.snapshot_id, purpose)
        if missing:
            waiting[purpose] = missing
            continue
        shown = purpose in _read_for(configuration) and _show(configuration, home, purpose, snapshot)
        tables = consume.show_to_purpose(configuration, purpose, snapshot.snapshot_id)
        if shown or tables:
            now_current.append(purpose)
            what = {"purpose": purpose, "snapshot": snapshot.snapshot_id, "consumers": tables}
            journal.record(home, "release", what=what)
    return Signed(snapshot.snapshot_id, tuple(now_current), waiting)


def _show(configuration: Configuration, home: Home, purpose: Purpose, snapshot: Snapshot) -> bool:
    """Let a purpose's readers see the registry or its output; False where they do already, or see a later night's."""
    from registry_pipeline import registry
    from registry_pipeline.registry import purposes

    if _shows(home, purpose, snapshot):
        return False
    if purpose == DIRECT_CARE:
        return registry.make_current(configuration, snapshot)
    made = (home.output(purpose, snapshot.snapshot_id) / "manifest.json").is_file()
    return made and purposes.release(configuration, purpose, snapshot.snapshot_id)


def _read_for(configuration: Configuration) -> tuple[Purpose, ...]:
    """Purposes that read the registry, or an output of it."""
    return (DIRECT_CARE, *configuration.deployment.outputs)


def _shows(home: Home, purpose: str, snapshot: Snapshot) -> bool:
    current = home.current if purpose == DIRECT_CARE else home.output_current(purpose)
    return current.exists() and current.resolve().name == snapshot.snapshot_id


def seen_by_purpose(configuration: Configuration) -> list[tuple[str, str, str]]:
    """Each purpose, the snapshot that its readers see, and what becomes of the last one published, in words."""
    from registry_pipeline.govern import sign_off

    home = Home(configuration.home)
    published = published_snapshots(home)
    rows: list[tuple[str, str, str]] = []
    for purpose in dict.fromkeys((DIRECT_CARE, *configuration.deployment.outputs)):
        current = home.current if purpose == DIRECT_CARE else home.output_current(purpose)
        seen = current.resolve().name if current.exists() else ""
        state = ""
        if published and published[-1].name != seen:
            last = published[-1].name
            waits = sign_off.waits_for(configuration, home, last, purpose)
            state = f"{last} waits for {waits} signature(s)" if waits else f"{last} is not shown to it"
        rows.append((purpose, seen, state))
    return rows


def reject(configuration: Configuration, snapshot_id: str, *, who: str, role: str, comment: str) -> list[str]:
    """Reject a snapshot: it becomes current for no purpose any more, and no later night carries its ids on.

    Where readers see it already, they go on seeing it until another night is published: the former snapshot may be
    worse, so a person decides.

    Returns:
        What still stands all the same, in sentences.

    Raises:
        BadInput: there is no such snapshot, or it was rejected already.
    """
    from registry_pipeline import registry
    from registry_pipeline.govern import journal, sign_off

    sign_off.check_said(who, role, comment)
    home = Home(configuration.home)
    snapshot = find(configuration, snapshot_id)
    with lock(home, f"registry-{snapshot.night}"):
        sign_off.check_may_reject(home, snapshot_id)
        withdrawn = registry.withdraw(configuration, snapshot)
        journal.record(
            home,
            "reject",
            who=who,
            why=comment,
            what={"snapshot": snapshot_id, "role": role, "withdrawn": withdrawn},
            inputs={"manifest.json": file_digest(snapshot.folder / "manifest.json")},
        )
    still = [
        f"{purpose} goes on seeing {snapshot_id} until another night is published and signed."
        for purpose in (DIRECT_CARE, *configuration.deployment.outputs)
        if _shows(home, purpose, snapshot)
    ]
    if not withdrawn and snapshot_night(snapshot.folder) < snapshot_night(published_snapshots(home)[-1]):
        still.append("Later nights carry its ids on already.")
    return still
