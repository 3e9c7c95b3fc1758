"""The order of a night's work, written once: Dagster's assets and the `registry` command both call it.

What belongs here: which stage follows which, the rule that a provider's failure is data, and which earlier nights a
stage may look at. What does not: how a stage does its work, and how the night is shown.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import ByteSize, TypeAdapter

from registry_pipeline import consume, outcomes, release
from registry_pipeline.config import Configuration, ConsumerName, Provider
from registry_pipeline.consume import ConsumerOutcome
from registry_pipeline.errors import BadInput, FeedFault, RegistryError, RunFailed, kind_and_place
from registry_pipeline.outcomes import CheckOutcome, FeedOutcome
from registry_pipeline.release import MadeReport, PurposeOutcome, Report, silent
from registry_pipeline.storage import Home, clear_unfinished, file_digest, lock, read_json

if TYPE_CHECKING:
    from registry_pipeline.link import Linked, Trained
    from registry_pipeline.registry import Snapshot

HISTORY_NIGHTS = 7
"""Accepted nights that tonight's row count is compared with: a week, so that every weekday is among them."""

TAKEN_IN_SIDE_BY_SIDE = 2
"""Providers taken in at once: one is read or waited for (one core, or none) while another is checked and shaped."""

DELIVERED = "delivered"
"""The check that stands for a feed as a whole: it fails with the sentence of the feed's fault."""

FIRST_MADE_UP_NIGHT = date(2026, 4, 1)
"""The first night that a made-up care system delivers."""


@dataclass(frozen=True)
class LinkedNight:
    """What linking a night gave: counts only.

    Attributes:
        model_version: the model that scored.
        rows: rows by table.
        providers: provider, the night of its extract, and whether that is past its staleness limit.
        linked: all that linking counted.
        checks: what a data engineer should see of it.
    """

    model_version: str
    rows: dict[str, int]
    providers: list[tuple[str, date, bool]]
    linked: Linked | None = None
    checks: list[CheckOutcome] = field(default_factory=list)


@dataclass(frozen=True)
class BuiltNight:
    """A snapshot that is built and audited, and not yet published."""

    snapshot_id: str
    rows: dict[str, int]
    checks: list[CheckOutcome]
    identity_events: dict[str, int]


