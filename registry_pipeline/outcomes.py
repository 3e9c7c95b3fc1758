"""What happened to each provider's feed on each night: what carry-forward, staleness and history rest on.

What belongs here: the outcome of a feed, keeping and finding it, and which night's data of each provider a registry
night uses. What does not: deciding an outcome (extract and validate do), and showing it (Dagster, CLI, reports).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry_pipeline.config import Configuration, Provider
from registry_pipeline.errors import FaultKind
from registry_pipeline.storage import Home, read_json, write_json
from registry_pipeline.tables import FEEDS

Severity = Literal["critical", "warning", "info"]


class CheckOutcome(BaseModel):
    """One check of one table: counts and names only, never a value.

    Attributes:
        name: the rule, in snake case, unique in its suite.
        scope: a row rule sets rows aside; a feed rule judges the extract as a whole.
        dimension: conformance, completeness or plausibility (Kahn), or timeliness.
        failing: rows that break a row rule; None for a feed rule.
        observed: a feed rule's measured figure, as a short text.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    severity: Severity = "critical"
    scope: Literal["row", "feed"] = "feed"
    dimension: str = "conformance"
    reason: str = ""
    column: str | None = None
    failing: int | None = None
    rows: int | None = None
    observed: str | None = None


class FeedOutcome(BaseModel):
    """What happened to one feed on one night.

    `status` is `extracted` and `validated` between the stages; `accepted` when its rows stand ready in the shape of
    the registry (so a run killed in between leaves nothing half-used); else what went wrong. `earlier` is what stood
    for the night before a further delivery came: where that one cannot be used, it stands again. `rows_left_out`: rows
    that may not be taken at all, by reason (`extract.left_out`); they are among those delivered.
    """

    provider: str
    feed: str
    night: date
    status: Literal["extracted", "validated", "accepted"] | FaultKind
    problem: str | None = None
    delivery: str | None = None
    delivered_sha256: dict[str, str] = Field(default_factory=dict)
    rows_delivered: int = 0
    rows_unreadable: int = 0
    rows_left_out: dict[str, int] = Field(default_factory=dict)
    rows_accepted: int = 0
    rows_quarantined: int = 0
    quarantined_by_rule: dict[str, int] = Field(default_factory=dict)
    standardised: dict[str, int] = Field(default_factory=dict)
    null_reasons: dict[str, int] = Field(default_factory=dict)
    checks: list[CheckOutcome] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict)
    earlier: FeedOutcome | None = None

    @property
    def accepted(self) -> bool:
        """Whether this night's rows may be used."""
        return self.status == "accepted"


def keep(home: Home, outcome: FeedOutcome) -> FeedOutcome:
    """Write an outcome; the last one of a night stands."""
    content: dict[str, Any] = outcome.model_dump(mode="json")
    write_json(home.outcome(outcome.provider, outcome.feed, outcome.night), content)
    return outcome


def find(home: Home, provider: str, feed: str, night: date) -> FeedOutcome | None:
    """The outcome of a feed on a night, or None where nothing has happened yet."""
    path = home.outcome(provider, feed, night)
    return FeedOutcome.model_validate(read_json(path)) if path.is_file() else None


def accepted_before(home: Home, provider: str, feed: str, night: date, *, most: int | None = None) -> list[FeedOutcome]:
    """Accepted outcomes of earlier nights, the latest first."""
    found: list[FeedOutcome] = []
    for earlier in reversed([n for n in home.nights() if n < night]):
        outcome = find(home, provider, feed, earlier)
        if outcome is not None and outcome.accepted:
            found.append(outcome)
            if most is not None and len(found) == most:
                break
    return found


@dataclass(frozen=True)
class Share:
    """What one feed of one provider gives to a registry night.

    Attributes:
        provider: its description.
        feed: the feed.
        nights: nights whose rows count, the latest last: one for full extracts and for `person_record` (a delta is
            already folded into the provider's whole state there), all accepted ones for event feeds in deltas.
        days_old: nights between the registry's night and the extract used.
        is_stale: whether that is past the provider's `stale_after_days`.
    """

    provider: Provider
    feed: str
    nights: tuple[date, ...]
    days_old: int
    is_stale: bool

    @property
    def night(self) -> date:
        """The latest night used."""
        return self.nights[-1]


def may_be_used(configuration: Configuration, provider: Provider, night: date) -> bool:
    """Whether a provider's records may be in the night's registry, which is for direct care first.

    Under an agreement in force that covers direct care; or under an ended one that says they are kept.
    """
    agreement = provider.last_agreement(night)
    if agreement is None:
        return not provider.agreements and not configuration.agreements_required
    return "direct_care" in agreement.purposes and (agreement.in_force(night) or agreement.on_end == "keep")


def shares_of_night(configuration: Configuration, night: date) -> list[Share]:
    """Every provider's feeds as a registry night uses them: tonight's where accepted, else the last accepted before.

    A feed that was never accepted has no share, and neither has a provider whose agreement is not in force and whose
    agreement says that its records are to be removed.
    """
    home = Home(configuration.home)
    shares = []
    for provider in configuration.providers.values():
        if not may_be_used(configuration, provider, night):
            continue
        for feed in provider.feeds:
            share = _share(home, provider, feed, night)
            if share is not None:
                shares.append(share)
    return shares


def _share(home: Home, provider: Provider, feed: str, night: date) -> Share | None:
    cumulative = provider.delivery_of(feed) == "delta" and FEEDS[feed].becomes != "person_record"
    tonight = find(home, provider.provider, feed, night)
    nights = [night] if tonight is not None and tonight.accepted else []
    if cumulative or not nights:
        earlier = accepted_before(home, provider.provider, feed, night, most=None if cumulative else 1)
        nights = [o.night for o in reversed(earlier)] + nights
    if not nights:
        return None
    days_old = (night - nights[-1]).days
    return Share(provider, feed, tuple(nights), days_old, days_old > provider.stale_after_days)
