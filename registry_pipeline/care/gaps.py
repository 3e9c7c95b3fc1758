"""Care gaps: the steps of shared protocols that are due on the night, one row a person and step.

What belongs here: which steps can be evaluated, and handing protocols to the queries (`sql/care_*.sql`) as data. What
does not: what a protocol says and whether it can be used (`protocols`), and what codes mean (`codes`).

Rules that hold for every protocol:

* Only the living; nothing that is dated after the night; of contacts, attended ones only.
* What was done d days ago is enough through its whole interval: done on 1 April 2025, every 12 months, it is due from
  2 April 2026 on. The window after a discharge likewise: the step is due from the day after its last one.
* What was never done is due since the person came in, or since the day after `first_within` of that. Who comes in with
  something done before has until that is no longer enough.
* What was never seen may have been done before the data begin: it is due no earlier than one interval after the first
  day from which the providers who know the person deliver the kind of data in which it is expected (if none of them
  does: any provider), and since the night where that lies ahead.
* Where the data of a step's first way of being done, or of who is in, are delivered by nobody, the step is not
  evaluated: it has no rows, and the manifest and a check say so, instead of everybody being due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from registry_pipeline import codes
from registry_pipeline.care import protocols
from registry_pipeline.care.protocols import Contact, Counted, Criterion, Interval, Protocol, Step
from registry_pipeline.consumer import Made, Reading
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import load_sql, write_table
from registry_pipeline.tables import CONSUMER_TABLES

TABLE = CONSUMER_TABLES["care_gap"]

_RECORDS: Mapping[str, tuple[str, str]] = {
    "observation": ("observation", "observations"),
    "condition": ("condition", "conditions"),
    "medication": ("medication", "medicines"),
    "contact": ("contact", "contacts"),
    "care_plan": ("care_plan", "care plans"),
    "coordinator": ("care_plan", "care plans"),
    "carer": ("carer", "unpaid carers"),
    "service": ("service", "social care services"),
    "discharge": ("spell", "hospital spells"),
}
"""Kinds of protocols: the kind of record that each rests on, and what it is called."""

STRAY = 0.01
"""Share of a provider's records of a kind that may lie before the day from which it counts as delivering them: some old
entries, or a mistyped year, do not make it look complete from then on."""

MOST_NAMED = 10
"""Providers whom a check names; a care system has hundreds of practices."""


@dataclass
class _Evaluated:
    """One step as it is handed to the queries.

    Attributes:
        number: of the step, in all protocols.
        fact: of the people that it is for.
        missing: why it is not evaluated; empty where it is.
        without: of what data it is evaluated without.
    """

    protocol: Protocol
    step: Step
    number: int
    fact: int | None = None
    missing: str = ""
    without: list[str] = field(default_factory=list)


def find_gaps(reading: Reading, folder: Path) -> Made:
    """Write `care_gap` of the deployment's protocols.

    Args:
        reading: a snapshot, as direct care sees it.
        folder: where the table goes.

    Returns:
        Rows, checks, and of each protocol and step: people in it, done, due; or why it was not evaluated.

    Raises:
        BadInput: there is no protocol at all.
        RunFailed: the disk is full.
    """
    read = protocols.read(reading.configuration)
    wanted = sorted({name for protocol in read.sound for name in protocol.code_lists})
    lists = codes.name_meanings(reading.connection, reading.configuration, wanted)
    reading.connection.execute(load_sql("care_tables"))
    reading.connection.execute(load_sql("care_person"), {"night": reading.night})
    people = _People(reading)
    steps = people.steps_of(read.sound)
    evaluated = [step for step in steps if not step.missing]
    _fill(reading, evaluated)
    _stand(reading, evaluated)
    night = {"night": reading.night}
    rows = write_table(reading.connection, load_sql("care_gap"), TABLE, folder / f"{TABLE.name}.parquet", night)
    counts = {row[0]: row[1:] for row in reading.connection.execute(load_sql("care_counts"), night).fetchall()}
    about = {
        "protocols": {protocol.name: _told(protocol, steps, counts) for protocol in read.sound},
        "code_lists": {name: code_list.about for name, code_list in lists.items()},
        "left_out": dict(read.broken),
    }
    checks = (
        *_checks(read.broken, steps, counts),
        _partly_delivered(people.delivered, evaluated),
        _late(people.last_contacts, evaluated, reading.night),
    )
    return Made({TABLE.name: rows}, checks, about)


class _People:
    """Works out who is in, criterion by criterion; the same criterion once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.connection = reading.connection
        self.delivered: dict[str, dict[str, set[str]]] = {}
        """Kind of record, setting, and the providers that deliver it."""
        self.last_contacts: dict[tuple[str, str], date | None] = {}
        """Setting and provider: the night of the last extract that brought contacts."""
        for kind, setting, provider, night in reading.connection.execute(load_sql("care_delivered")).fetchall():
            self.delivered.setdefault(kind, {}).setdefault(setting, set()).add(provider)
            if kind == "contact":
                self.last_contacts[setting, provider] = night
        self.facts: dict[str, int] = {}
        self.groups: dict[str, tuple[int | None, str, tuple[str, ...]]] = {}

    def steps_of(self, sound: tuple[Protocol, ...]) -> list[_Evaluated]:
        """Every step of some protocols, each of which comes after those whose people it refers to."""
        steps: list[_Evaluated] = []
        for protocol in sound:
            self.groups[protocol.name] = self._of(protocol.who)
            for step in protocol.steps:
                made = _Evaluated(protocol, step, len(steps))
                self._settle(made)
                steps.append(made)
        return steps

    def _settle(self, made: _Evaluated) -> None:
        fact, missing, without = self.groups[made.protocol.name]
        if not missing and made.step.only is not None:
            fact, missing, without = self._narrowed(made.protocol, made.step.only)
        first, *others = made.step.counts
        made.fact, made.without = fact, list(without)
        if made.step.after is not None:
            missing = missing or self._not_delivered("discharge", made.step.after.discharge)
        made.missing = missing or self._not_delivered(first.kind, first.in_)
        for counted in others:
            lacking = self._not_delivered(counted.kind, counted.in_)
            if lacking and lacking not in made.without:
                made.without.append(lacking)

    def _narrowed(self, protocol: Protocol, only: Criterion) -> tuple[int | None, str, tuple[str, ...]]:
        return self._of(Criterion.model_construct(all_=(Criterion.model_construct(group=protocol.name), only)))

    def _not_delivered(self, kind: str, settings: tuple[str, ...]) -> str:
        """What nobody delivers, in words; empty where somebody does."""
        record, called = _RECORDS[kind]
        delivered = self.delivered.get(record, {})
        if delivered.keys() & set(settings or delivered):
            return ""
        return f"nobody delivers {called}" + (f" of {' or '.join(settings)}" if settings else "")

    def _of(self, criterion: Criterion) -> tuple[int | None, str, tuple[str, ...]]:
        """The fact of a criterion, why it cannot be told, and without what it is."""
        if criterion.group is not None:
            return self.groups[criterion.group]
        if criterion.any_ is not None:
            return self._any(criterion.any_)
        if criterion.all_ is not None:
            return self._all(criterion.all_)
        missing = self._cannot_tell(criterion)
        return (None, missing, ()) if missing else (self._leaf(criterion), "", ())

    def _any(self, parts: tuple[Criterion, ...]) -> tuple[int | None, str, tuple[str, ...]]:
        """Any of those that can be told; the others are named."""
        found = [self._of(part) for part in parts]
        facts = [fact for fact, _, _ in found if fact is not None]
        lacking = tuple(dict.fromkeys(missing for _, missing, _ in found if missing))
        without = tuple(dict.fromkeys((*lacking, *(said for _, _, within in found for said in within))))
        if not facts:
            return None, "; ".join(lacking), ()
        return self._made("any", parts=sorted(set(facts))), "", without

    def _all(self, parts: tuple[Criterion, ...]) -> tuple[int | None, str, tuple[str, ...]]:
        # Who is in everybody is in: it would be counted for nothing.
        narrowing = [part for part in parts if part.none is None and not self._is_everybody(part)]
        positive = narrowing or [part for part in parts if part.none is None][:1]
        found = [self._of(part) for part in positive]
        left_out = [self._of(each) for part in parts for each in part.none or ()]
        lacking = tuple(dict.fromkeys(missing for _, missing, _ in (*found, *left_out) if missing))
        if lacking:
            return None, "; ".join(lacking), ()
        without = tuple(dict.fromkeys(said for _, _, within in (*found, *left_out) for said in within))
        facts = sorted({fact for fact, _, _ in found if fact is not None})
        none = sorted({fact for fact, _, _ in left_out if fact is not None})
        return (facts[0] if len(facts) == 1 and not none else self._made("all", parts=facts, without=none)), "", without

    def _is_everybody(self, criterion: Criterion) -> bool:
        """Whether a criterion is met by all, or refers to a protocol that is for all."""
        everybody = self.facts.get("anybody")
        in_group = (
            criterion.group is not None and everybody is not None and self.groups[criterion.group][0] == everybody
        )
        return criterion.anybody is not None or in_group

    def _cannot_tell(self, criterion: Criterion) -> str:
        if criterion.risk_level is not None or criterion.frailty is not None:
            return "risk_stratification was not made" if "risk_stratification" in self.reading.absent else ""
        if criterion.condition is not None and "observation" in self.delivered:
            return ""
        for kind in ("condition", "carer", "care_plan", "service"):
            if getattr(criterion, kind) is not None:
                return self._not_delivered(kind, ())
        return ""

    def _leaf(self, criterion: Criterion) -> int:
        if criterion.condition is not None:
            return self._made("condition", night=True, list=[criterion.condition])
        if criterion.age is not None:
            return self._made("age", night=True, least=criterion.age.from_, most=criterion.age.to)
        if criterion.risk_level is not None or criterion.frailty is not None:
            return self._made("risk", levels=list(criterion.risk_level or ()), categories=list(criterion.frailty or ()))
        for kind in ("care_plan", "service"):
            types = getattr(criterion, kind)
            if types is not None:
                return self._made(kind, night=True, types=[] if types is True else list(types))
        return self._made("carer", night=True) if criterion.carer else self._made("anybody")

    def _made(self, kind: str, *, night: bool = False, **parameters: Any) -> int:
        """The number of a fact, worked out where it has not been yet."""
        key = f"{kind} {parameters}" if parameters else kind
        if key not in self.facts:
            number = len(self.facts)
            self.facts[key] = number
            bound = {**parameters, "fact": [number] if kind == "condition" else number}
            if night:
                bound["night"] = self.reading.night
            self.connection.execute(load_sql(f"care_fact_{kind}"), bound)
        return self.facts[key]


