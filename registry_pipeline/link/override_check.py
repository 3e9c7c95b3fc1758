"""What contradicts an override: chains of other overrides, and facts that no person can have twice.

What belongs here: the graph of what is in force, and the sentences that say which chain or which records stand against
a decision. What does not: keeping overrides (`override_store`), finding out what a side stands for (`overrides`), and
what to do where the data contradict an override later (`cluster` freezes the group).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from registry_pipeline.link.override_store import Decision

OF_ONE_PERSON = {"nhs_number": "two different verified NHS numbers", "death_date": "two dates of death"}
"""Facts of which a person has one, and what two of them are called."""


@dataclass(frozen=True)
class Fact:
    """What a person record says of which a person has one; the value is compared and never shown."""

    record_id: str
    about: str
    value: str


@dataclass
class Known:
    """What the current registry knows of the records that overrides speak of.

    Attributes:
        person_of: record key to patient_id.
        records_of: patient_id to its record keys.
        facts_of: record key to its facts.
    """

    person_of: Mapping[str, str] = field(default_factory=dict)
    records_of: Mapping[str, list[str]] = field(default_factory=dict)
    facts_of: Mapping[str, list[Fact]] = field(default_factory=dict)


@dataclass
class InForce:
    """Overrides in force as a graph of records; each edge carries the name of the override that made it."""

    must: dict[str, dict[str, str]] = field(default_factory=dict)
    cannot: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, decision: Decision, name: str) -> None:
        """Put one more into force."""
        edges = self.must if decision.kind == "must_link" else self.cannot
        for left, right in decision.pairs:
            edges.setdefault(left, {}).setdefault(right, name)
            edges.setdefault(right, {}).setdefault(left, name)

    def against(self, decision: Decision, known: Callable[[], Known]) -> str | None:
        """Why a decision cannot come into force beside the others; None if it can.

        Args:
            decision: what is to be added.
            known: asked for only where a must-link has no chain against it.
        """
        if decision.kind == "cannot_link":
            return self._chain_between(decision)
        group = self._group({*decision.left_records, *decision.right_records})
        return self._kept_apart(decision, group) or self._twice(group, known())

    def _group(self, start: set[str]) -> set[str]:
        """The records that must-links make one person with these."""
        reached, waiting = set(start), deque(start)
        while waiting:
            for other in self.must.get(waiting.popleft(), ()):
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
        return reached

    def _kept_apart(self, decision: Decision, group: set[str]) -> str | None:
        """A cannot-link between two records that the must-link would make one person, with the chain between them."""
        for left in sorted(group):
            rights = sorted(group & self.cannot.get(left, {}).keys())
            if rights:
                right = rights[0]
                chain = self._chain(left, {right}, dict.fromkeys(decision.pairs, "this one"))
                return (
                    f"{self.cannot[left][right]} keeps {left} and {right} apart, and they would be one person: {chain}"
                )
        return None

    def _chain_between(self, decision: Decision) -> str | None:
        """A chain of must-links between two records that the cannot-link would keep apart."""
        for left in sorted(decision.left_records):
            rights = self._group({left}) & set(decision.right_records)
            if rights:
                return f"must-links make {left} and {min(rights)} one person: {self._chain(left, {min(rights)}, {})}"
        return None

    def _chain(self, start: str, ends: set[str], new: Mapping[tuple[str, str], str]) -> str:
        """The shortest chain of must-links, as `GP1:1 =(override 3)= RX1:7`."""
        added: dict[str, dict[str, str]] = {}
        for (left, right), name in new.items():
            added.setdefault(left, {})[right] = name
            added.setdefault(right, {})[left] = name
        before: dict[str, tuple[str, str]] = {}
        waiting, at = deque([start]), start
        while waiting:
            at = waiting.popleft()
            if at in ends:
                break
            for other, name in sorted({**added.get(at, {}), **self.must.get(at, {})}.items()):
                if other != start and other not in before:
                    before[other] = (at, name)
                    waiting.append(other)
        steps = [at]
        while at != start:
            at, name = before[at]
            steps += [f"=({name})=", at]
        return " ".join(reversed(steps))

    def _twice(self, group: set[str], known: Known) -> str | None:
        """Two records with different facts, of which a person has one, that would come into one person."""
        people = {known.person_of[record] for record in group if record in known.person_of}
        joined = {record for person in people for record in known.records_of.get(person, ())} | group
        # Who is kept from one of the group does not come along with his person's other records.
        kept_out = {record for record in joined - group if not group.isdisjoint(self.cannot.get(record, ()))}
        facts = (fact for record in sorted(joined - kept_out) for fact in known.facts_of.get(record, ()))
        return _first_twice(facts)


def _first_twice(facts: Iterable[Fact]) -> str | None:
    first: dict[str, Fact] = {}
    for fact in facts:
        other = first.setdefault(fact.about, fact)
        if other.value != fact.value:
            return (
                f"it would put {OF_ONE_PERSON[fact.about]} into one person, of {other.record_id} and {fact.record_id};"
                " if one of these does not belong there, keep it apart first (registry override cannot-link)"
            )
    return None
