"""What people decided about identity: must-links and cannot-links, made, undone, and as pairs of a night.

What belongs here: what a side stands for today, what is refused and why, files of overrides, undoing a join, and the
record pairs in force on a night. What does not: keeping them (`override_store`), what contradicts them
(`override_check`), what they do to clusters (`cluster`) and to ids (`identity`).

A side is a record key (`PROVIDER:local_id`) or a patient_id. A person stands for the records that he or she has in the
current registry when the override is made, so an override means the same on every later night, whatever becomes of the
id. It takes effect with the next run; one with an end is in force on nights before it.
"""

from __future__ import annotations

import csv
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline import outcomes
from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import identity
from registry_pipeline.storage import Home, connect, load_sql, scan, snapshot_night
from registry_pipeline.tables import TABLES

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from registry_pipeline.link.override_check import Known
    from registry_pipeline.link.override_store import Decision, Kind, Override, Undone

MOST_PAIRS = 20_000
"""Record pairs that one override may come to: two hundred records of one person. A person of more is a fault of the
data to be looked at, and pairs named one by one say better what is meant."""

THIS_ONE = "this one"
"""What messages call the only override that is asked for."""

FILE_COLUMNS = ("kind", "left", "right", "who", "why", "until")
"""Columns of a file of overrides; `role` may stand beside them."""

KINDS: Mapping[str, Kind] = {
    "must_link": "must_link", "must-link": "must_link", "cannot_link": "cannot_link", "cannot-link": "cannot_link",
}  # fmt: skip
"""How a kind may be written."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An override as somebody asks for it, before anything is known of it.

    Attributes:
        kind: `must-link` or `cannot-link`; an underscore will do.
        left, right: record keys or patient_ids.
        who, why, role: who decides, for what reason, in which role.
        until: in force on nights before this date, as YYYY-MM-DD; None or empty: until it is undone.
        name: what messages call it: a line of a file.
    """

    kind: str
    left: str
    right: str
    who: str
    why: str
    role: str | None = None
    until: str | None = None
    name: str = THIS_ONE


@dataclass(frozen=True)
class Made:
    """An override that was written down, and what it will do, in words."""

    override: Override
    effect: str


@dataclass(frozen=True)
class Side:
    """What one side stands for in the current registry."""

    given: str
    is_person: bool
    people: frozenset[str]
    records: tuple[str, ...]


def pairs_in_force(configuration: Configuration, night: date) -> pa.Table:
    """The record pairs that overrides in force on a night speak of, whether or not their records are there that night.

    Args:
        configuration: the deployment.
        night: the registry's night.

    Returns:
        Columns `override_id` (BIGINT), `kind`, `record_id_l`, `record_id_r` (the smaller first), in that order.

    Raises:
        BadInput: the database that the deployment names for overrides cannot be told.
        RunFailed: the store cannot be read; without its overrides a night would undo them.
    """
    import pyarrow as pa

    rows = [
        (override.override_id, override.kind, *pair)
        for override in all_overrides(configuration)
        if override.in_force(night)
        for pair in override.pairs
    ]
    numbers, kinds, lefts, rights = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "override_id": pa.array(numbers, pa.int64()),
            "kind": pa.array(kinds, pa.string()),
            "record_id_l": pa.array(lefts, pa.string()),
            "record_id_r": pa.array(rights, pa.string()),
        }
    )


def all_overrides(configuration: Configuration) -> list[Override]:
    """Every override ever made, undone ones too, by number.

    Raises:
        BadInput: the database that the deployment names for overrides cannot be told.
        RunFailed: the store cannot be read.
    """
    if configuration.deployment.overrides_url_env is None and not Home(configuration.home).overrides.is_file():
        return []  # the usual night: not worth loading SQLAlchemy for
    from registry_pipeline.link.override_store import store_of

    return store_of(configuration).overrides()


def state(override: Override, night: date) -> str:
    """Whether an override is in force on a night, or why it is not, in words."""
    if override.undone is not None:
        return f"undone by {signed(override.undone)}"
    return "in force" if override.in_force(night) else f"ended on {override.ends}"


def signed(said: Override | Undone) -> str:
    """Who said it, in which role, when and why."""
    role = f" ({said.role})" if said.role else ""
    return f"{said.who}{role} on {said.made_at:%Y-%m-%d %H:%M} UTC: {said.why}"