def _fill(reading: Reading, evaluated: list[_Evaluated]) -> None:
    """Hand steps, and what counts for each, to the queries."""
    columns: dict[str, list[Any]] = {
        "step": [made.number for made in evaluated],
        "protocol": [made.protocol.name for made in evaluated],
        "protocol_version": [made.protocol.version for made in evaluated],
        "name": [made.step.name for made in evaluated],
        "title": [made.step.title for made in evaluated],
        "done_by": [list(made.step.done_by) for made in evaluated],
        "is_seamless": [made.step.seamless for made in evaluated],
        "fact": [made.fact for made in evaluated],
        "timing": [_timing(made.step) for made in evaluated],
        "span": [_span(made.step.every or made.step.within) for made in evaluated],
        "window_hours": [(made.step.within.hours or None) if made.step.within else None for made in evaluated],
        "look_back": [_span(made.step.look_back) for made in evaluated],
        "first_span": [_span(made.step.first_within) for made in evaluated],
        "discharge_of": [list(made.step.after.discharge) if made.step.after else None for made in evaluated],
    }
    reading.connection.execute(load_sql("care_step_fill"), columns)
    counted = [(made.number, count) for made in evaluated for count in made.step.counts]
    contacts = [_contact(count) for _, count in counted]
    columns = {
        "step": [number for number, _ in counted],
        "is_expected": [made.step.counts[0] is count for made in evaluated for count in made.step.counts],
        "kind": [count.kind for _, count in counted],
        "list": [count.code_list for _, count in counted],
        "settings": [list(count.in_) for _, count in counted],
        "manner": [count.care_plan or count.coordinator or count.carer for _, count in counted],
        "reasons": [list(contact.reason) for contact in contacts],
        "teams": [list(contact.team) for contact in contacts],
        "mechanisms": [list(contact.mechanism) for contact in contacts],
        "staff": [list(contact.staff) for contact in contacts],
    }
    reading.connection.execute(load_sql("care_count_fill"), columns)