@dataclass
class NightSummary:
    """A whole night: each feed's outcome, what was published, and the time it took.

    `risk_model` is the version that was fitted on the way, where that was asked for; `no_risk_model` says why there is
    none. `seconds` adds up what each stage took over all providers; two of them run side by side, so that the night by
    the clock (`wall_seconds`) is shorter than the sum.
    """

    night: date
    feeds: list[FeedOutcome] = field(default_factory=list)
    linked: LinkedNight | None = None
    built: BuiltNight | None = None
    is_current: bool = False
    risk_model: str | None = None
    no_risk_model: str | None = None
    consumers: list[ConsumerOutcome] = field(default_factory=list)
    outputs: list[PurposeOutcome] = field(default_factory=list)
    report: MadeReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    wall_seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything counted, for a file."""
        return {
            "night": self.night.isoformat(),
            "snapshot_id": self.built.snapshot_id if self.built else None,
            "is_current": self.is_current,
            "model_version": self.linked.model_version if self.linked else None,
            "linked": asdict(self.linked.linked) if self.linked and self.linked.linked else {},
            "link_checks": [check.model_dump(mode="json") for check in self.linked.checks] if self.linked else [],
            "identity_events": self.built.identity_events if self.built else {},
            "rows": self.built.rows if self.built else {},
            "consumers": [each.as_json() for each in self.consumers],
            "outputs": [asdict(output) for output in self.outputs],
            "report": str(self.report.page) if self.report else None,
            "lights": [list(light) for light in self.report.lights] if self.report else [],
            "rows_delivered": sum(feed.rows_delivered for feed in self.feeds),
            "seconds": self.seconds,
            "wall_seconds": self.wall_seconds,
            "feeds": [feed.model_dump(mode="json") for feed in self.feeds],
        }


_NO_PATIENTS = (
    "No provider has an accepted patient extract for the night {on} or before it: see the providers' own messages"
    " (registry status), mend one and run the night again."
)


def refuse_impossible_night(configuration: Configuration, on: date) -> None:
    """A night that has not come cannot be run.

    Raises:
        BadInput: the night lies in the future, by the deployment's own clock.
    """
    today = datetime.now(ZoneInfo(configuration.deployment.timezone)).date()
    if on > today:
        raise BadInput(f"The night {on} lies in the future (today is {today}): give a night that has come.")


def extract_provider(
    configuration: Configuration, code: str, on: date, *, raise_retryable: bool = False
) -> list[FeedOutcome]:
    """Take in every feed of one provider. A fault is an outcome, not an exception.

    Args:
        configuration: the deployment.
        code: the provider.
        on: the night.
        raise_retryable: raise a fault that may pass (a source that does not answer), for a caller who tries again.

    Raises:
        FeedFault: only with `raise_retryable`.
        BadInput: the provider or the night does not exist.
        RunFailed: the disk is full, or another run is at this provider and night.
    """
    from registry_pipeline import extract

    def work(provider: Provider, feed: str, _before: FeedOutcome | None) -> FeedOutcome:
        try:
            taken = extract.extract_feed(configuration, provider, feed, on)
        except FeedFault as fault:
            if fault.retryable and raise_retryable:
                raise
            return FeedOutcome(provider=code, feed=feed, night=on, status=fault.kind, problem=str(fault))
        return FeedOutcome(
            provider=code,
            feed=feed,
            night=on,
            status="extracted",
            delivery=taken.delivery,
            delivered_sha256=taken.sha256,
            rows_delivered=taken.rows + taken.unreadable + sum(taken.left_out.values()),
            rows_unreadable=taken.unreadable,
            rows_left_out=taken.left_out,
            checks=taken.checks,
        )

    return _each_feed(configuration, code, on, "extract", work)


def validate_provider(configuration: Configuration, code: str, on: date) -> list[FeedOutcome]:
    """Check every feed that was taken in, and part its rows into accepted and quarantined."""
    from registry_pipeline import validate

    home = Home(configuration.home)

    def work(provider: Provider, feed: str, before: FeedOutcome | None) -> FeedOutcome | None:
        if before is None or before.status != "extracted":
            return before
        earlier = outcomes.accepted_before(home, code, feed, on, most=HISTORY_NIGHTS)
        judged = validate.validate_feed(
            configuration, provider, feed, on, earlier_rows=[o.rows_accepted for o in earlier]
        )
        return before.model_copy(
            update={
                "status": "rejected" if judged.rejected else "validated",
                "problem": judged.rejected,
                "rows_accepted": judged.accepted,
                "rows_quarantined": judged.quarantined,
                "quarantined_by_rule": judged.by_rule,
                "checks": [*before.checks, *judged.checks],
            }
        )

    return _each_feed(configuration, code, on, "validate", work)


def standardise_provider(configuration: Configuration, code: str, on: date) -> list[FeedOutcome]:
    """Put every accepted feed into the registry's shape; from here on it counts."""
    from registry_pipeline import standardise

    home = Home(configuration.home)

    def work(provider: Provider, feed: str, before: FeedOutcome | None) -> FeedOutcome | None:
        if before is None or before.status != "validated":
            return before
        earlier = outcomes.accepted_before(home, code, feed, on, most=1)
        made = standardise.standardise_feed(
            configuration, provider, feed, on, previous=earlier[0].night if earlier else None
        )
        counts = {made.table: made.rows, **{f"left out: {k}": v for k, v in made.left_out.items()}}
        return before.model_copy(
            update={"status": "accepted", "standardised": counts, "null_reasons": made.null_reasons}
        )

    done = _each_feed(configuration, code, on, "standardise", work)
    _write_down_taking(home, code, on, done)
    return done


def _write_down_taking(home: Home, code: str, on: date, feeds: list[FeedOutcome]) -> None:
    from registry_pipeline.govern import journal

    journal.record(
        home,
        "take_in",
        what={
            "provider": code,
            "night": on.isoformat(),
            "feeds": {feed.feed: feed.status for feed in feeds},
            "rows_accepted": sum(feed.rows_accepted for feed in feeds if feed.accepted),
            "rows_quarantined": sum(feed.rows_quarantined for feed in feeds),
        },
        inputs={f"{feed.feed}/{name}": sha256 for feed in feeds for name, sha256 in feed.delivered_sha256.items()},
    )