def add(configuration: Configuration, asked: Asked) -> Made:
    """Make one override.

    Raises:
        BadInput: it says nothing, a side is unknown, or it contradicts what is in force; nothing was changed.
        RunFailed: the store cannot be written.
    """
    with _published(configuration) as registry:
        decided, faults = _decide(registry, [asked])
        seen = all_overrides(configuration)
        faults += _contradictions(registry, seen, decided)
        if faults:
            raise BadInput(_refusal(faults))
        return _write(registry, decided, seen)[0]


def unjoin(configuration: Configuration, patient_id: str, *, who: str, why: str, role: str | None = None) -> Made:
    """Undo a join: keep the records that an id had when it was joined into another apart from that person's others.

    Args:
        configuration: the deployment.
        patient_id: the id that was joined into another.
        who: who decides.
        why: for what reason.
        role: in which role.

    Raises:
        BadInput: the id was not joined, or its records are not known any more; nothing was changed.
        RunFailed: the store cannot be written.
    """
    from registry_pipeline.link.override_store import Decision

    with _published(configuration) as registry:
        living = identity.resolve(registry.folder, patient_id)
        asked = str(uuid.UUID(patient_id))
        if living == asked:
            raise BadInput(f"The patient_id {asked} goes by itself today: no join of it is there to undo.")
        before, others = registry.before_join(asked, living)
        if not before or not others:
            raise BadInput(
                f"Nothing of {living} can be told apart as what {asked} was before the join: name the record keys"
                " (registry override cannot-link)."
            )
        decision = Decision(
            kind="cannot_link",
            level="person",
            left=asked,
            right=living,
            left_records=before,
            right_records=others,
            who=who.strip(),
            role=(role or "").strip() or None,
            why=why.strip(),
        )
        decided = [_Decided(decision, frozenset([living]), frozenset([living]), THIS_ONE)]
        seen = all_overrides(configuration)
        faults = [(THIS_ONE, fault) for fault in (*_unsaid(who, why), *_too_many(decision))]
        faults += _contradictions(registry, seen, decided)
        if faults:
            raise BadInput(_refusal(faults))
        [made] = _write(registry, decided, seen)
        effect = (
            f"the {len(before)} records that {asked} had before it was joined into {living} part from that person's"
            f" {len(others)} others, and get their id back"
        )
        return replace(made, effect=effect)


def undo(configuration: Configuration, number: int, *, who: str, why: str, role: str | None = None) -> Override:
    """Take an override back; it stays written down, with who took it back, why and when.

    Raises:
        BadInput: there is no such override, it is undone already, or who or why is empty.
        RunFailed: the store cannot be written.
    """
    from registry_pipeline.link.override_store import store_of

    if unsaid := _unsaid(who, why):
        raise BadInput(f"Nothing was undone: {'; '.join(unsaid)}.")
    store = store_of(configuration)
    _standing(store.overrides(), number)
    with store.writing() as writer:
        override = _standing(writer.overrides(), number)
        undone = writer.undo(number, who=who.strip(), role=(role or "").strip() or None, why=why.strip())
    return replace(override, undone=undone)


def _standing(overrides: Sequence[Override], number: int) -> Override:
    found = next((each for each in overrides if each.override_id == number), None)
    if found is None:
        there = f"the last one is {overrides[-1].override_id}" if overrides else "there is none yet"
        raise BadInput(f"There is no override {number} ({there}): see registry override list --all.")
    if found.undone is not None:
        raise BadInput(
            f"Override {number} was undone already, by {found.undone.who} on {found.undone.made_at:%Y-%m-%d}: nothing"
            " was changed."
        )
    return found


# A file of them -----------------------------------------------------------------------------------------------------


def apply(configuration: Configuration, file: Path) -> list[Made]:
    """Make every override of a CSV file, or none.

    Args:
        configuration: the deployment.
        file: UTF-8, with a header that names `FILE_COLUMNS`.

    Raises:
        BadInput: the file cannot be read, or lines are at fault; each is named with file and line; nothing was changed.
        RunFailed: the store cannot be written.
    """
    asked, faults = _lines(file)
    with _published(configuration) as registry:
        decided, refused = _decide(registry, asked)
        seen = all_overrides(configuration)
        faults += [*refused, *_contradictions(registry, seen, decided)]
        if faults:
            told = [f"{file}, {name}: {fault}" for name, fault in sorted(faults, key=lambda f: int(f[0].split()[-1]))]
            lines = "line is" if len(faults) == 1 else "lines are"
            raise BadInput("\n".join([f"{len(faults)} {lines} at fault, and nothing of {file} was applied:", *told]))
        return _write(registry, decided, seen)


