"""From judged pairs to groups of records of one person.

What belongs here: connected groups, finding those that may hold something that cannot be, and what became of every pair
and record. What does not: how pairs were judged (`match`), how a doubtful group is built anew (`regroup`), and ids that
last (`identity`).

Groups without a doubt stay in DuckDB. Doubtful ones are built anew in Python; they are few, and only their numbers,
weights and what must agree are read. A group's clusters are a function of its own records, pairs and overrides, and of
the ids of the night before, so a night may re-make only the groups that it touches. One thing rests on all records of
the night: who is left over (`rests_on_all_records`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from registry_pipeline.link.match import run_script
from registry_pipeline.link.model import (
    CERTAIN,
    GENERATION_YEARS,
    LARGE_GROUP,
    MATCH_WEIGHT,
    MOST_KNOWN_TWICE,
    RIVAL_WEIGHT,
    LinkageModel,
    comparison_named,
)
from registry_pipeline.link.regroup import (
    SAME_DEATH_DAYS,
    STAY_MARGIN,
    Apart,
    Link,
    Note,
    Override,
    Record,
    Regrouped,
    regroup,
)

if TYPE_CHECKING:
    import duckdb
    import numpy as np

KEEPING_APART: Mapping[str, str] = {
    "different_given_name_in_one_family": "given_name",
    "different_sex_and_given_name": "given_name",
    "parent_and_child_of_one_name": "birth_date",
    "newborn_without_given_name": "given_name",
}
"""Rules of `sql/link_decide.sql` that say of a pair that would otherwise match that it is two people, and the field in
which the two differ."""

REASONS: Mapping[str, str] = {
    "possible_match": "Two records may be one person: the evidence is not enough to join them without a look.",
    "two_nhs_numbers": "Records that look like one person carry two different valid NHS numbers between them.",
    "two_deaths": "Records that look like one person carry two different dates of death between them.",
    "kept_apart": "A record fits a person of whom a rule says that it is somebody else: a twin, a parent, a child.",
    "fits_two_people": "A record lacks the field that tells two people apart, and fits both about equally well.",
    "weak_bridge": "Two groups of records hang together by one weak link, which was not followed.",
    "large_cluster": "More records look like one person than a person has; no score adds another one.",
    "cannot_link": "A record fits two people whom an override keeps apart; it stays with the better fit.",
    "overrides_contradict": "Overrides say that records are one person and that they are not; all stays as it was.",
    "override_contradicts_data": "An override joins what carries two NHS numbers or two deaths; all stays as it was.",
    "frozen": "A link leads to a group that contradicting overrides hold as it was; it waits until they are settled.",
}
"""Why something needs a person's attention (`needs_attention.reason`), in a sentence for people."""

MOST_RECORDS_IN_A_GROUP = 5_000
"""In a connected group of more, which nobody could look through, only certain links and those of one person last night
are followed; the group goes to a person as a large cluster."""


RECORDS_IN_A_BATCH = 100_000
"""Records of doubtful groups that are held in Python at a time: some 200 MB, in data where most groups are doubtful."""


@dataclass(frozen=True)
class Made:
    """What clustering gave: names and counts only.

    Attributes:
        attention: reason to rows of `attention`.
        rebuilt: groups that were doubtful and built anew.
        largest: records of the largest cluster.
    """

    attention: Mapping[str, int] = field(default_factory=dict)
    rebuilt: int = 0
    largest: int = 0


def make_clusters(connection: duckdb.DuckDBPyConnection, model: LinkageModel, *, prior: float | None = None) -> Made:
    """Make `judged_pair`, `clustered`, `held_in` and `attention`; see `sql/cluster_made.sql`.

    Args:
        connection: holds `cluster_record`, `judged_part`, `override_link` and `prior_record`.
        model: that scored the pairs.
        prior: probability that two records drawn at random are one person, as it was when the pairs were scored; None
            takes the model's for tonight's number of records. Only where `rests_on_all_records` is it asked for.
    """
    _find_left_over(connection, model, prior)
    run_script(
        connection,
        "cluster_links",
        {
            "stay_weight": model.match_weight - STAY_MARGIN,
            "has_households": model.has_households,
            "certain": list(CERTAIN),
            **_levels(),
        },
    )
    _connect_records(connection)
    run_script(
        connection,
        "cluster_doubtful",
        {
            "rules": list(KEEPING_APART),
            "fields": list(KEEPING_APART.values()),
            "has_households": model.has_households,
            "generation_years": GENERATION_YEARS,
            "same_death_days": SAME_DEATH_DAYS,
            "large_group": 2 * LARGE_GROUP,
            "most_in_a_group": MOST_RECORDS_IN_A_GROUP,
            "sure_weight": MATCH_WEIGHT,
            "records_in_a_batch": RECORDS_IN_A_BATCH,
            **_levels(),
        },
    )
    counted, rebuilt = _rebuild_doubtful(connection)
    run_script(connection, "cluster_made", {})
    largest = connection.execute("SELECT max(n) FROM (SELECT count(*) AS n FROM clustered GROUP BY cluster)").fetchall()
    return Made(counted, rebuilt, int(largest[0][0] or 0))


