"""One doubtful group of records, taken apart and built anew link by link.

What belongs here: who may be in one cluster with whom, which links are cut and why, and groups that contradicting
overrides freeze; pure functions of one connected group, without a database. What does not: finding the connected
groups and the doubtful ones among them (`cluster`), and how pairs were judged.

Records are numbers from 0, in the order of their record_id, so that neither the numbering of a night nor the order of
any input is of account. Evidence in order of rank: cannot-link, what cannot be one person (two NHS numbers, two
deaths), must-link, rules that keep two people apart, certain links (one NHS number, a local merge), scores.

What a group looked like the night before only adds to what tonight's evidence joins on its own, so building the same
group on its own result gives that result again: a night may reuse the clusters of groups that nothing happened to.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from registry_pipeline.link.model import BRIDGE_WEIGHT, LARGE_GROUP, MATCH_WEIGHT, RIVAL_WEIGHT

STAY_MARGIN = 3.0
"""Weight by which a link that held last night may lie below what a new one needs (odds of 8 to 1): about what a field
costs that goes from equal to nearly equal (a typing error, a nickname). So small a change takes nobody's id; a field
that contradicts goes beyond it."""

SAME_DEATH_DAYS = 7
"""Dates of death no further apart are one death written twice: the day it happened, was found, certified or registered,
for which the law of England leaves five days, and a weekend."""

MOST_RECORDS_OF_A_PERSON = 50
"""A cluster of more goes to a person: every provider of a care system (ten or twenty) may know somebody twice, and what
is larger is rather several people in a chain. Scores add nobody to it; see `_hold_back_large`."""


@dataclass(frozen=True, slots=True)
class Record:
    """What must agree within a cluster, and the id of the night before.

    Attributes:
        number: valid NHS number, replacements followed; any value that can be compared.
        prior: patient_id in the snapshot before.
    """

    number: Hashable = None
    death: date | None = None
    prior: Hashable = None


@dataclass(frozen=True, slots=True)
class Link:
    """Evidence that two records are of one person.

    Attributes:
        weight: match weight, log base 2 of the odds.
        is_certain: whether a rule (one NHS number, a local merge) made it, and not a score.
        says_given: whether both sides have a given name of more than an initial.
        says_birth: whether both sides have a birth date.
        only_stays: whether the weight is enough to stay joined and not to join; the two were one person last night.
    """

    left: int
    right: int
    weight: float
    decided_by: str = "match_weight"
    is_certain: bool = False
    says_given: bool = True
    says_birth: bool = True
    only_stays: bool = False


@dataclass(frozen=True, slots=True)
class Apart:
    """Two records of two people.

    Attributes:
        differs_in: the field that tells them apart: given_name or birth_date.
        is_soft: no rule says so of the pair itself: it only must not meet through records that lack the field.
    """

    left: int
    right: int
    differs_in: str = "given_name"
    is_soft: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """What a person laid down of two records."""

    override_id: int
    is_must: bool
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something for a person to look at: see `cluster.REASONS`."""

    reason: str
    records: tuple[int, ...]
    decided_by: str | None = None
    weight: float | None = None
    override_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Regrouped:
    """What became of a doubtful group.

    Attributes:
        first: for each record, the first record of its cluster.
        connected: for each record, the first record of all that links connect it with, cut ones too.
        cut: links whose ends are in two clusters, with the reason.
        frozen: records that overrides which contradict hold as they were.
        notes: for people.
    """

    first: tuple[int, ...]
    connected: tuple[int, ...]
    cut: Mapping[tuple[int, int], str]
    frozen: frozenset[int]
    notes: tuple[Note, ...]


@dataclass(slots=True)
class _Group:
    """A cluster as it grows."""

    members: set[int]
    number: Hashable
    deaths: set[date]
    apart: set[int]
    cannot: set[int]

    def take(self, other: _Group) -> None:
        self.members |= other.members
        self.apart |= other.apart
        self.cannot |= other.cannot
        self.deaths |= other.deaths
        self.number = other.number if self.number is None else self.number


def is_one_death(one: date, other: date) -> bool:
    """Whether two dates of death can be one death: near one another, or day and month swapped."""
    swapped = one.year == other.year and (one.month, one.day) == (other.day, other.month)
    return swapped or abs((one - other).days) <= SAME_DEATH_DAYS


