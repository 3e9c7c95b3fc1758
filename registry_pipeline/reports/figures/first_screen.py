"""The first screen: five figures with a traffic light each, and what changed since the last night.

What belongs here: which figures matter most, when each turns amber or red and why, and sentences on changes. What does
not: the figures themselves, which the sections count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from registry_pipeline import outcomes
from registry_pipeline.govern.agreements import ENDING_SOON_DAYS
from registry_pipeline.govern.disclosure import shown_count
from registry_pipeline.pages.content import Cell, Colour, Light
from registry_pipeline.reports.figures import accuracy, groups, inputs
from registry_pipeline.reports.figures.accuracy import part
from registry_pipeline.reports.figures.churn import EVENTS
from registry_pipeline.reports.figures.material import Material
from registry_pipeline.reports.figures.words import counted, interval, listed, percent, plural, spaced

PEOPLE_GREEN, PEOPLE_RED = 0.01, 0.05
"""Change of the number of people since the last night. About 1% of records change in a night, so people should move
by less; at a fall of 5% the registry's own audit refuses the snapshot."""

PEOPLE_JUDGED_FROM = 50
"""People more or fewer below which their share is not judged: a small registry may gain one of three."""

FALSE = "Joined pairs that are two people, taking a shared NHS number to be right"
MISSED = "Pairs of one person that are not found, of people matched as if they had no NHS number"

NEWLY_ENDED_DAYS = 1
"""Nights since an agreement's end at which it is told as news."""


def lights(material: Material) -> list[Light]:
    """The five lights, in the order of what must be right first."""
    false, missed = accuracy.all_false(material.linkage), part(material.linkage, "estimates").get("missed")
    return [
        _people(material),
        _extracts(material),
        _error("Estimated false links", false, FALSE, accuracy.FALSE_GREEN, accuracy.FALSE_RED),
        _error("Estimated missed links", missed, MISSED, accuracy.MISSED_GREEN, accuracy.MISSED_RED),
        _gap(material),
    ]  # fmt: skip


def _people(material: Material) -> Light:
    now = int(material.people["people"])
    before = part(material.prior or {}, "rows").get("patient")
    value = counted(shown_count(now))
    if before is None:
        return Light(
            "People in the registry",
            "grey",
            value,
            "The first night: there is nothing to compare with.",
            "linkage_rate",
        )
    change = (now - before) / before if before else 0.0
    colour: Colour = "green"
    if abs(now - before) >= PEOPLE_JUDGED_FROM:
        colour = "red" if abs(change) > PEOPLE_RED else "amber" if abs(change) > PEOPLE_GREEN else "green"
    shown = shown_count(abs(now - before))
    more = "more than" if now > before else "fewer than"
    meaning = f"{_capital(counted(shown))} {more} the last night." if now != before else "As many as the last night."
    return Light("People in the registry", colour, value, meaning, "linkage_rate")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _extracts(material: Material) -> Light:
    states = [s for s in inputs.delivery_states(material) if s["colour"] != "grey"]
    tonight = sum(not s["forward"] and s["night"] is not None for s in states)
    stale = sorted({s["provider"] for s in states if s["colour"] == "red"})
    late = sorted({s["provider"] for s in states if s["forward"]} - set(stale))
    colour: Colour = "red" if stale else "amber" if late else "green"
    told = []
    if stale:
        told.append(f"Too old or missing: {listed(stale)}.")
    if late:
        told.append(f"Carried forward: {listed(late)}.")
    return Light(
        "Extracts in tonight",
        colour,
        f"{tonight} of {len(states)}",
        " ".join(told) or "Every extract is tonight's.",
        "inputs",
    )


def _error(name: str, measured: accuracy.Measured | None, meaning: str, green: float, red: float) -> Light:
    if not measured:
        return Light(name, "grey", "not known", "Not estimated for this night.", "estimates")
    said = f"{meaning}: {interval(measured)}. Green up to {percent(green)}, red from {percent(red)}."
    return Light(name, accuracy.judged(measured, green, red), percent(measured["value"], 2), said, "estimates")


def _gap(material: Material) -> Light:
    name, worst = "Largest gap between groups", groups.worst_gap(material)
    if worst is None:
        return Light(name, "grey", "not known", "Missed links were not estimated by group for this night.", "groups")
    points = f"{worst.gap * 100:+.1f} points"
    if worst.colour == "green":
        said = (
            f"Chance explains every gap in missed links between known groups; the largest is {points} ({worst.whose})."
        )
        return Light(name, "green", "within chance", said, "groups")
    said = (
        f"More links are missed than of everybody, by more than chance explains ({worst.whose}). Red above"
        f" {groups.GAP_RED * 100:.0f} points."
    )
    return Light(name, worst.colour, points, said, "groups")


# What changed --------------------------------------------------------------------------------------------------------


def changes(material: Material) -> list[str]:
    """What changed since the last night, in sentences."""
    prior = material.prior
    if prior is None:
        return ["This is the first night of the registry: everybody is new, and there is nothing to compare with."]
    return [
        *_people_changed(material, prior),
        *_ids_changed(material),
        *_providers_changed(material, prior),
        *_agreements_changed(material),
        *_versions_changed(material, prior),
        *_checks_turned(material, prior),
    ]