def _lines(file: Path) -> tuple[list[Asked], list[tuple[str, str]]]:
    """What the lines of a file ask for, and those that are no line of such a file."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise BadInput(f"{file} cannot be read ({type(problem).__name__}): give a CSV file of overrides.") from problem
    except UnicodeDecodeError as problem:
        raise BadInput(f"{file} is not UTF-8 text: save it as CSV in UTF-8.") from problem
    rows = _rows(text, file)
    _, header = next(rows, (1, []))
    columns = [name.strip().lower() for name in header]
    missing = [name for name in FILE_COLUMNS if name not in columns]
    unknown = [name for name in columns if name not in (*FILE_COLUMNS, "role")]
    if missing or unknown or len(set(columns)) < len(columns):
        raise BadInput(
            f"{file}, line 1: the columns are to be {', '.join(FILE_COLUMNS)} and, if wanted, role, each once;"
            f" missing here: {', '.join(missing) or 'none'}; not known: {len(unknown)}."
        )
    asked, faults = [], []
    for line, cells in rows:
        name = f"line {line}"
        if len(cells) != len(columns):
            faults.append((name, f"it has {len(cells)} cells, and the header {len(columns)}"))
            continue
        asked.append(Asked(**dict(zip(columns, cells, strict=True)), name=name))
    if not asked and not faults:
        raise BadInput(f"{file} holds no override below its header: nothing was changed.")
    return asked, faults


def _rows(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins; empty lines are passed over."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise BadInput(f"{file}, line {line}: not CSV ({problem}); nothing was changed.") from problem
        if any(cell.strip() for cell in row):
            yield line, row


# What is asked for, and what stands against it ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Decided:
    """A decision, the people of today that its sides are of, and what messages call it."""

    decision: Decision
    left: frozenset[str]
    right: frozenset[str]
    name: str


def _decide(registry: _Registry, asked: Sequence[Asked]) -> tuple[list[_Decided], list[tuple[str, str]]]:
    """Each as a decision, or the name of what is asked for with why it is refused."""
    sides = registry.sides({side.strip() for each in asked for side in (each.left, each.right)})
    decided, faults = [], []
    for each in asked:
        found = _decision(registry, each, sides)
        if isinstance(found, _Decided):
            decided.append(found)
        else:
            faults += [(each.name, fault) for fault in found]
    return decided, faults


def _decision(registry: _Registry, asked: Asked, sides: Mapping[str, Side | str]) -> _Decided | list[str]:
    """One decision, or everything that is wrong with what was asked for."""
    from registry_pipeline.link.override_store import Decision

    faults = _unsaid(asked.who, asked.why)
    kind = KINDS.get(asked.kind.strip().lower())
    if kind is None:
        faults.append("kind is neither must_link nor cannot_link")
    ends, wrong = _end(asked.until, registry.night)
    faults += wrong
    left, right = sides[asked.left.strip()], sides[asked.right.strip()]
    faults += [f"{name}: {side}" for name, side in (("left", left), ("right", right)) if isinstance(side, str)]
    if faults or isinstance(left, str) or isinstance(right, str) or kind is None:
        return faults
    left, right = _parted(left, right)
    if not left.records or not right.records or left.records == right.records:
        return [_same(left, right)]
    decision = Decision(
        kind=kind,
        level="person" if left.is_person or right.is_person else "record",
        left=left.given,
        right=right.given,
        left_records=left.records,
        right_records=right.records,
        who=asked.who.strip(),
        role=(asked.role or "").strip() or None,
        why=asked.why.strip(),
        ends=ends,
    )
    return _too_many(decision) or _Decided(decision, left.people, right.people, asked.name)


def _unsaid(who: str, why: str) -> list[str]:
    return [f"{name} is empty: it is to be known who decided and why" for name, text in (("who", who), ("why", why))
            if not text.strip()]  # fmt: skip


def _end(until: str | None, night: date) -> tuple[date | None, list[str]]:
    """The date from which an override is in force no longer, and what is wrong with it."""
    if until is None or not until.strip():
        return None, []
    try:
        ends = datetime.strptime(until.strip(), "%Y-%m-%d").date()  # noqa: DTZ007  # a date, without a time zone
    except ValueError:
        return None, ["until is not a date: write it as YYYY-MM-DD"]
    if ends <= night:
        return None, [f"until {ends} is past: the registry stands at the night {night}, and no later one is before it"]
    return ends, []


def _parted(left: Side, right: Side) -> tuple[Side, Side]:
    """A record and the person who has it: the person's other records are meant."""
    if left.is_person and not right.is_person:
        return replace(left, records=tuple(r for r in left.records if r not in right.records)), right
    if right.is_person and not left.is_person:
        return left, replace(right, records=tuple(r for r in right.records if r not in left.records))
    return left, right