def link_records(configuration: Configuration, on: date, *, full: bool = False, verify: bool = False) -> LinkedNight:
    """Decide which person records, of every provider's share of the night, are one person.

    Args:
        configuration: the deployment.
        on: the night.
        full: link every record and count term frequencies anew, instead of going on from the last published night.
        verify: link every record beside what was linked by changes, and compare.

    Raises:
        RunFailed: no provider has ever delivered patients that were accepted, or the night before is damaged, or
            `verify` found a difference.
    """
    from registry_pipeline import link, registry
    from registry_pipeline.link import admission

    home = Home(configuration.home)
    with lock(home, f"registry-{on}"), _failure_is_written_down(home, on, "link"):
        shares = outcomes.shares_of_night(configuration, on)
        patients = [s for s in shares if s.feed == "patient"]
        if not patients:
            raise RunFailed(_NO_PATIENTS.format(on=on))
        prior = registry.prior_snapshot(home, on)
        linked = link.link_night(configuration, on, shares, prior=prior, full=full, verify=verify)
        return LinkedNight(
            model_version=linked.model_version,
            rows=dict(linked.rows),
            providers=[(s.provider.provider, s.night, s.is_stale) for s in patients],
            linked=linked,
            checks=[*linked.checks(), admission.newer_model_check(configuration)],
        )


def build_registry(configuration: Configuration, on: date, *, run_id: str | None = None) -> BuiltNight:
    """Give every cluster its patient_id and write the night's snapshot beside the current one, audited.

    Raises:
        RunFailed: the night is not linked yet, or the audit found that the snapshot must not be published.
    """
    from registry_pipeline import registry, validate
    from registry_pipeline.link import alternatives, identity

    home = Home(configuration.home)
    with lock(home, f"registry-{on}"), _failure_is_written_down(home, on, "registry"):
        if not _linked_note(home, on).is_file():
            raise RunFailed(f"The night {on} is not linked yet: materialise linked_pair and person_cluster first.")
        run = run_id or uuid.uuid4().hex
        shares = outcomes.shares_of_night(configuration, on)
        prior = registry.prior_snapshot(home, on)
        events = identity.assign_identities(configuration, on, shares, prior=prior, run_id=run)
        if "audit_measure" in configuration.deployment.consumers:
            alternatives.write_alternatives(configuration, on)
        about = {"model_version": read_json(_linked_note(home, on))["model_version"], "identity_events": events}
        snapshot = registry.build_snapshot(
            configuration,
            on,
            shares,
            run_id=run,
            about=about,
            audit_table=partial(validate.validate_table, configuration),
        )
        _write_down_build(home, snapshot, run, about["model_version"])
        return BuiltNight(snapshot.snapshot_id, dict(snapshot.rows), list(snapshot.checks), events)


def _write_down_build(home: Home, snapshot: Snapshot, run_id: str, model_version: str) -> None:
    """The manifest names every delivery and table with its digest, so that its own digest stands for all of them."""
    from registry_pipeline.govern import journal

    journal.record(
        home,
        "build",
        what={
            "snapshot": snapshot.snapshot_id,
            "run_id": run_id,
            "model_version": model_version,
            "rows": dict(snapshot.rows),
        },
        inputs={t: file_digest(home.linked(t, snapshot.night)) for t in ("linked_pair", "person_cluster")},
        outputs={"manifest.json": file_digest(snapshot.folder / "manifest.json")},
    )


def publish_registry(configuration: Configuration, on: date, snapshot_id: str) -> bool:
    """Publish a snapshot; readers see it unless signatures are asked for, or a later night already is current.

    Raises:
        RunFailed: a required provider is not in.
    """
    home = Home(configuration.home)
    with lock(home, f"registry-{on}"), _failure_is_written_down(home, on, "publish"):
        return release.publish(configuration, snapshot_id)