def _timing(step: Step) -> str:
    return "every" if step.every else "within" if step.within else "always"


def _span(interval: Interval | None) -> str | None:
    """An interval as the queries read it; hours go by themselves."""
    return None if interval is None else f"{interval.months} months {interval.days} days"


def _contact(counted: Counted) -> Contact:
    return counted.contact if isinstance(counted.contact, Contact) else Contact()


def _stand(reading: Reading, evaluated: list[_Evaluated]) -> None:
    """Find what was done, and where everybody stands; what no step asks for is not looked for."""
    night = {"night": reading.night}
    kinds = {count.kind for made in evaluated for count in made.step.counts}
    lasting = {count.kind for made in evaluated if made.step.within is None for count in made.step.counts}
    queries = [
        ("care_done_coded", kinds & {"observation", "condition"}),
        ("care_done_medication", kinds & {"medication"}),
        ("care_done_contact", lasting & {"contact"}),
        ("care_done_lasting", kinds & {"care_plan", "coordinator", "carer"}),
    ]
    for name, needed in queries:
        if needed:
            reading.connection.execute(load_sql(name), night)
    reading.connection.execute(load_sql("care_begun"), {**night, "stray": STRAY})
    for name in ("care_standing", "care_discharge", "care_missed"):
        reading.connection.execute(load_sql(name), night)


