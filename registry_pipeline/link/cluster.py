"""From judged pairs to groups of records of one person.

What belongs here: connected groups, and cutting those that hold something that cannot be: two NHS numbers, a pair that
a rule kept apart, or two large groups on one weak link. What does not: how pairs were judged (`match`), and ids that
last (`identity`).

Groups without a doubt stay in DuckDB. Doubtful ones are built anew in Python, link by link in order of evidence; they
are few, and only their ids, weights and NHS number ids are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.link.match import run_script
from registry_pipeline.link.model import (
    BRIDGE_WEIGHT,
    CERTAIN,
    LARGE_GROUP,
    MATCH_WEIGHT,
    MOST_KNOWN_TWICE,
    RIVAL_WEIGHT,
    LinkageModel,
)
from registry_pipeline.storage import scan

if TYPE_CHECKING:
    import duckdb

KEEPING_APART = (
    "different_given_name_in_one_family",
    "different_sex_and_given_name",
    "parent_and_child_of_one_name",
)
"""Rules of `sql/link_decide.sql` that say of a pair that would otherwise match that it is two people."""


@dataclass(frozen=True)
class Link:
    """A link between two records; `is_certain` where a rule (one NHS number, a local merge) made it."""

    left: int
    right: int
    weight: float
    is_certain: bool


@dataclass
class _Group:
    members: list[int]
    number: int | None
    kept_apart: set[int] = field(default_factory=set)


def agglomerate(
    links: Iterable[Link], numbers: Mapping[int, int], kept_apart: Iterable[tuple[int, int]] = ()
) -> dict[int, int]:
    """Join records link by link, strongest evidence first, and never into what cannot be one person.

    Args:
        links: between records.
        numbers: record to the id of its valid NHS number (superseded ones count as what replaced them).
        kept_apart: pairs of records that a rule keeps apart; a certain link overrules it.

    Returns:
        Record to the smallest record of its group, for every record of a link. The order of the input is of no account.
    """
    ordered = sorted(links, key=lambda k: (not k.is_certain, -round(k.weight, 6), k.left, k.right))
    certain = {(min(k.left, k.right), max(k.left, k.right)) for k in ordered if k.is_certain}
    home: dict[int, _Group] = {}
    for record in {record for link in ordered for record in (link.left, link.right)}:
        home[record] = _Group([record], numbers.get(record))
    for a, b in kept_apart:
        if (min(a, b), max(a, b)) not in certain and a in home and b in home:
            home[a].kept_apart.add(b)
            home[b].kept_apart.add(a)
    for link in ordered:
        left, right = home[link.left], home[link.right]
        if left is not right and _may_join(left, right, link):
            larger, smaller = (left, right) if len(left.members) >= len(right.members) else (right, left)
            larger.members += smaller.members
            larger.kept_apart |= smaller.kept_apart
            larger.number = larger.number if larger.number is not None else smaller.number
            for record in smaller.members:
                home[record] = larger
    smallest = {id(group): min(group.members) for group in home.values()}
    return {record: smallest[id(group)] for record, group in home.items()}


def _may_join(left: _Group, right: _Group, link: Link) -> bool:
    if left.number is not None and right.number is not None and left.number != right.number:
        return False
    if not left.kept_apart.isdisjoint(right.members):
        return False
    if link.is_certain:
        return True
    smaller = min(len(left.members), len(right.members))
    if smaller >= LARGE_GROUP:
        return link.weight >= BRIDGE_WEIGHT
    return smaller < 2 or link.weight >= MATCH_WEIGHT


def make_clusters(connection: duckdb.DuckDBPyConnection, parts: list[Path], model: LinkageModel) -> int:
    """Make `judged_pair` (what became of each pair in the end) and `clustered` (id, cluster).

    Args:
        connection: holds `link_record`.
        parts: judged pairs.
        model: that scored them.

    Returns:
        Groups that were doubtful and built anew.
    """
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    connection.execute(f"CREATE OR REPLACE TEMP VIEW judged_part AS SELECT * FROM {scan(parts)}")  # noqa: S608
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE apart_edge AS"
        " SELECT id_l, id_r FROM judged_part WHERE list_contains($keeping_apart, decided_by)",
        {"keeping_apart": list(KEEPING_APART)},
    )
    _decide_again(connection, model)
    run_script(connection, "link_edges", {"certain": list(CERTAIN)})
    if not connection.execute("SELECT count(*) FROM match_edge").fetchall()[0][0]:
        connection.execute("CREATE OR REPLACE TEMP TABLE clustered (id INTEGER, cluster INTEGER)")
        return 0
    api = DuckDBAPI(connection=connection)
    found = cluster_pairwise_predictions_at_threshold(
        api.register("match_node"), api.register("match_edge"), api, "id", "id_l", "id_r"
    )
    bound = {"large_cluster": 2 * LARGE_GROUP, "sure_weight": MATCH_WEIGHT}
    connection.execute(f"CREATE OR REPLACE TEMP VIEW component AS SELECT cluster_id, id FROM {found.physical_name}")  # noqa: S608
    run_script(connection, "link_doubtful", bound)
    rebuilt = _rebuild_doubtful(connection)
    run_script(connection, "link_clusters", {})
    connection.execute("DROP VIEW component")
    found.drop_table_from_database_and_remove_from_cache()
    return rebuilt


def _decide_again(connection: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Make `judged_pair`: the judged pairs, but for those whose outcome rests on what became of others."""
    records, providers = connection.execute("SELECT count(*), count(DISTINCT provider) FROM link_record").fetchall()[0]
    matches, within = connection.execute(
        "SELECT count(*), count(*) FILTER (same_provider) FROM judged_part WHERE outcome = 'match'"
    ).fetchall()[0]
    prior = model.prior(records)
    bound = {
        "match_weight": model.match_weight,
        "prior_odds": prior / (1 - prior),
        "rival_weight": RIVAL_WEIGHT,
        # Families would be left over together: only where there are none do the weights say how likely a pair is.
        "is_one_each": not model.has_households and providers > 1 and within <= MOST_KNOWN_TWICE * matches,
        "certain": list(CERTAIN),
    }
    run_script(connection, "link_left_over", bound)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW judged_pair AS SELECT judged_part.decided_by AS judged_by,"
        " judged_part.outcome AS judged_outcome, NULL::BIGINT AS override_id, judged_part.* REPLACE ("
        "coalesce(decided_again.decided_by, judged_part.decided_by) AS decided_by,"
        " coalesce(decided_again.outcome, judged_part.outcome) AS outcome)"
        " FROM judged_part LEFT JOIN decided_again USING (id_l, id_r)"
    )


def _rebuild_doubtful(connection: duckdb.DuckDBPyConnection) -> int:
    """Make `rebuilt` (id, cluster) from the doubtful components."""
    import pyarrow as pa

    links = connection.sql("SELECT id_l, id_r, weight, is_certain FROM doubtful_edge").to_arrow_table()
    numbers = connection.sql("SELECT id, number_id FROM doubtful_number").to_arrow_table()
    apart = connection.sql("SELECT id_l, id_r FROM doubtful_apart").to_arrow_table()
    made = agglomerate(
        (Link(*row) for row in zip(*(column.to_pylist() for column in links.columns), strict=True)),
        dict(zip(*(column.to_pylist() for column in numbers.columns), strict=True)),
        zip(*(column.to_pylist() for column in apart.columns), strict=True),
    )
    ids, clusters = list(made), list(made.values())
    table = pa.table({"id": pa.array(ids, pa.int32()), "cluster": pa.array(clusters, pa.int32())})
    connection.register("rebuilt_rows", table)
    connection.execute("CREATE OR REPLACE TEMP TABLE rebuilt AS SELECT * FROM rebuilt_rows")
    connection.unregister("rebuilt_rows")
    return int(connection.execute("SELECT count(*) FROM doubtful_component").fetchall()[0][0])