def rests_on_all_records(model: LinkageModel) -> bool:
    """Whether clusters rest on more than their own group: on who is left over. Then every group must be made anew."""
    return not model.has_households


def _levels() -> dict[str, int]:
    return {
        "given_initial": comparison_named("given_name").gamma("initial"),
        "given_different": comparison_named("given_name").gamma("different"),
        "birth_different": comparison_named("birth_date").gamma("different"),
        "sex_different": comparison_named("sex").gamma("different"),
    }


def _find_left_over(connection: duckdb.DuckDBPyConnection, model: LinkageModel, prior: float | None) -> None:
    """Make `left_over`: empty unless the data shows no families and each provider knows a person once.

    Families would be left over together: only where there are none do the weights say how likely a pair is.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE left_over (id_l INTEGER, id_r INTEGER)")
    if not rests_on_all_records(model):
        return
    records, providers, matches, within = connection.execute(
        "SELECT * FROM (SELECT count(*), count(DISTINCT provider) FROM cluster_record),"
        " (SELECT count(*), count(*) FILTER (same_provider) FROM judged_part WHERE judged_outcome = 'match')"
    ).fetchall()[0]
    if providers < 2 or within > MOST_KNOWN_TWICE * matches:
        return
    prior = model.prior(records) if prior is None else prior
    bound = {
        "match_weight": model.match_weight, "prior_odds": prior / (1 - prior), "rival_weight": RIVAL_WEIGHT
    }  # fmt: skip
    run_script(connection, "cluster_left_over", bound)


def _connect_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `component` (id, component): every linked record with one record of its connected group."""
    import pyarrow as pa

    edges = connection.sql(
        "SELECT id_l, id_r FROM match_edge"
        " UNION ALL SELECT id_l::INTEGER, id_r::INTEGER FROM override_link WHERE kind = 'must_link'"
    ).to_arrow_table()
    left, right = (column.to_numpy() for column in edges.columns)
    ids, labels = connected(left, right)
    _hand_over(connection, "component", pa.table({"id": ids, "component": labels}))