def _told(protocol: Protocol, steps: list[_Evaluated], counts: Mapping[int, tuple[Any, ...]]) -> dict[str, Any]:
    """What the manifest says of a protocol."""
    return {
        "version": protocol.version,
        "title": protocol.title,
        "source": protocol.source,
        "agreed_by": list(protocol.agreed.by),
        "agreed_on": protocol.agreed.day.isoformat(),
        "steps": {made.step.name: _told_of(made, counts) for made in steps if made.protocol is protocol},
    }


def _told_of(made: _Evaluated, counts: Mapping[int, tuple[Any, ...]]) -> dict[str, Any]:
    if made.missing:
        return {"not_evaluated": made.missing}
    people, done, due, followed, discharges, readmitted, seen_from, _ = counts[made.number]
    told: dict[str, Any] = {"people": people, "done": done, "due": due}
    if seen_from is not None:
        told["seen_from"] = seen_from.isoformat()
    if made.step.within is not None:
        told |= {"discharges": discharges or 0, "followed": followed, "in_hospital_again": readmitted or 0}
    return told | ({"without": made.without} if made.without else {})


def _checks(
    broken: Mapping[str, str], steps: list[_Evaluated], counts: Mapping[int, tuple[Any, ...]]
) -> tuple[CheckOutcome, ...]:
    reasons: dict[str, list[str]] = {}
    for made in steps:
        if made.missing:
            reasons.setdefault(made.missing, []).append(_name(made))
    not_evaluated = [f"{reason}: {', '.join(names)}" for reason, names in reasons.items()]
    never = [
        _name(made) for made in steps if not made.missing and counts[made.number][0] and not counts[made.number][3]
    ]
    short = [
        f"{_name(made)} from {counts[made.number][6]}" for made in steps if not made.missing and counts[made.number][7]
    ]
    return (
        _check("protocols_can_be_used", "protocol files that are wrong and were left out", list(broken.values())),
        _check("steps_can_be_evaluated", "steps whose data nobody delivers", not_evaluated),
        _check(
            "steps_were_ever_done", "steps that were done for nobody: the data or the code list may be missing", never
        ),
        _check(
            "data_reach_back",
            "steps whose data begin less than one interval ago: what was done before is not seen",
            short,
        ),
    )


def _partly_delivered(delivered: Mapping[str, Mapping[str, set[str]]], evaluated: list[_Evaluated]) -> CheckOutcome:
    """Providers that deliver nothing of a kind that others of their setting do: their people look due."""
    records = {_RECORDS[counted.kind] for made in evaluated for counted in made.step.counts}
    lacking = []
    for record, called in sorted(records):
        for setting, providers in sorted(delivered.get(record, {}).items()):
            silent = sorted(delivered.get("record", {}).get(setting, set()) - providers)
            if silent:
                named = ", ".join(silent[:MOST_NAMED]) + (" and others" if len(silent) > MOST_NAMED else "")
                lacking.append(f"{len(silent)} of {setting} deliver no {called}: {named}")
    reason = "providers that deliver nothing of what others of their setting do, so that their people look due"
    return _check("providers_deliver_alike", reason, lacking)


def _late(last: Mapping[tuple[str, str], date | None], evaluated: list[_Evaluated], night: date) -> CheckOutcome:
    """Providers whose contacts after a discharge may have happened and not been delivered yet."""
    counted = [count.in_ for made in evaluated if made.step.within is not None for count in made.step.counts]
    late = [
        f"{provider} of {setting} on {delivered}"
        for (setting, provider), delivered in sorted(last.items())
        if delivered is not None and delivered < night and any(not in_ or setting in in_ for in_ in counted)
    ]
    named = ", ".join(late[:MOST_NAMED]) + (f" and {len(late) - MOST_NAMED} others" if len(late) > MOST_NAMED else "")
    reason = "providers whose contacts came last before the night, so that what they did since a discharge is not seen"
    return _check("contacts_are_of_the_night", reason, [named] if late else [])


def _name(made: _Evaluated) -> str:
    return f"{made.protocol.name}.{made.step.name}"


def _check(name: str, reason: str, failing: list[str]) -> CheckOutcome:
    return CheckOutcome(
        name=name,
        passed=not failing,
        severity="warning",
        dimension="completeness",
        reason=reason,
        observed="; ".join(failing) or "none",
    )