def make_outputs(
    configuration: Configuration, on: date, snapshot_id: str, *, report: Report = silent
) -> list[PurposeOutcome]:
    """The pseudonymised output of every purpose that the deployment names; one that fails stops no other."""
    with lock(Home(configuration.home), f"registry-{on}"):
        return release.make_outputs(configuration, snapshot_id, report=report)


def make_consumers(
    configuration: Configuration,
    on: date,
    snapshot_id: str,
    *,
    only: Collection[ConsumerName] | None = None,
    report: Report = silent,
) -> list[ConsumerOutcome]:
    """What consumers make of a night's snapshot: risk, gaps, care teams, conferences, audit; see `consume`."""
    with lock(Home(configuration.home), f"registry-{on}"):
        return consume.make_consumers(configuration, snapshot_id, only=only, report=report)


def report_night(
    configuration: Configuration, on: date, snapshot_id: str, *, replace_signed: bool = False
) -> MadeReport:
    """The linkage quality report of a night's snapshot.

    Raises:
        BadInput: it is signed already, and `replace_signed` does not say that it may be made anew.
        RunFailed: the linkage of the night is gone, or the disk is full.
    """
    home = Home(configuration.home)
    with lock(home, f"registry-{on}"), _failure_is_written_down(home, on, "report"):
        return release.make_report(configuration, snapshot_id, replace_signed=replace_signed)


def take_in(configuration: Configuration, on: date, summary: NightSummary, report: Report) -> None:
    """Every provider's part of the night: extract, validate, standardise; two providers side by side."""
    halved = _with_part_of_the_memory(configuration, TAKEN_IN_SIDE_BY_SIDE)

    def one(code: str) -> tuple[list[FeedOutcome], dict[str, float]]:
        seconds: dict[str, float] = {}
        done: list[FeedOutcome] = []
        for stage, work in (
            ("extract", extract_provider),
            ("validate", validate_provider),
            ("standardise", standardise_provider),
        ):
            report(stage, code)
            with _timed(seconds, stage):
                done = work(halved, code, on)
        return done, seconds

    with ThreadPoolExecutor(TAKEN_IN_SIDE_BY_SIDE, thread_name_prefix="provider") as pool:
        try:
            for done, seconds in pool.map(one, configuration.providers):
                summary.feeds.extend(done)
                for stage, spent in seconds.items():
                    summary.seconds[stage] = summary.seconds.get(stage, 0.0) + spent
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _with_part_of_the_memory(configuration: Configuration, parts: int) -> Configuration:
    """The same deployment, each of whose connections holds its part of the memory."""
    limit = TypeAdapter(ByteSize).validate_python(configuration.deployment.memory_limit)
    deployment = configuration.deployment.model_copy(update={"memory_limit": f"{limit // parts // 1_000_000}MB"})
    return configuration.model_copy(update={"deployment": deployment})


def run_night(
    configuration: Configuration,
    on: date,
    *,
    report: Report = silent,
    data_docs: bool = False,
    full: bool = False,
    verify: bool = False,
    fit_risk: bool = False,
) -> NightSummary:
    """A whole night: every provider, then the registry.

    Args:
        configuration: the deployment.
        on: the night.
        report: told which stage is at what.
        data_docs: also build Great Expectations' Data Docs of the night.
        full: link every record and count term frequencies anew.
        verify: link every record beside what was linked by changes, and compare, before anything is published.
        fit_risk: also fit a local risk model before risk is scored; a history that is too short for one stops nothing.
            No usual night does: a model is fitted, looked at and then used (`registry risk fit`).

    Raises:
        BadInput: the night has not come, or the configuration names what does not exist.
        RunFailed: the night could not be published; the registry before it still stands.
    """
    from registry_pipeline.synthetic import replica

    refuse_impossible_night(configuration, on)
    check_configuration(configuration)
    home = Home(configuration.home)
    summary = NightSummary(on)
    began = time.perf_counter()
    with lock(home, f"night-{on}"), replica.serving(configuration):
        clear_unfinished(home)
        take_in(configuration, on, summary, report)
        report("link", "person records")
        with _timed(summary.seconds, "link"):
            summary.linked = link_records(configuration, on, full=full, verify=verify)
        report("registry", "snapshot")
        with _timed(summary.seconds, "registry"):
            summary.built = build_registry(configuration, on)
        report("publish", summary.built.snapshot_id)
        with _timed(summary.seconds, "publish"):
            summary.is_current = publish_registry(configuration, on, summary.built.snapshot_id)
        if fit_risk:
            report("risk", "local model")
            with _timed(summary.seconds, "risk model"):
                _fit_risk(configuration, summary)
        if configuration.deployment.consumers:
            with _timed(summary.seconds, "consumers"):
                summary.consumers = make_consumers(configuration, on, summary.built.snapshot_id, report=report)
        if configuration.deployment.outputs:
            with _timed(summary.seconds, "outputs"):
                summary.outputs = make_outputs(configuration, on, summary.built.snapshot_id, report=report)
        if configuration.deployment.nightly_report:
            report("report", summary.built.snapshot_id)
            with _timed(summary.seconds, "report"):
                summary.report = report_night(configuration, on, summary.built.snapshot_id)
        if data_docs:
            from registry_pipeline import validate

            report("data docs", "of the night's suites")
            with _timed(summary.seconds, "data docs"):
                validate.build_data_docs(configuration, on)
    summary.wall_seconds = time.perf_counter() - began
    return summary