def connected(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The connected groups of some pairs: every number that stands in one, and the smallest one of its group.

    Each round hangs the larger root of a pair under the smaller one, then lets everybody point at a root; as many
    rounds as the logarithm of the longest chain, and no more memory than a few arrays of the pairs' or records' length.

    Args:
        left: one number of each pair, from 0 and without large gaps.
        right: the other.
    """
    import numpy as np

    parent = np.arange(1 + max(left.max(initial=-1), right.max(initial=-1)), dtype=np.int32)
    is_linked = np.zeros(len(parent), dtype=bool)
    is_linked[left] = is_linked[right] = True
    while len(left):
        low, high = np.minimum(left, right), np.maximum(left, right)
        apart = low != high
        low, high = low[apart], high[apart]
        np.minimum.at(parent, high, low)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
        left, right = parent[low], parent[high]
    ids = np.flatnonzero(is_linked).astype(np.int32)
    return ids, parent[ids]


def _hand_over(connection: duckdb.DuckDBPyConnection, name: str, rows: Any) -> None:
    connection.register("handed_over", rows)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM handed_over")  # noqa: S608  # own names
    connection.unregister("handed_over")


@dataclass
class _Doubtful:
    """A doubtful group as it was read: positions in it are in the order of record_id."""

    ids: list[int] = field(default_factory=list)
    record_ids: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    aparts: list[Apart] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    left_out: list[tuple[int, int]] = field(default_factory=list)


def _rebuild_doubtful(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], int]:
    """Make `rebuilt`, `cut_link`, `frozen_record` and `attention` from the doubtful groups, so many at a time.

    Returns:
        Rows of `attention` by reason, and how many groups there were.
    """
    groups, batches = connection.execute(
        "SELECT count(*), coalesce(max(batch), -1) + 1 FROM doubtful_component"
    ).fetchall()[0]
    made = _Rows()
    for batch in range(batches):
        for group in _read_doubtful(connection, batch).values():
            made.add(group, regroup(group.records, group.links, group.aparts, group.overrides))
    made.hand_over(connection)
    return dict(sorted(Counter(row["reason"] for row in made.attention).items())), int(groups)


def _read_doubtful(connection: duckdb.DuckDBPyConnection, batch: int) -> dict[int, _Doubtful]:
    groups: dict[int, _Doubtful] = defaultdict(_Doubtful)
    place: dict[int, int] = {}
    # In the order of record_id: a record's place in its group is its number there.
    columns = "record_id, id, number_id, death_date, prior"
    for component, record_id, number, *about in _rows(connection, batch, "doubtful_record", columns):
        group = groups[component]
        place[number] = len(group.ids)
        group.ids.append(number)
        group.record_ids.append(record_id)
        group.records.append(Record(*about))
    columns = "id_l, id_r, is_followed, weight, decided_by, is_certain, says_given, says_birth, only_stays"
    for component, left, right, is_followed, *about in _rows(connection, batch, "doubtful_link", columns):
        if is_followed:
            groups[component].links.append(Link(place[left], place[right], *about))
        else:
            groups[component].left_out.append((left, right))
    for component, left, right, *about in _rows(connection, batch, "apart_pair", "id_l, id_r, differs_in, is_soft"):
        groups[component].aparts.append(Apart(place[left], place[right], *about))
    columns = "override_id, is_must, id_l, id_r"
    for component, number, is_must, left, right in _rows(connection, batch, "doubtful_override", columns):
        groups[component].overrides.append(Override(number, is_must, place[left], place[right]))
    return dict(groups)


def _rows(connection: duckdb.DuckDBPyConnection, batch: int, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """The component and some columns of a table, of the groups of a batch, in order."""
    found = connection.sql(
        f"SELECT component, {columns} FROM {table}"  # noqa: S608  # own names
        " SEMI JOIN (FROM doubtful_component WHERE batch = $batch) AS asked USING (component) ORDER BY ALL",
        params={"batch": batch},
    ).to_arrow_table()
    return zip(*(column.to_pylist() for column in found.columns), strict=True)


@dataclass
class _Rows:
    """What the doubtful groups became, as rows for DuckDB."""

    rebuilt: list[tuple[int, int, int]] = field(default_factory=list)
    cut: list[tuple[int, int, str]] = field(default_factory=list)
    frozen: list[int] = field(default_factory=list)
    attention: list[dict[str, Any]] = field(default_factory=list)

    def add(self, group: _Doubtful, made: Regrouped) -> None:
        """Take in one group."""
        if group.left_out:
            made = self._add_left_out(group, made)
        ids = group.ids
        self.rebuilt += [
            (ids[record], ids[first], ids[connected_first])
            for record, (first, connected_first) in enumerate(zip(made.first, made.connected, strict=True))
        ]
        for (left, right), reason in made.cut.items():
            self.cut.append((min(ids[left], ids[right]), max(ids[left], ids[right]), reason))
        self.frozen += [ids[record] for record in made.frozen]
        for note in made.notes:
            self.attention.append(
                {
                    "component": ids[made.connected[note.records[0]]],
                    "reason": note.reason,
                    "record_ids": [group.record_ids[record] for record in note.records],
                    "decided_by": note.decided_by,
                    "match_weight": note.weight,
                    "override_ids": list(note.override_ids),
                }
            )

    def _add_left_out(self, group: _Doubtful, made: Regrouped) -> Regrouped:
        """Say of the links that were not followed in a group too large that they were cut, and why."""
        cluster = dict(zip(group.ids, made.first, strict=True))
        self.cut += [(*pair, "large_cluster") for pair in group.left_out if cluster[pair[0]] != cluster[pair[1]]]
        everybody = Note("large_cluster", tuple(range(len(group.ids))))
        return replace(made, connected=(0,) * len(group.ids), notes=(*made.notes, everybody))

    def hand_over(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables."""
        import pyarrow as pa

        rebuilt = list(zip(*self.rebuilt, strict=True)) or [(), (), ()]
        names = ("id", "cluster", "component")
        _hand_over(
            connection, "rebuilt", pa.table({n: pa.array(c, pa.int32()) for n, c in zip(names, rebuilt, strict=True)})
        )
        cut = list(zip(*self.cut, strict=True)) or [(), (), ()]
        types = {"id_l": pa.int32(), "id_r": pa.int32(), "reason": pa.string()}
        _hand_over(
            connection, "cut_link", pa.table({n: pa.array(c, t) for (n, t), c in zip(types.items(), cut, strict=True)})
        )
        _hand_over(connection, "frozen_record", pa.table({"id": pa.array(self.frozen, pa.int32())}))
        schema = pa.schema(
            {
                "component": pa.int32(),
                "reason": pa.string(),
                "record_ids": pa.list_(pa.string()),
                "decided_by": pa.string(),
                "match_weight": pa.float64(),
                "override_ids": pa.list_(pa.int64()),
            }
        )
        _hand_over(connection, "attention", pa.Table.from_pylist(self.attention, schema))