def regroup(
    records: Sequence[Record],
    links: Iterable[Link],
    aparts: Iterable[Apart] = (),
    overrides: Iterable[Override] = (),
) -> Regrouped:
    """Build the clusters of one connected group.

    Args:
        records: in the order of their record_id.
        links: one a pair; those whose pair is overridden may be among them.
        aparts: pairs of two people that are not linked themselves.
        overrides: in force tonight, between these records.
    """
    # Which end of a link is its left one differs from night to night; of two links of one weight one must come first.
    turned = (k if k.left < k.right else replace(k, left=k.right, right=k.left) for k in links)
    ordered = sorted(turned, key=lambda k: (not k.is_certain, -round(k.weight, 6), k.left, k.right))
    return _Regrouping(records, ordered, list(aparts), list(overrides)).run()


class _Regrouping:
    """One connected group in work: every step is a method, in the order of `run`."""

    def __init__(
        self, records: Sequence[Record], links: list[Link], aparts: list[Apart], overrides: list[Override]
    ) -> None:
        self.records = records
        self.links = links
        self.joining = [k for k in links if not k.only_stays]
        self.must = [o for o in overrides if o.is_must]
        self.cannot = [o for o in overrides if not o.is_must]
        self.overridden = {_pair(o) for o in self.cannot}
        self.bound = _united(len(records), ((o.left, o.right) for o in self.must))
        self.notes: list[Note] = []
        self.frozen = self._freeze()
        self.aparts = self._aparts_in_force(aparts)
        self.apart = _both_ways((a.left, a.right) for a in self.aparts)
        self.not_with = _both_ways((o.left, o.right) for o in self.cannot)
        self.torn: dict[tuple[int, int], set[int]] = {}
        self.severed: set[tuple[int, int]] = set()
        self.large: dict[int, int] = {}
        self.home: dict[int, _Group] = {}

    def run(self) -> Regrouped:
        self._tear()
        self._join(range(len(self.records)), self.joining)
        # Whoever was kept away by what a severed link brought in may join then: all is joined anew.
        while self._sever_weak_bridges():
            self._join(range(len(self.records)), self.joining)
        self._stay_joined()
        self._hold_back_large()
        first = self._first_of_each()
        cut = {_pair(k): self._why_cut(k) for k in self.joining if first[k.left] != first[k.right]}
        self._note_cut_links(first, cut)
        return Regrouped(tuple(first), tuple(self._connected(first)), cut, frozenset(self.frozen), tuple(self.notes))

    # Overrides -------------------------------------------------------------------------------------------------------

    def _freeze(self) -> dict[int, Hashable]:
        """Records that stay as they were, each with the part of last night that it stays in.

        A must-linked group that holds what cannot be one person, or a cannot-link, contradicts itself: which side is
        wrong only a person can say. With it stay those who were one person with any of it last night.
        """
        groups: dict[int, set[int]] = defaultdict(set)
        for record, root in enumerate(self.bound):
            groups[root].add(record)
        frozen: dict[int, Hashable] = {}
        for members in groups.values():
            inside = [o for o in self.cannot if o.left in members and o.right in members]
            reasons = ["overrides_contradict"] if inside else []
            if len(members) > 1 and not self._can_be_one(members):
                reasons.append("override_contradicts_data")
            if not reasons:
                continue
            priors = {self.records[r].prior for r in members} - {None}
            held = members | {r for r, record in enumerate(self.records) if record.prior in priors}
            ids = {o.override_id for o in (*self.must, *inside) if o.left in members}
            for record in held:
                prior = self.records[record].prior
                # Who has no id yet stays alone.
                frozen[record] = ("new", record) if prior is None else ("was", prior)
            for reason in reasons:
                self.notes.append(Note(reason, tuple(sorted(held)), override_ids=tuple(sorted(ids))))
        return frozen

    def _can_be_one(self, members: Collection[int]) -> bool:
        numbers = {self.records[r].number for r in members} - {None}
        deaths = {d for r in members if (d := self.records[r].death) is not None}
        return len(numbers) <= 1 and all(is_one_death(a, b) for a in deaths for b in deaths)

    # Who is two people -----------------------------------------------------------------------------------------------

    def _aparts_in_force(self, aparts: Iterable[Apart]) -> list[Apart]:
        """Without those that a must-link overrules, and soft ones of records that the field itself brings together.

        Two records of one birth date, Mary and Ann, may be one Mary Ann; a record without a given name must not make
        them one. A must-link says that its records are one person whatever a rule says: a record that is linked with
        one of them is not kept from another one by a rule.
        """
        must_ends = {record for o in self.must for record in (o.left, o.right)}
        linked = {frozenset((self.bound[k.left], self.bound[k.right])) for k in self.joining}
        size = len(self.records)
        named = {
            "given_name": _united(size, ((k.left, k.right) for k in self.joining if k.says_given)),
            "birth_date": _united(size, ((k.left, k.right) for k in self.joining if k.says_birth)),
        }
        in_force = []
        for apart in aparts:
            left, right = apart.left, apart.right
            overruled = (left in must_ends or right in must_ends) and (
                self.bound[left] == self.bound[right] or frozenset((self.bound[left], self.bound[right])) in linked
            )
            together = named[apart.differs_in][left] == named[apart.differs_in][right]
            if not overruled and not (apart.is_soft and together):
                in_force.append(apart)
        return in_force

    def _tear(self) -> None:
        """Find links of records that fit two people about equally well, and lack what would tell them apart.

        A record without a given name, or with an initial only, may be either of two twins; one without a birth date
        either of a father and a son of one name. It joins neither, unless one fits far better.
        """
        ends: dict[int, list[tuple[int, Link]]] = defaultdict(list)
        for link in self.joining:
            if not link.is_certain and self.bound[link.left] != self.bound[link.right]:
                ends[link.left].append((link.right, link))
                ends[link.right].append((link.left, link))
        differ = {(min(a.left, a.right), max(a.left, a.right)): a.differs_in for a in self.aparts}
        for record, found in ends.items():
            if all(link.says_given and link.says_birth for _, link in found):
                continue
            for one, link in found:
                if link.says_given and link.says_birth:
                    continue
                for other, rival in found:
                    if (
                        other != one
                        and link.weight - rival.weight < RIVAL_WEIGHT
                        and self._lacks_the_difference(link, one, other, differ)
                    ):
                        self.torn.setdefault(_pair(link), set()).update((record, one, other))

    def _lacks_the_difference(self, link: Link, one: int, other: int, differ: Mapping[tuple[int, int], str]) -> bool:
        """Whether `one` and `other` are two people, and the link says nothing of the field that tells them apart."""
        pair = (min(one, other), max(one, other))
        if differ.get(pair) == "birth_date":
            return not link.says_birth
        if link.says_given:
            return False
        return pair in differ or pair in self.overridden or not self._can_be_one((one, other))

    # Joining ---------------------------------------------------------------------------------------------------------

    def _join(self, members: Collection[int], links: Iterable[Link], *, by_size: bool = True) -> None:
        """Join records link by link, the strongest evidence first, and never into what cannot be one person."""
        self._start(members)
        for link in links:
            left, right = self.home[link.left], self.home[link.right]
            if left is right or _pair(link) in self.severed:
                continue
            if by_size and not link.is_certain and link.weight < _needed(len(left.members), len(right.members)):
                continue
            if self._conflict(left, right, link) is None:
                self._unite(left, right)

    def _stay_joined(self) -> None:
        """Join those who were one person last night on less, asked of the groups as tonight alone makes them."""
        size = [len(self.home[record].members) for record in range(len(self.records))]
        for link in self.links:
            left, right = self.home[link.left], self.home[link.right]
            needed = _needed(size[link.left], size[link.right]) - STAY_MARGIN
            if (
                left is not right
                and self._was_together(link)
                and link.weight >= needed
                and self._conflict(left, right, link) is None
            ):
                self._unite(left, right)

    def _start(self, members: Collection[int]) -> None:
        """Groups of one record, but for what overrides hold together."""
        for record in members:
            about = self.records[record]
            deaths = set() if about.death is None else {about.death}
            self.home[record] = _Group(
                {record}, about.number, deaths, set(self.apart[record]), set(self.not_with[record])
            )
        parts: dict[Hashable, int] = {}
        for record, part in sorted(self.frozen.items()):
            if record in members:
                self._unite(self.home[parts.setdefault(part, record)], self.home[record])
        free = set(members) - self.frozen.keys()
        for override in self.must:
            if override.left in free and override.right in free:
                self._unite(self.home[override.left], self.home[override.right])

    def _unite(self, left: _Group, right: _Group) -> None:
        if left is right:
            return
        larger, smaller = (left, right) if len(left.members) >= len(right.members) else (right, left)
        larger.take(smaller)
        for record in smaller.members:
            self.home[record] = larger

    def _conflict(self, left: _Group, right: _Group, link: Link) -> str | None:
        """Why two groups cannot be one person by this link, however strong it is, or None.

        A group's reasons only grow with it: what is refused once stays refused.
        """
        if link.left in self.frozen or link.right in self.frozen:
            return "frozen"
        if not left.cannot.isdisjoint(right.members):
            return "cannot_link"
        if _pair(link) in self.torn:
            return "fits_two_people"
        if left.number is not None and right.number is not None and left.number != right.number:
            return "two_nhs_numbers"
        if not all(is_one_death(a, b) for a in left.deaths for b in right.deaths):
            return "two_deaths"
        return None if left.apart.isdisjoint(right.members) else "kept_apart"

    def _was_together(self, link: Link) -> bool:
        prior = self.records[link.left].prior
        return prior is not None and prior == self.records[link.right].prior

    # Second looks ----------------------------------------------------------------------------------------------------

    def _sever_weak_bridges(self) -> bool:
        """Sever the weakest of the links by which two large groups hang together, of every cluster that has one.

        Joining by strength refuses such a link only where both groups stand before it comes; where it is stronger than
        the links inside, they grow round it.
        """
        found = False
        inside = self._inside_of_each()
        for group in self._groups(2 * LARGE_GROUP):
            weakest = self._weakest_bridge(group, [k for k in inside[id(group)] if not k.only_stays])
            if weakest is not None:
                self.severed.add(_pair(weakest))
                found = True
        return found

    def _weakest_bridge(self, group: _Group, inside: list[Link]) -> Link | None:
        edges = [(k.left, k.right) for k in inside]
        edges += [(o.left, o.right) for o in self.must if o.left in group.members and o.right in group.members]
        found = [
            (inside[edge].weight, _pair(inside[edge]), inside[edge])
            for edge, size in _bridges(group.members, edges)
            if edge < len(inside)
            and not inside[edge].is_certain
            and min(size, len(group.members) - size) >= LARGE_GROUP
            and inside[edge].weight < BRIDGE_WEIGHT
        ]
        return min(found, key=lambda f: f[:2])[2] if found else None

    def _hold_back_large(self) -> None:
        """Build clusters of too many records from certain links and from what was one person last night.

        So nobody new is added by a score, and who was together before is not torn apart, until a person has looked.
        """
        inside_of_each = self._inside_of_each()
        for group in self._groups(MOST_RECORDS_OF_A_PERSON + 1):
            inside, members = inside_of_each[id(group)], group.members
            self.severed -= {_pair(k) for k in inside}
            self._join(members, [k for k in inside if k.is_certain or self._was_together(k)], by_size=False)
            self.large |= dict.fromkeys(members, min(members))
            held_back = (k for k in inside if self.home[k.left] is not self.home[k.right] and not k.only_stays)
            strongest = next(held_back, None)
            about = (strongest.decided_by, strongest.weight) if strongest else (None, None)
            self.notes.append(Note("large_cluster", tuple(sorted(members)), *about))

    def _inside_of_each(self) -> dict[int, list[Link]]:
        """Cluster to the links within it that count for it."""
        inside: dict[int, list[Link]] = defaultdict(list)
        for link in self.links:
            if self.home[link.left] is self.home[link.right] and _pair(link) not in self.torn:
                inside[id(self.home[link.left])].append(link)
        return inside

    def _groups(self, at_least: int = 1) -> list[_Group]:
        """Clusters of so many records that are not frozen, or all of them."""
        groups = {id(group): group for group in self.home.values()}.values()
        if at_least == 1:
            return list(groups)
        return [g for g in groups if len(g.members) >= at_least and self.frozen.keys().isdisjoint(g.members)]

    # What came of it -------------------------------------------------------------------------------------------------

    def _first_of_each(self) -> list[int]:
        first = {id(group): min(group.members) for group in self._groups()}
        return [first[id(self.home[record])] for record in range(len(self.records))]

    def _connected(self, first: Sequence[int]) -> list[int]:
        held = [(k.left, k.right) for k in self.links if not k.only_stays or first[k.left] == first[k.right]]
        return _united(len(self.records), [*held, *((o.left, o.right) for o in self.must)])

    def _why_cut(self, link: Link) -> str:
        """Why a link's ends are in two clusters, told from the clusters as they are in the end."""
        conflict = self._conflict(self.home[link.left], self.home[link.right], link)
        if conflict is not None:
            return conflict
        return "large_cluster" if link.left in self.large or link.right in self.large else "weak_bridge"

    def _note_cut_links(self, first: Sequence[int], cut: Mapping[tuple[int, int], str]) -> None:
        """One note for the links between two clusters that were cut for one reason; of a torn record, for all it fits.

        None for a pair that a person keeps apart: that is decided.
        """
        told: set[tuple[str, tuple[int, ...]]] = set()
        between: dict[tuple[str, int, int], list[Link]] = defaultdict(list)
        for link in self.joining:
            pair = _pair(link)
            reason = cut.get(pair)
            if reason is None or pair in self.overridden or self._is_told(link, reason):
                continue
            ends = sorted((first[link.left], first[link.right]))
            between[reason, ends[0], ends[1]].append(link)
        for (reason, left, right), links in between.items():
            strongest = links[0]
            ids = self._overrides_between(first, left, right) if reason in ("cannot_link", "frozen") else ()
            concerned = {record for link in links for record in (link.left, link.right)}
            for link in links:
                concerned |= self.torn.get(_pair(link), set()) if reason == "fits_two_people" else set()
            note = Note(reason, tuple(sorted(concerned)), strongest.decided_by, strongest.weight, ids)
            if (reason, note.records) not in told:
                self.notes.append(note)
            told.add((reason, note.records))
        self._note_overrides_at_rest(first, {(left, right) for _, left, right in between})

    def _is_told(self, link: Link, reason: str) -> bool:
        """Whether a link lies within a group that has a note of its own."""
        if reason == "frozen":
            return link.left in self.frozen and link.right in self.frozen
        large = self.large.get(link.left)
        return reason == "large_cluster" and large is not None and large == self.large.get(link.right)

    def _note_overrides_at_rest(self, first: Sequence[int], noted: Collection[tuple[int, int]]) -> None:
        """A note for a must-link to a frozen record, where no link between their clusters has told of it already."""
        for override in self.must:
            ends = (min(first[override.left], first[override.right]), max(first[override.left], first[override.right]))
            both_frozen = override.left in self.frozen and override.right in self.frozen
            if ends[0] != ends[1] and not both_frozen and ends not in noted:
                self.notes.append(Note("frozen", _pair(override), override_ids=(override.override_id,)))

    def _overrides_between(self, first: Sequence[int], left: int, right: int) -> tuple[int, ...]:
        return tuple(
            sorted(
                {o.override_id for o in (*self.cannot, *self.must) if {first[o.left], first[o.right]} == {left, right}}
            )
        )