def _same(left: Side, right: Side) -> str:
    if left.given == right.given or not left.is_person or not right.is_person:
        return "both sides are the same"
    return (
        "both sides are the same person today; to part them name record keys, or undo the join"
        " (registry override unjoin)"
    )


def _too_many(decision: Decision) -> list[str]:
    left, right = len(decision.left_records), len(decision.right_records)
    pairs = (left + right) * (left + right - 1) // 2 if decision.kind == "must_link" else left * right
    if pairs <= MOST_PAIRS:
        return []
    return [f"it comes to {pairs:,} pairs of records, more than {MOST_PAIRS:,}: name the record keys that are meant"]


def _contradictions(
    registry: _Registry, overrides: Sequence[Override], decided: Sequence[_Decided]
) -> list[tuple[str, str]]:
    """Names and reasons of decisions that contradict overrides in force, or one of those before them."""
    from registry_pipeline.link.override_check import InForce

    graph = InForce()
    for override in overrides:
        if override.in_force(registry.night):
            graph.add(override, f"override {override.override_id}")
    known: list[Known] = []

    def what_is_known() -> Known:
        if not known:
            new = (r for d in decided for r in (*d.decision.left_records, *d.decision.right_records))
            known.append(registry.known({*graph.must, *new}))
        return known[0]

    faults = []
    for each in decided:
        against = graph.against(each.decision, what_is_known)
        if against is None:
            graph.add(each.decision, each.name)
        else:
            faults.append((each.name, against))
    return faults


def _write(registry: _Registry, decided: Sequence[_Decided], seen: Sequence[Override]) -> list[Made]:
    """Write all or none down; what somebody else has written since it was checked is looked at first."""
    from registry_pipeline.link.override_store import store_of

    with store_of(registry.configuration).writing() as writer:
        there = writer.overrides()
        faults = _contradictions(registry, there, decided) if there != seen else []
        if faults:
            raise BadInput(_refusal(faults))
        return [Made(writer.add(each.decision), _effect(each)) for each in decided]


def _refusal(faults: Sequence[tuple[str, str]]) -> str:
    """One sentence on why nothing was written."""
    told = "; ".join(dict.fromkeys(fault if name == THIS_ONE else f"{name}: {fault}" for name, fault in faults))
    return f"The override is refused, and nothing was changed: {told}."


def _effect(decided: _Decided) -> str:
    decision, people = decided.decision, decided.left | decided.right
    count = len({*decision.left_records, *decision.right_records})
    if decision.kind == "must_link":
        if len(people) == 1:
            return f"the {count} records are of one person already, and stay so whatever their data come to say"
        return f"{len(people)} people of today become one: {', '.join(sorted(people))}"
    if decided.left & decided.right:
        return f"the two sides are one person today ({', '.join(sorted(decided.left & decided.right))}), and part"
    return "the two sides are different people today, and stay so whatever their data come to say"


