"""A night's judged pairs as a few lines, clustered: what the tests of clusters are written in."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from registry_pipeline.link.cluster import Made, make_clusters
from registry_pipeline.link.model import COMPARISONS, LinkageModel, comparison_named
from registry_pipeline.storage import Home, connect, load_sql

MODEL = LinkageModel("test", 0.5, {}, has_households=True, match_weight=10.0)

LEVELS = ", ".join(f"{c.name}_level INTEGER, {c.name}_weight FLOAT" for c in COMPARISONS)


@dataclass(frozen=True)
class Rec:
    """A record; the prior is the patient_id of the night before, as any text."""

    number: int | None = None
    given: str | None = None
    born: str | None = None
    died: date | None = None
    infant: bool = False
    prior: str | None = None
    provider: str = "P"


@dataclass(frozen=True)
class Pair:
    """A pair of records as it was judged; levels by name, None where a side is missing."""

    left: str
    right: str
    weight: float = 20.0
    by: str = "match_weight"
    outcome: str | None = None
    given: str | None = "same"
    born: str | None = "same"
    sex: str | None = "same"

    @property
    def judged_outcome(self) -> str:
        """As the score says, unless it is given."""
        if self.outcome is not None:
            return self.outcome
        if self.by in ("same_nhs_number", "local_merge"):
            return "match"
        return "match" if self.by == "match_weight" and self.weight >= MODEL.match_weight else "possible_match"


@dataclass(frozen=True)
class Night:
    """What is clustered."""

    records: Mapping[str, Rec]
    pairs: Sequence[Pair] = ()
    must: Sequence[tuple[str, str]] = ()
    cannot: Sequence[tuple[str, str]] = ()

    def with_prior(self, clusters: Mapping[str, str]) -> Night:
        """The night after: every cluster was one person."""
        return replace(self, records={name: replace(r, prior=clusters[name]) for name, r in self.records.items()})

    def only(self, names: Iterable[str]) -> Night:
        """Some of the records, with what is known of these alone."""
        kept = set(names)
        return Night(
            {name: self.records[name] for name in self.records if name in kept},
            [p for p in self.pairs if p.left in kept and p.right in kept],
            [p for p in self.must if set(p) <= kept],
            [p for p in self.cannot if set(p) <= kept],
        )


@dataclass(frozen=True)
class Clustered:
    """What came of it, by the names of the records."""

    made: Made
    cluster: Mapping[str, str]
    component: Mapping[str, str]
    pairs: Mapping[tuple[str, str], tuple[str, str, int | None]]
    held: Mapping[str, tuple[str, float, bool]]
    attention: Sequence[tuple[str, str, str, tuple[Any, ...]]]

    @property
    def groups(self) -> set[str]:
        """Each cluster as its records in one text."""
        groups: dict[str, list[str]] = {}
        for name, first in sorted(self.cluster.items()):
            groups.setdefault(first, []).append(name)
        return {" ".join(names) for names in groups.values()}

    @property
    def reasons(self) -> set[str]:
        """Reason and records of everything that needs attention."""
        return {f"{reason}: {records}" for reason, records, *_ in self.attention}


@contextmanager
def clustering(folder):
    """A function that clusters nights, one after the other, on one connection."""
    connection = connect(Home(folder), threads=1)
    try:
        yield lambda night, **options: cluster_night(connection, night, **options)
    finally:
        connection.close()


def cluster_night(connection, night: Night, *, model: LinkageModel = MODEL, order: Sequence[str] = ()) -> Clustered:
    """Cluster; `order` gives the order in which the records are numbered."""
    ids = {name: number for number, name in enumerate(order or sorted(night.records), start=1)}
    _fill(connection, "cluster_record", _RECORD, [_record(ids[name], name, r) for name, r in night.records.items()])
    _fill(connection, "judged_part", f"{_PAIR}, {LEVELS}", [_pair(ids, pair) for pair in night.pairs])
    overrides = [
        (kind, *p) for kind, pairs in (("must_link", night.must), ("cannot_link", night.cannot)) for p in pairs
    ]
    _fill(
        connection,
        "override_link",
        "override_id BIGINT, kind VARCHAR, id_l INTEGER, id_r INTEGER",
        [
            (number, kind, min(ids[left], ids[right]), max(ids[left], ids[right]))
            for number, (kind, left, right) in enumerate(overrides, start=1)
        ],
    )
    _fill(
        connection,
        "prior_record",
        "record_id VARCHAR, patient_id UUID",
        [(n, uuid.uuid5(uuid.NAMESPACE_OID, r.prior)) for n, r in night.records.items() if r.prior is not None],
    )
    made = make_clusters(connection, model)
    return _read(connection, made)


_RECORD = (
    "id INTEGER, record_id VARCHAR, provider VARCHAR, setting VARCHAR, number_id BIGINT, is_verified BOOLEAN,"
    " given_name VARCHAR, birth_digits VARCHAR, death_date DATE, is_infant BOOLEAN, sex VARCHAR"
)
_PAIR = (
    "id_l INTEGER, id_r INTEGER, same_provider BOOLEAN, judged_by VARCHAR, judged_outcome VARCHAR, match_weight DOUBLE,"
    " match_probability DOUBLE, rule INTEGER"
)


def _record(number: int, name: str, r: Rec) -> tuple[Any, ...]:
    return (number, name, r.provider, "gp", r.number, r.number is not None, r.given, r.born, r.died, r.infant, None)


def _pair(ids: Mapping[str, int], pair: Pair) -> tuple[Any, ...]:
    left, right = sorted((ids[pair.left], ids[pair.right]))
    levels = {"given_name": pair.given, "birth_date": pair.born, "sex": pair.sex}
    row: list[Any] = [left, right, False, pair.by, pair.judged_outcome, pair.weight, 1 / (1 + 2**-pair.weight), 2]
    for comparison in COMPARISONS:
        level = levels.get(comparison.name)
        row += [comparison_named(comparison.name).gamma(level) if level else -1, None]
    return tuple(row)


def _fill(connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
    if rows:
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def _read(connection, made: Made) -> Clustered:
    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query).fetchall()

    clusters = rows(f"SELECT record_id, cluster_id, component_id FROM ({load_sql('link_person_cluster')})")
    pairs = rows(
        "SELECT least(l.record_id, r.record_id), greatest(l.record_id, r.record_id), decided_by, outcome, override_id"
        " FROM judged_pair INNER JOIN cluster_record AS l ON l.id = id_l INNER JOIN cluster_record AS r ON r.id = id_r"
    )
    held = rows(
        "SELECT record_id, link_method, round(link_probability, 6), is_conflict_cut"
        f" FROM ({load_sql('link_person_cluster')})"
    )
    attention = rows(
        "SELECT reason, array_to_string(record_ids, ' '), record_id, decided_by, match_weight, override_ids"
        " FROM attention LEFT JOIN cluster_record ON cluster_record.id = component ORDER BY ALL"
    )
    return Clustered(
        made,
        {record: cluster for record, cluster, _ in clusters},
        {record: component for record, _, component in clusters},
        {(left, right): tuple(rest) for left, right, *rest in pairs},
        {record: tuple(rest) for record, *rest in held},
        [(reason, records, component, tuple(map(str, rest))) for reason, records, component, *rest in attention],
    )