def _people_changed(material: Material, prior: Mapping[str, Any]) -> list[str]:
    now, before = int(material.people["people"]), part(prior, "rows").get("patient")
    records, records_before = (
        part(material.manifest, "rows").get("patient_record"),
        part(prior, "rows").get("patient_record"),
    )
    said = []
    if before is not None:
        change = shown_count(abs(now - before))
        way = "more" if now > before else "fewer"
        said.append(
            f"{counted(shown_count(now))} people: {counted(change) if now != before else 'as many'}"
            f"{f' {way} than' if now != before else ' as'} in {prior.get('snapshot_id', 'the last snapshot')}."
        )
    if records is not None and records_before is not None and records != records_before:
        way = "more" if records > records_before else "fewer"
        said.append(f"{plural(abs(records - records_before), 'person record', 'person records')} {way}.")
    return said


def _ids_changed(material: Material) -> list[str]:
    events = part(part(material.manifest, "about"), "identity_events")
    shown: dict[str, Cell] = {EVENTS.get(kind, kind): shown_count(n) for kind, n in events.items() if n}
    told = [f"{counted(n)} {words}" for words, n in shown.items()]
    return [f"Patient ids: {listed(told)}." if told else "Nothing happened to any patient id."]


def _providers_changed(material: Material, prior: Mapping[str, Any]) -> list[str]:
    now, before = _forward(material.manifest), _forward(prior)
    had, has = _giving(prior), _giving(material.manifest)
    said = []
    for providers, one, several in (
        (sorted(now - before), "is carried forward now", "are carried forward now"),
        (sorted(now & before), "is still carried forward", "are still carried forward"),
        (sorted(before - now & has), "delivers again", "deliver again"),
        (sorted(has - had), "is new in the registry", "are new in the registry"),
        (sorted(had - has), "is no longer in the registry", "are no longer in the registry"),
    ):
        if providers:
            said.append(f"{listed(providers)} {one if len(providers) == 1 else several}.")
    return said


def _forward(manifest: Mapping[str, Any]) -> set[str]:
    return {e["provider"] for e in manifest.get("inputs", ()) if "carried_forward_because" in e}


def _giving(manifest: Mapping[str, Any]) -> set[str]:
    return {e["provider"] for e in manifest.get("inputs", ())}


def _agreements_changed(material: Material) -> list[str]:
    said = []
    for each in material.governance.get("agreements") or ():
        left = each.get("ends_in_days")
        if left is None:
            continue
        if -NEWLY_ENDED_DAYS <= left < 0:
            said.append(f"The agreement {each.get('reference')} of {each['provider']} has ended.")
        elif 0 <= left <= ENDING_SOON_DAYS and each.get("in_force"):
            said.append(
                f"The agreement {each.get('reference')} of {each['provider']} ends in {plural(left, 'day', 'days')}."
            )
    return said


def _versions_changed(material: Material, prior: Mapping[str, Any]) -> list[str]:
    said = []
    now, before = material.manifest.get("model_version"), prior.get("model_version")
    if now != before:
        said.append(f"The linkage model is {now}; it was {before}.")
    if part(material.manifest, "code") != part(prior, "code"):
        said.append("The code is another than that of the last night (see Versions).")
    if material.manifest.get("configuration_sha256") != prior.get("configuration_sha256"):
        said.append("The configuration was changed since the last night.")
    return said


def _checks_turned(material: Material, prior: Mapping[str, Any]) -> list[str]:
    """Checks that fail now and did not before, and the other way round."""
    worse, better = _turned(
        _failing(material.manifest.get("checks", ())), _failing(prior.get("checks", ())), "the registry"
    )
    prior_night = prior.get("night")
    for entry in material.manifest.get("inputs", ()):
        now = material.outcomes.get((entry["provider"], entry["feed"]))
        before = _outcome_used(material, prior, entry["provider"], entry["feed"]) if prior_night else None
        if now is None or before is None or now.night == before.night:
            continue
        where = f"{entry['provider']} {spaced(entry['feed'])}"
        turned = _turned(_failing_checks(now), _failing_checks(before), where)
        worse, better = worse + turned[0], better + turned[1]
    said = []
    if worse:
        said.append(f"Checks that fail now and passed before: {listed(worse, 8)}.")
    if better:
        said.append(f"Checks that pass again: {listed(better, 5)}.")
    return said


def _outcome_used(
    material: Material, prior: Mapping[str, Any], provider: str, feed: str
) -> outcomes.FeedOutcome | None:
    for entry in prior.get("inputs", ()):
        if entry["provider"] == provider and entry["feed"] == feed:
            return outcomes.find(material.home, provider, feed, date.fromisoformat(entry["night"]))
    return None


def _failing(checks: Sequence[Mapping[str, Any]]) -> set[str]:
    return {check["name"] for check in checks if not check["passed"] and check.get("severity") != "info"}


def _failing_checks(outcome: outcomes.FeedOutcome) -> set[str]:
    return {check.name for check in outcome.checks if not check.passed and check.severity != "info"}


def _turned(now: set[str], before: set[str], where: str) -> tuple[list[str], list[str]]:
    return (
        [f"{spaced(name)} ({where})" for name in sorted(now - before)],
        [f"{spaced(name)} ({where})" for name in sorted(before - now)],
    )


def signature(material: Material) -> tuple[str, bool | None]:
    """Who has signed the snapshot, in a few words, and whether that is enough; None where nothing is asked or known."""
    if material.governance.get("rejection"):
        return "rejected", False
    if "signatures" not in material.governance:
        return "not known whether it is signed", None
    signed = len(material.governance["signatures"] or ())
    told = f"signed by {plural(signed, 'person', 'people')}" if signed else "not signed"
    waiting = part(material.governance, "waiting")
    missing = {spaced(purpose): number for purpose, number in waiting.items() if number}
    if missing:
        waits = [f"{purpose} waits for {number}" for purpose, number in missing.items()]
        return f"{told}; {listed(waits)} more", False
    return told if waiting or signed else "not signed, and no signature is asked for", True if signed else None
