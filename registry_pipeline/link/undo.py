"""Undoing a join of ids: which id each record goes back to when an override no longer holds, or now parts, its person.

What belongs here: the choice itself, over the few people that it concerns, in plain Python. What does not: finding them
(`sql/identity_undone_*.sql`), and everything that happens to ids otherwise (`identity`).

The answer to look for is what the ids would be had the join never been. `moved_record` holds, for every night on which
ids were joined, which record had which id just before; from it each record has a path, from the id that it went by
until tonight down to the ids that were joined into it, as far as the record came that way:

    night 2: C joined B;  night 3: B joined A        a: A        b: A, B        c: A, B, C

Each id on the paths belongs to the part that has been with it longest. A record goes by the first id on its path that
belongs to its own part. So when the link between B and C is undone first, c is C again, and B stays joined to A; when
the link between A and B is undone first, b and c are B again, and C stays joined to B.

A limit: `moved_record` tells of a night as a whole. Where one night runs three times and more, and between its runs
both overrides and the records that are there change, a path can be lost; its records then get a new id.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

_LATE = 1 << 40
"""The place of a record that came after every join: behind all others."""


@dataclass(frozen=True)
class Member:
    """A record, there tonight or not, of an id whose join may be undone.

    Attributes:
        record_id: the record.
        patient_id: the id that it went by until tonight.
        part: its cluster of tonight; the record's own key where it is not there.
        is_gone: whether it is not there tonight.
        is_live: whether it is there tonight and was on the prior's night.
    """

    record_id: str
    patient_id: str
    part: str
    is_gone: bool = False
    is_live: bool = True


@dataclass(frozen=True)
class Join:
    """An id that was joined into another.

    Attributes:
        patient_id: the id that was joined.
        into: the id that lives on.
        night: when.
        since: since which night it has been joined at all; earlier where it was joined into yet another id before.
    """

    patient_id: str
    into: str
    night: date
    since: date


@dataclass
class GivenBack:
    """What becomes of the records of undone joins.

    Attributes:
        claims: record that is there tonight to the id that it goes back to, where that is another than it had.
        former: record that is not there to the id that it goes back to, likewise.
        kept: id to the part that keeps it, for ids that lived on until tonight.
        astray: id that stays joined, to the part that holds its records, where it would now resolve to another one.
    """

    claims: dict[str, str] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    astray: dict[str, str] = field(default_factory=dict)


def give_back(
    members: Iterable[Member],
    joins: Iterable[Join],
    moves: Iterable[tuple[str, date, str]],
    undone_parts: Mapping[str, set[str]],
) -> GivenBack:
    """Which id each record goes back to.

    Args:
        members: every record of the ids concerned.
        joins: every id that is joined into one of the ids concerned, directly or through others.
        moves: record, night and the id that it had before, from `moved_record`.
        undone_parts: id concerned to the parts that an override speaks of: only these get an id back. Others parted by
            data alone.
    """
    moved: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for record, night, patient_id in moves:
        moved[record].append((night, patient_id))
    below: dict[str, list[Join]] = defaultdict(list)
    for join in joins:
        below[join.into].append(join)
    people: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        people[member.patient_id].append(member)
    given = GivenBack()
    for patient_id, records in people.items():
        _give_back_one(patient_id, records, below, moved, undone_parts.get(patient_id, set()), given)
    return given


@dataclass(frozen=True)
class _Step:
    """One id on a record's path, and since when the record has been with it; the smaller, the longer."""

    patient_id: str
    since: int


def _path(patient_id: str, below: Mapping[str, list[Join]], moved: Sequence[tuple[date, str]]) -> list[_Step]:
    """From the id that a record had until tonight down to the deepest that it came from."""
    steps: list[_Step] = []
    while True:
        came = [join for join in below.get(patient_id, ()) if _came_by(join, below, moved)]
        if not came:
            # Its own from before the first join that found it there; else it is not known to have been there at any.
            stood = [2 * night.toordinal() - 1 for night, had in moved if had == patient_id]
            return [*steps, _Step(patient_id, min(stood, default=_LATE))]
        # The last way by which it came; of two on one night that of the id that it had earlier.
        last = max(came, key=lambda join: (join.night, -join.since.toordinal(), join.patient_id))
        steps.append(_Step(patient_id, 2 * last.night.toordinal()))
        patient_id = last.patient_id