# The current registry -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Registry:
    """The published registry that sides are looked up in."""

    configuration: Configuration
    connection: duckdb.DuckDBPyConnection
    folder: Path

    @property
    def night(self) -> date:
        return snapshot_night(self.folder)

    def sides(self, given: Iterable[str]) -> dict[str, Side | str]:
        """What each key or id stands for, or why it stands for nothing."""
        ids = {side: identified for side in given if (identified := _as_id(side)) is not None}
        keys = {side for side in given if side not in ids}
        found = self._found({*keys, *ids.values()})
        told: dict[str, Side | str] = {}
        for side, identified in ids.items():
            told[side] = found.get(identified) or self._joined(identified)
        for side in keys:
            told[side] = found.get(side) or self._unknown(side)
        return told

    def _found(self, given: set[str]) -> dict[str, Side]:
        rows = self.connection.execute(load_sql("override_side"), {"given": sorted(given)}).fetchall()
        records: dict[str, list[tuple[str, str]]] = {}
        for side, person, record in rows:
            records.setdefault(side, []).append((person, record))
        return {
            side: Side(
                given=side,
                is_person=_as_id(side) is not None,
                people=frozenset(person for person, _ in held),
                records=tuple(record for _, record in held),
            )
            for side, held in records.items()
        }

    def _joined(self, patient_id: str) -> Side | str:
        """An id without records of its own: who it is today."""
        try:
            living = identity.resolve(self.folder, patient_id)
        except BadInput as problem:
            return str(problem).rstrip(".")
        found = self._found({living}).get(living)
        return replace(found, given=patient_id) if found else f"the patient_id {patient_id} has no record today"

    def _unknown(self, side: str) -> str:
        provider = side.partition(":")[0]
        if provider not in self.configuration.providers or ":" not in side:
            # Not quoted: who mistypes may have written a name or a number.
            return "it is neither a record key (PROVIDER:local_id, of a provider here) nor a patient_id (a UUID)"
        return f"there is no record {side} in the current registry ({self.folder.name})"

    def known(self, records: Iterable[str]) -> Known:
        """What the registry knows of the people whom these records are of."""
        from registry_pipeline.link.override_check import Fact, Known
        from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER

        self._name_person_records()
        rows = self.connection.execute(
            load_sql("override_known"),
            {"record_ids": sorted(set(records)), "most_records_of_a_number": MOST_RECORDS_OF_A_NUMBER},
        ).fetchall()
        records_of: dict[str, list[str]] = {}
        for person, record, *_ in rows:
            records_of.setdefault(person, []).append(record)
        facts = {
            record: Fact(record, nhs_number=number, is_verified=verified, death_date=death)
            for _, record, verified, death, number in rows
            if number is not None or death is not None
        }
        return Known({record: person for person, record, *_ in rows}, records_of, facts)

    def _name_person_records(self) -> None:
        """The standardised records that the registry was made from, and today's form of superseded numbers."""
        home = Home(self.configuration.home)
        shares = outcomes.shares_of_night(self.configuration, self.night)
        sources = {
            "person_record": [
                home.staged("person_record", share.provider.provider, share.night)
                for share in shares
                if share.feed == "patient"
            ],
            "nhs_number_replacement": [
                home.staged("nhs_number_replacement", share.provider.provider, each, share.feed)
                for share in shares
                if share.feed == "nhs_number_replacement"
                for each in share.nights
            ],
        }
        for table, files in sources.items():
            gone = [file for file in files if not file.is_file()]
            if gone:
                raise RunFailed(
                    f"{gone[0]} is gone, from which the registry was made, so nobody can tell what contradicts an"
                    " override: run the night again, then make the override."
                )
            source = scan(files) if files else _no_rows(table)
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM {source}")  # noqa: S608  # own names and paths
        self.connection.execute(load_sql("link_replaced_numbers"))

    def before_join(self, joined: str, living: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Records that an id had when it was joined, and the others that the person has today."""
        rows = self.connection.execute(
            load_sql("override_before_join"), {"patient_id": joined, "living": living}
        ).fetchall()
        return tuple(r for r, had in rows if had), tuple(r for r, had in rows if not had)


@contextmanager
def _published(configuration: Configuration) -> Iterator[_Registry]:
    home = Home(configuration.home)
    if not home.current.exists():
        raise BadInput(
            f"Nothing is published under {home.root} yet, so no side is known: run a night first (registry run)."
        )
    folder = home.current.resolve()
    deployment = configuration.deployment
    with closing(
        connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
    ) as connection:
        for table in ("patient_record", "identity_event", "moved_record"):
            file = folder / f"{table}.parquet"
            source = scan(file) if file.is_file() else _no_rows(table)
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {source}")  # noqa: S608  # own names and paths
        yield _Registry(configuration, connection, folder)


def _no_rows(table: str) -> str:
    """A table without rows, for what there is not (yet)."""
    columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns)
    return f"(SELECT {columns} LIMIT 0)"


def _as_id(side: str) -> str | None:
    """A patient_id in its usual form, or None for what is none."""
    if not re.fullmatch(r"[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}", side):
        return None
    return str(uuid.UUID(side))