def _pair(link: Link | Override) -> tuple[int, int]:
    return min(link.left, link.right), max(link.left, link.right)


def _needed(left: int, right: int) -> float:
    """Weight that one link needs to join groups of so many records."""
    smaller = min(left, right)
    if smaller < 2:
        return -math.inf
    return MATCH_WEIGHT if smaller < LARGE_GROUP else BRIDGE_WEIGHT


def _both_ways(pairs: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    beside: dict[int, set[int]] = defaultdict(set)
    for left, right in pairs:
        beside[left].add(right)
        beside[right].add(left)
    return beside


def _united(size: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of so many records, the smallest one that the pairs connect it with."""
    parent = list(range(size))

    def root(record: int) -> int:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for left, right in pairs:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    return [root(record) for record in range(size)]


def _bridges(members: Iterable[int], edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Edges without which a connected graph falls in two, each with the size of one side (Tarjan's low points)."""
    beside: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, (left, right) in enumerate(edges):
        beside[left].append((right, number))
        beside[right].append((left, number))
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    size: dict[int, int] = {}
    found = []
    for start in sorted(members):
        if start in order:
            continue
        order[start] = low[start] = len(order)
        size[start] = 1
        walk = [(start, -1, iter(beside[start]))]
        while walk:
            record, came_by, rest = walk[-1]
            following = next(rest, None)
            if following is None:
                walk.pop()
                if walk:
                    above = walk[-1][0]
                    low[above] = min(low[above], low[record])
                    size[above] += size[record]
                    if low[record] > order[above]:
                        found.append((came_by, size[record]))
                continue
            other, number = following
            if number == came_by:
                continue
            if other in order:
                low[record] = min(low[record], order[other])
            else:
                order[other] = low[other] = len(order)
                size[other] = 1
                walk.append((other, number, iter(beside[other])))
    return found
