"""What contradicts an override: chains of other overrides, and facts that no person can have twice.

What belongs here: the graph of what is in force, and the sentences that say which chain or which records stand against
a decision. What does not: keeping overrides (`override_store`), finding out what a side stands for (`overrides`), and
what to do where the data contradict an override later (`cluster` freezes the group).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from registry_pipeline.link.override_store import Decision


@dataclass(frozen=True)
class Fact:
    """What a person record says of which a person has one; values are compared and never shown.

    Attributes:
        record_id: the record.
        nhs_number: valid NHS number, as it is today; None also for one that many records carry.
        is_verified: whether the number was traced.
        death_date: date of death.
    """

    record_id: str
    nhs_number: str | None = None
    is_verified: bool = False
    death_date: date | None = None

    def against(self, other: Fact) -> str | None:
        """What the two say that no person can have, or None.

        It is what keeps records apart in any cluster: any two valid numbers, verified or not, and any two deaths.
        """
        from registry_pipeline.link.regroup import is_one_death

        if self.nhs_number and other.nhs_number and self.nhs_number != other.nhs_number:
            return f"two different {'verified' if self.is_verified and other.is_verified else 'valid'} NHS numbers"
        if self.death_date and other.death_date and not is_one_death(self.death_date, other.death_date):
            return "two dates of death"
        return None


@dataclass
class Known:
    """What the current registry knows of the records that overrides speak of.

    Attributes:
        person_of: record key to patient_id.
        records_of: patient_id to its record keys.
        fact_of: record key to what it says of which a person has one.
    """

    person_of: Mapping[str, str] = field(default_factory=dict)
    records_of: Mapping[str, list[str]] = field(default_factory=dict)
    fact_of: Mapping[str, Fact] = field(default_factory=dict)


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
        facts = [known.fact_of[record] for record in sorted(joined - kept_out) if record in known.fact_of]
        for one, other in combinations(facts, 2):
            if against := one.against(other):
                return (
                    f"it would put {against} into one person, of {one.record_id} and {other.record_id}; if one of them"
                    " does not belong there, keep it apart first (registry override cannot-link), and if a value is"
                    " wrong, have its provider mend it"
                )
        return None