def _came_by(join: Join, below: Mapping[str, list[Join]], moved: Sequence[tuple[date, str]]) -> bool:
    """Whether a record came with an id that was joined: with the id itself, or with one joined into it.

    The latter shows only where a night ran several times: of all its runs, what is kept is where a record came from.
    """
    then = [(night, had) for night, had in moved if join.since <= night <= join.night]
    return any(had == join.patient_id for _, had in then) or (
        bool(then) and any(_came_by(deeper, below, then) for deeper in below.get(join.patient_id, ()))
    )


def _give_back_one(
    patient_id: str,
    records: Sequence[Member],
    below: Mapping[str, list[Join]],
    moved: Mapping[str, list[tuple[date, str]]],
    undone: set[str],
    given: GivenBack,
) -> None:
    paths = {member.record_id: _path(patient_id, below, moved.get(member.record_id, ())) for member in records}
    if all(len(path) == 1 for path in paths.values()):
        return  # one person from the beginning: it parts as any other
    owners = _owners([m for m in records if m.part in undone or not m.is_gone], paths)
    keeper = owners[patient_id]
    # Whose join is undone: then also for those of its records that parted by themselves, or just returned.
    back = {step.patient_id for m in records if m.part in undone - {keeper} for step in paths[m.record_id][1:]}
    claims: dict[str, str] = {}
    for member in records:
        path = [step.patient_id for step in paths[member.record_id]]
        own = [each for each in path if owners.get(each) == member.part]
        if own and (member.part in undone or own[0] in back):
            claims[member.record_id] = own[0]
    claims |= _for_those_that_came_since(records, claims) | _for_those_that_left(records, claims, paths)
    for member in records:
        claim = claims.get(member.record_id, patient_id)
        if claim != patient_id:
            (given.former if member.is_gone else given.claims)[member.record_id] = claim
    if any(member.part == keeper and not member.is_gone for member in records):
        given.kept[patient_id] = keeper
    there = {member.part for member in records if not member.is_gone}
    given.astray |= {each: part for each, part in _astray(patient_id, owners, below, claims).items() if part in there}


def _astray(
    patient_id: str, owners: Mapping[str, str], below: Mapping[str, list[Join]], claims: Mapping[str, str]
) -> dict[str, str]:
    """Ids that stay joined into one that went to another part than their own records did."""
    back = set(claims.values())
    found: dict[str, str] = {}
    waiting = [(patient_id, join) for join in below.get(patient_id, ())]
    while waiting:
        living, join = waiting.pop()
        if join.patient_id in back:
            living = join.patient_id
        elif join.patient_id in owners and owners[join.patient_id] != owners[living]:
            found[join.patient_id] = owners[join.patient_id]
        waiting += [(living, deeper) for deeper in below.get(join.patient_id, ())]
    return found


def _for_those_that_came_since(records: Sequence[Member], claims: Mapping[str, str]) -> dict[str, str]:
    """Records without a way back go with the most of their part."""
    by_part: dict[str, Counter[str]] = defaultdict(Counter)
    for member in records:
        if member.record_id in claims:
            by_part[member.part][claims[member.record_id]] += 1
    most = {part: min(counts.items(), key=lambda each: (-each[1], each[0]))[0] for part, counts in by_part.items()}
    return {m.record_id: most[m.part] for m in records if m.record_id not in claims and m.part in most}


def _for_those_that_left(
    records: Sequence[Member], claims: Mapping[str, str], paths: Mapping[str, list[_Step]]
) -> dict[str, str]:
    """Records that are not there and that no override speaks of: the deepest id on their path that lives again."""
    back = set(claims.values())
    found: dict[str, str] = {}
    for member in records:
        if member.is_gone and member.record_id not in claims:
            own = [step.patient_id for step in paths[member.record_id] if step.patient_id in back]
            if own:
                found[member.record_id] = own[-1]
    return found


def _owners(records: Sequence[Member], paths: Mapping[str, list[_Step]]) -> dict[str, str]:
    """Id to the part that has been with it longest; among equals one that is there, then the larger."""
    since: dict[str, dict[str, int]] = defaultdict(dict)
    for member in records:
        for step in paths[member.record_id]:
            parts = since[step.patient_id]
            parts[member.part] = min(parts.get(member.part, step.since), step.since)
    live = Counter(member.part for member in records if member.is_live)
    there = Counter(member.part for member in records if not member.is_gone)
    return {
        patient_id: min(parts, key=lambda part: (parts[part], there[part] == 0, -live[part], -there[part], part))
        for patient_id, parts in since.items()
    }
