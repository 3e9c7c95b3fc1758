"""What a provider's data sharing agreements say of a night: whether anything may be read, and what is to be seen to.

What belongs here: the refusal of a provider whose agreement is not in force, and the checks about agreements that every
feed gets. What does not: an agreement's shape and dates that contradict (`config`), whose records a registry night uses
(`outcomes.may_be_used`), and the provider's side of each purpose (`registry.purposes`).
"""

from __future__ import annotations

from datetime import date, timedelta

from registry_pipeline import outcomes
from registry_pipeline.config import Agreement, Configuration, Provider
from registry_pipeline.outcomes import CheckOutcome

ENDING_SOON_DAYS = 30
"""Days before its end from which an agreement is a warning every night: about what it takes to have one renewed."""

UNDER_AGREEMENT = CheckOutcome(
    name="is_under_agreement",
    passed=True,
    severity="warning",
    reason="No provider of this deployment has a data sharing agreement: that is for trials on made-up data only.",
)
NOT_ENDING = CheckOutcome(
    name="agreement_is_not_ending",
    passed=True,
    severity="warning",
    dimension="timeliness",
    reason=f"An agreement that ends within {ENDING_SOON_DAYS} days without a successor stops the provider then.",
)
COVERS_DIRECT_CARE = CheckOutcome(
    name="agreement_covers_direct_care",
    passed=True,
    severity="warning",
    reason="The registry is for direct care: a provider whose agreement does not cover it gives nothing to it.",
)
CHECKS = (UNDER_AGREEMENT, NOT_ENDING, COVERS_DIRECT_CARE)
"""What is checked of agreements for every feed, as it is found when nothing is wrong."""


def checks(provider: Provider, night: date) -> list[CheckOutcome]:
    """The checks about agreements of a provider whose feed may be read on a night."""
    agreement = provider.agreement_on(night)
    if agreement is None:
        return [UNDER_AGREEMENT.model_copy(update={"passed": False, "observed": "no agreement"})]
    last_day = last_day_of(provider, agreement)
    days = None if last_day is None else (last_day - night).days
    covered = ", ".join(agreement.purposes) or "nothing"
    return [
        UNDER_AGREEMENT.model_copy(update={"observed": agreement.reference}),
        NOT_ENDING.model_copy(
            update={
                "passed": days is None or days > ENDING_SOON_DAYS,
                "observed": f"{agreement.reference} has no end" if last_day is None else f"in force until {last_day}",
            }
        ),
        COVERS_DIRECT_CARE.model_copy(
            update={"passed": "direct_care" in agreement.purposes, "observed": f"covers {covered}"}
        ),
    ]


def refusal(configuration: Configuration, provider: Provider, night: date) -> str | None:
    """Why nothing may be read from a provider on a night, and what to do: the rest of a sentence; None where it may."""
    needed = bool(provider.agreements) or configuration.agreements_required
    if not needed or provider.agreement_on(night) is not None:
        return None
    if not provider.agreements:
        return (
            "there is no data sharing agreement, so nothing was read: describe it under `agreement:` in the file of"
            f" {provider.provider} under {configuration.directory / 'providers'}"
        )
    last = provider.last_agreement(night)
    following = next((one for one in provider.agreements if one.starts is not None and one.starts > night), None)
    named = last or following or provider.agreements[0]
    words = []
    if last is not None:
        stay = outcomes.may_be_used(configuration, provider, night)
        becomes = "stay in the registry as last delivered" if stay else "leave the registry"
        words.append(f"it ended on {last.ends} and its records {becomes}")
    if following is not None:
        words.append(f"{'the next one, ' + following.reference + ',' if last else 'it'} starts on {following.starts}")
    return (
        f"the data sharing agreement {named.reference} is not in force on {night}, so nothing was read"
        f" ({'; '.join(words)}): renew it, or correct its `starts` and `ends`"
    )


def last_day_of(provider: Provider, agreement: Agreement) -> date | None:
    """The last day on which records may be taken without a gap, counting successors; None where there is no end."""
    ends = agreement.ends
    for other in provider.agreements:  # in order of their starts
        if ends is not None and other.starts == ends + timedelta(days=1):
            ends = other.ends
    return ends


def state(configuration: Configuration, provider: Provider, night: date) -> str:
    """How a provider stands on a night, in words."""
    why_not = refusal(configuration, provider, night)
    if why_not is not None:
        return why_not.partition(":")[0]
    broken = [f"{check.observed}: {check.reason}" for check in checks(provider, night) if not check.passed]
    return " ".join(broken) or "in force"