def _fit_risk(configuration: Configuration, summary: NightSummary) -> None:
    assert summary.built is not None  # noqa: S101  # it is built by now
    try:
        summary.risk_model = consume.fit_risk_model(configuration, summary.built.snapshot_id).version
    except RunFailed as problem:
        summary.no_risk_model = str(problem)


def steps_of_night(configuration: Configuration, *, data_docs: bool = False) -> int:
    """How often `run_night` reports: three stages a provider, then link, registry, publish and what else is asked."""
    deployment = configuration.deployment
    after = len(deployment.consumers) + len(deployment.outputs) + int(deployment.nightly_report) + int(data_docs)
    return 3 * len(configuration.providers) + 3 + after


def train_model(configuration: Configuration, on: date, *, report: Report = silent) -> Trained:
    """Train the next version of the linkage model on a night's person records; take them in first if need be.

    Raises:
        BadInput: the night has not come.
        RunFailed: no provider has an accepted patient extract.
    """
    from registry_pipeline import link
    from registry_pipeline.synthetic import replica

    refuse_impossible_night(configuration, on)
    with lock(Home(configuration.home), f"night-{on}"), replica.serving(configuration):
        if providers_waiting(configuration, on):
            take_in(configuration, on, NightSummary(on), report)
    report("train", "linkage model")
    shares = outcomes.shares_of_night(configuration, on)
    if not any(s.feed == "patient" for s in shares):
        raise RunFailed(_NO_PATIENTS.format(on=on))
    return link.train(configuration, on, shares)


def check_configuration(configuration: Configuration) -> None:
    """What only the stages can say of a configuration: columns, parameters of expectations.

    Raises:
        BadInput: the first thing that is wrong, with the nearest valid name.
    """
    from registry_pipeline import extract, validate

    for provider in configuration.providers.values():
        for feed in provider.feeds:
            extract.check_columns(provider, feed)
        validate.check_parameters(provider)


def nights_from(first: date, count: int) -> list[date]:
    """So many nights in a row."""
    return [first + timedelta(days=n) for n in range(count)]


def providers_waiting(configuration: Configuration, on: date) -> list[str]:
    """Providers of whom something is still to come tonight: not delivered, not answered, or not yet through."""
    home = Home(configuration.home)
    settled = ("accepted", "rejected", "columns", "unreadable", "agreement", "failed")

    def waits(provider: Provider) -> bool:
        found = [outcomes.find(home, provider.provider, feed, on) for feed in provider.feeds]
        return any(o is None or o.status not in settled for o in found)

    return [code for code, provider in configuration.providers.items() if waits(provider)]


def delivered(configuration: Configuration, on: date, code: str) -> bool:
    """Whether something that has not been taken yet lies at a provider's source: a late extract, or a corrected one."""
    from registry_pipeline import extract

    home, provider = Home(configuration.home), configuration.provider(code)
    return any(
        extract.has_new_delivery(configuration, provider, feed, on, outcomes.find(home, code, feed, on))
        for feed in provider.feeds
    )


