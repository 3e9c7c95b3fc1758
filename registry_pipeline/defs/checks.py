"""What a feed's outcome says, as asset checks.

What belongs here: the two checks of each feed and the sentences on them, and turning a stage's error into a failure
that says no more than it may. What does not: checking anything (`validate.py` does).

Two checks a feed, not one for each expectation: in Dagster's SQLite each check costs about 25 ms (planned, output,
evaluation), each table about 30. Measured for a provider with four feeds (15 tables) in a run of 20: 25 checks a feed
3.1 s, 4 a feed (one a dimension of data quality) 0.85 s, 1 a feed 0.6 s. So one check stands for a whole suite, and
names the rules that were broken.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from registry_pipeline.errors import RegistryError
from registry_pipeline.night import CheckDescription
from registry_pipeline.outcomes import CheckOutcome, FeedOutcome

TAKEN_IN = ("extracted", "validated", "accepted", "rejected")
"""Statuses of a feed that was delivered and could be read."""
CHECKED = ("validated", "accepted", "rejected")
"""Statuses of a feed that the suite has judged."""


def feed_check_specs(key: dg.AssetKey, feed: str, expected: Sequence[CheckDescription]) -> list[dg.AssetCheckSpec]:
    """The checks of `raw_<feed>`: it came, and it is sound.

    Args:
        key: the asset.
        feed: the feed.
        expected: every rule that the feed is held to.
    """
    names: dict[str, list[str]] = {}
    for rule in expected:
        names.setdefault(rule.severity, []).append(rule.name)
    rules = " ".join(f"{severity.capitalize()}: {', '.join(names[severity])}." for severity in sorted(names))
    return [
        dg.AssetCheckSpec(
            "delivered",
            asset=key,
            description=f"The {feed} extract came, can be read, has the columns agreed, and its agreement is in force.",
        ),
        dg.AssetCheckSpec(
            "expectations",
            asset=key,
            description=f"The suite expectations/raw_{feed}.json: red where a critical feed rule rejects the extract,"
            " amber where a warning is broken. Rows that break a row rule are set aside in"
            f" quarantined_{feed} and do not colour it. {rules}",
        ),
    ]


def feed_check_results(key: dg.AssetKey, outcome: FeedOutcome) -> Iterator[dg.AssetCheckResult]:
    """A feed's outcome as its checks; an extract that did not come was not judged, and says nothing of its rows."""
    came = outcome.status in TAKEN_IN
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name="delivered",
        passed=came,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{outcome.rows_delivered:,} rows delivered" if came else outcome.problem,
        metadata={
            "night": outcome.night.isoformat(),
            "status": outcome.status,
            "rows delivered": outcome.rows_delivered,
            "rows unreadable": outcome.rows_unreadable,
        },
    )
    if outcome.status not in CHECKED:
        return
    broken = [c for c in outcome.checks if not c.passed and c.scope == "feed"]
    rejected = outcome.status == "rejected"
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name="expectations",
        passed=not rejected and not [c for c in broken if c.severity != "info"],
        severity=dg.AssetCheckSeverity.ERROR if rejected else dg.AssetCheckSeverity.WARN,
        description=outcome.problem if rejected else _judgement(outcome, broken),
        metadata={
            "night": outcome.night.isoformat(),
            "rows accepted": outcome.rows_accepted,
            "rows set aside": outcome.rows_quarantined,
            **rules_told(outcome.checks),
        },
    )


def _judgement(outcome: FeedOutcome, broken: Sequence[CheckOutcome]) -> str:
    accepted = f"{outcome.rows_accepted:,} rows accepted, {outcome.rows_quarantined:,} set aside"
    return "; ".join([accepted, *(sentence(c) for c in broken)])


def sentence(check: CheckOutcome) -> str:
    """A check in words: its name, what was observed, and why it matters."""
    observed = f": {check.observed}" if check.observed else ""
    return f"{check.name}{observed}" + (f" ({check.reason.rstrip('.')})" if check.reason else "")


def rules_told(checks: Sequence[CheckOutcome]) -> dict[str, dg.MetadataValue]:
    """How many rules passed, by dimension, and each broken one."""
    told: dict[str, dg.MetadataValue] = {}
    for dimension in sorted({c.dimension for c in checks}):
        these = [c for c in checks if c.dimension == dimension]
        told[dimension] = dg.MetadataValue.text(f"{sum(c.passed for c in these)} of {len(these)} rules passed")
    broken = [c for c in checks if not c.passed]
    if broken:
        told["broken rules"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "rule": c.name,
                        "column": c.column or "",
                        "dimension": c.dimension,
                        "severity": c.severity,
                        "rows": c.failing if c.failing is not None else "",
                        "observed": c.observed or "",
                        "reason": c.reason,
                    }
                )
                for c in broken
            ],
            schema=dg.TableSchema(
                [
                    dg.TableColumn(name, "string")
                    for name in ("rule", "column", "dimension", "severity", "rows", "observed", "reason")
                ]
            ),
        )
    return told


@contextmanager
def told_plainly(stage: str) -> Iterator[None]:
    """Turn an error into a failed step with one sentence.

    An error that nobody foresaw is told by its kind and place only, and its chain is cut: its own text may hold a
    patient's value, and Dagster keeps and shows it.

    Args:
        stage: what was being done.

    Raises:
        dagster.Failure: always in place of the error; nothing is tried again.
    """
    try:
        yield
    except dg.RetryRequested:
        raise
    except RegistryError as problem:
        raise dg.Failure(str(problem), allow_retries=False) from None
    except Exception as problem:  # noqa: BLE001  # every error is told, none is swallowed
        frames = [f for f in traceback.extract_tb(problem.__traceback__) if "registry_pipeline" in f.filename]
        place = f"{Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else "an unknown place"
        sentence = f"The {stage} stage broke unexpectedly ({type(problem).__name__} at {place}); please report this."
        raise dg.Failure(sentence, allow_retries=False) from None
