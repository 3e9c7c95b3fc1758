"""A deployment of two providers, and a night that is played: what each stage would say, without its work.

The real stages are driven through Dagster in test_real_night.py; here the question is what Dagster is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from registry_pipeline import night, outcomes
from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.errors import FeedFault
from registry_pipeline.link import Linked
from registry_pipeline.outcomes import CheckOutcome, FeedOutcome
from registry_pipeline.storage import Home
from registry_pipeline.tables import FEEDS, REGISTRY_TABLES

NIGHT = date(2026, 4, 2)

HOSPITAL = """\
provider: RX1
name: St Elsewhere Hospitals
setting: acute
owners: [data@elsewhere.example, team:informatics]
stale_after_days: 2
feeds:
  patient: {source: {kind: csv, path: "drop/rx1/patients_{night}.csv"}}
  spell: {source: {kind: csv, path: "drop/rx1/spells_{night}.csv"}}
  attendance: {source: {kind: postgres, dsn_env: RX1_DSN, query: "select * from attendance"}}
"""
PRACTICE = """\
provider: GP-1
setting: gp
feeds:
  patient: {source: {kind: parquet, path: "drop/gp1/patients_{night}.parquet"}}
  condition: {source: {kind: csv, path: "drop/gp1/problems_{night}.csv"}, delivery: delta}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration folder of a hospital and a practice."""
    target = tmp_path / "configuration"
    (target / "providers").mkdir(parents=True)
    (target / "registry.yaml").write_text("first_night: 2026-04-01\nnightly_report: false\nconsumers: []\n")
    (target / "providers" / "rx1.yaml").write_text(HOSPITAL)
    (target / "providers" / "gp1.yaml").write_text(PRACTICE)
    return target


@pytest.fixture
def configuration(folder: Path, tmp_path: Path) -> Configuration:
    return load_configuration(folder, home=tmp_path / "home")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@dataclass
class Played:
    """What the stages say tonight, by (provider, feed); a feed that is not named goes well."""

    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    checks: dict[tuple[str, str], list[CheckOutcome]] = field(default_factory=dict)
    raised: dict[str, list[Exception]] = field(default_factory=dict)
    calls: list[tuple[str, str, date]] = field(default_factory=list)
    linked: Linked = field(default_factory=lambda: Linked("model_1", "model_1.1", date(2026, 4, 1), "", {}, records=18))

    def raise_if_asked(self, stage: str) -> None:
        waiting = self.raised.get(stage)
        if waiting:
            raise waiting.pop(0)

    def outcomes_of(self, configuration: Configuration, code: str, on: date) -> list[FeedOutcome]:
        made = []
        for feed in configuration.provider(code).feeds:
            status = self.statuses.get((code, feed), "accepted")
            came = status in ("accepted", "rejected")
            outcome = FeedOutcome(
                provider=code,
                feed=feed,
                night=on,
                status=status,
                problem=None if status == "accepted" else f"{code} {feed}: {status}, so says the test.",
                delivery=f"{code}/{feed}/{on}/v1" if came else None,
                rows_delivered=10 if came else 0,
                rows_accepted=9 if status == "accepted" else 0,
                rows_quarantined=1 if came else 0,
                quarantined_by_rule={"local_id_filled": 1} if came else {},
                standardised={FEEDS[feed].becomes: 9} if status == "accepted" else {},
                checks=self.checks.get((code, feed), []),
            )
            made.append(outcomes.keep(Home(configuration.home), outcome))
        return made


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    play = Played()

    def extract(configuration, code, on, *, raise_retryable=False):
        play.calls.append(("extract", code, on))
        try:
            play.raise_if_asked("extract")
        except FeedFault:
            if raise_retryable:
                raise
        return []

    def validate(configuration, code, on):
        play.calls.append(("validate", code, on))
        play.raise_if_asked("validate")
        return []

    def standardise(configuration, code, on):
        play.calls.append(("standardise", code, on))
        return play.outcomes_of(configuration, code, on)

    def link(configuration, on):
        play.calls.append(("link", "", on))
        play.raise_if_asked("link")
        used = [(code, on, False) for code in configuration.providers if (code, "patient") not in play.statuses]
        rows = {"linked_pair": 4, "person_cluster": 18}
        checks = [*play.linked.checks(), CheckOutcome(name="newest_model_is_in_use", passed=True)]
        return night.LinkedNight("model_1", rows, used, play.linked, checks)

    def build(configuration, on, *, run_id=None):
        play.calls.append(("build", "", on))
        play.raise_if_asked("build")
        check = CheckOutcome(name="patient_id_unique", passed=True)
        return night.BuiltNight(f"snapshot-{on}", dict.fromkeys(REGISTRY_TABLES, 14), [check], {"created": 14})

    def publish(configuration, on, snapshot_id):
        play.calls.append(("publish", snapshot_id, on))
        return True

    monkeypatch.setattr(night, "extract_provider", extract)
    monkeypatch.setattr(night, "validate_provider", validate)
    monkeypatch.setattr(night, "standardise_provider", standardise)
    monkeypatch.setattr(night, "link_records", link)
    monkeypatch.setattr(night, "build_registry", build)
    monkeypatch.setattr(night, "publish_registry", publish)
    return play