@dataclass(frozen=True)
class CheckDescription:
    """One check that a provider's table will get every night: what the UI can show before the first one."""

    table: str
    name: str
    severity: outcomes.Severity
    description: str


def expected_checks(configuration: Configuration, code: str) -> list[CheckDescription]:
    """Every check of a provider's feeds, read from the suites without loading Great Expectations."""
    from registry_pipeline import extract, validate

    expected = []
    for feed in configuration.provider(code).feeds:
        table = f"raw_{feed}"
        expected.append(
            CheckDescription(table, DELIVERED, "critical", "Tonight's extract is there, readable, as agreed.")
        )
        checks = [*extract.CHECKS, *validate.suite_checks(table)]
        expected += [CheckDescription(table, c.name, c.severity, c.reason) for c in checks]
    return expected


def _linked_note(home: Home, on: date) -> Path:
    return home.linked("linked", on).with_suffix(".json")


def _each_feed(
    configuration: Configuration,
    code: str,
    on: date,
    stage: str,
    work: Callable[[Provider, str, FeedOutcome | None], FeedOutcome | None],
) -> list[FeedOutcome]:
    """Do one stage for every feed of a provider, and keep each outcome; one feed's failure stops no other."""
    refuse_impossible_night(configuration, on)
    provider, home = configuration.provider(code), Home(configuration.home)
    done = []
    with lock(home, f"{code}-{on}"):
        # Patients first: what they say of a person (forgotten, withheld) holds for the person's events too.
        for feed in sorted(provider.feeds, key=lambda name: name != "patient"):
            before = outcomes.find(home, code, feed, on)
            began = time.perf_counter()
            try:
                after = work(provider, feed, before)
            except RegistryError:
                raise
            except Exception as problem:  # noqa: BLE001  # house rule 3: a provider's failure is data, also one that nobody foresaw
                after = FeedOutcome(
                    provider=code, feed=feed, night=on, status="failed", problem=_unforeseen(code, feed, stage, problem)
                )
            if after is None:
                continue
            if after is not before:
                seconds = {**(before.seconds if before and stage != "extract" else {}), **after.seconds}
                after = after.model_copy(update={"seconds": {**seconds, stage: time.perf_counter() - began}})
                after = outcomes.keep(home, _beside_earlier(after, before))
            done.append(after)
    return done


def _beside_earlier(after: FeedOutcome, before: FeedOutcome | None) -> FeedOutcome:
    """A further delivery of a night takes the place of an accepted one only when it is accepted itself."""
    earlier = before if before is None or before.accepted else before.earlier
    if earlier is None or after.accepted:
        return after.model_copy(update={"earlier": None})
    if after.status in ("extracted", "validated"):
        return after.model_copy(update={"earlier": earlier})
    refused = CheckOutcome(
        name="further_delivery",
        passed=False,
        severity="warning",
        dimension="timeliness",
        reason="A further delivery of the night could not be used; the one accepted before it stands.",
        observed=after.status,
    )
    checks = [check for check in earlier.checks if check.name != refused.name]
    return earlier.model_copy(update={"problem": after.problem, "checks": [*checks, refused]})


def _unforeseen(code: str, feed: str, stage: str, problem: Exception) -> str:
    """One sentence on an unforeseen failure: kind and place only, because its own text may hold a patient's value."""
    return (
        f"{code} {feed}: the {stage} stage broke unexpectedly ({kind_and_place(problem)}); its last accepted extract is"
        " used; please report this to the maintainers."
    )


@contextmanager
def _failure_is_written_down(home: Home, on: date, stage: str) -> Iterator[None]:
    """A stage that fails leaves an entry in the journal; of an unforeseen error its kind only."""
    from registry_pipeline.govern import journal

    try:
        yield
    except Exception as problem:
        said = str(problem) if isinstance(problem, RegistryError) else type(problem).__name__
        journal.record(home, "failed", what={"stage": stage, "night": on.isoformat(), "said": said})
        raise


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - began
