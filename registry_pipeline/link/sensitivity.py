"""What the night's headline counts would be if the match threshold lay elsewhere.

What belongs here: making the groups within reach of a moved threshold anew, by the same code that clusters a night, and
counting what changes. What does not: choosing a threshold, and scoring a pair again (weights do not rest on it).

Only pairs that nothing but their weight decided are judged anew: rules, NHS numbers, local merges and overrides keep
their say. The groups that hold such a pair are few, so a night of millions takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from registry_pipeline.link import cluster
from registry_pipeline.link.model import KEPT_WEIGHT, POSSIBLE_MATCH_WEIGHT, SMALL_DATA, LinkageModel
from registry_pipeline.link.records import run_script
from registry_pipeline.link.regroup import STAY_MARGIN
from registry_pipeline.storage import Home, load_sql, scan

if TYPE_CHECKING:
    import duckdb

MOVES = (-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
"""Units of match weight: one is twice the odds, four are sixteen times."""

MOST_RECORDS_ALL_ANEW = SMALL_DATA
"""In data without families who is left over rests on all records of the night: up to so many, all groups are made anew
for each move; in larger data nothing is said."""

APPROXIMATION = (
    (
        "Only pairs that nothing but their weight decided are judged anew; rules, NHS numbers, local merges and"
        " overrides keep their say, and so do cuts: a group that holds what cannot be one person is taken apart as on"
        " any night."
    ),
    (
        f"Pairs that stay joined tonight on up to {STAY_MARGIN:g} less than joining needs may lie as far below the"
        " moved threshold; whoever was joined outright needs the moved threshold in full, as if the night were linked"
        " anew. In a registry that stands, fewer people would part on the first nights after such a move than is told."
    ),
    (
        "What a single link needs to join two groups of several records does not move with the threshold; groups that"
        f" hang together tonight stay so on up to {STAY_MARGIN:g} less."
    ),
    f"Pairs of a weight below {KEPT_WEIGHT:g} are not kept and stay apart at every threshold.",
    (
        "In data without families a few pairs that match for want of anybody else may come out otherwise than on the"
        " night."
    ),
)
"""What a reader has to know of the figures."""


@dataclass(frozen=True)
class Step:
    """The counts at a moved threshold.

    Attributes:
        move: by how much it is moved; 0 is the night itself.
        threshold: match weight from which on a pair is joined.
        people: clusters, single records too.
        joined_pairs: pairs of records in one cluster.
        multi_record_people: clusters of two records or more.
        records_changed: records that would share their cluster with others than tonight.
        pairs_gained, pairs_lost: pairs of records that would be in one cluster and are not, and the other way round.
    """

    move: float
    threshold: float
    people: int
    joined_pairs: int
    multi_record_people: int
    records_changed: int
    pairs_gained: int
    pairs_lost: int

    def as_json(self) -> dict[str, Any]:
        """The step for a JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class Counts:
    """What is counted of a night."""

    records: int
    people: int
    multi_record_people: int
    joined_pairs: int


def count_night(connection: duckdb.DuckDBPyConnection) -> Counts:
    """The night's own counts, from `person_cluster`."""
    rows = connection.execute(
        "SELECT coalesce(sum(n), 0)::BIGINT, count(*), count(*) FILTER (n > 1),"
        " coalesce(sum(n * (n - 1) // 2), 0)::BIGINT"
        " FROM (SELECT count(*) AS n FROM person_cluster GROUP BY cluster_id)"
    ).fetchall()
    return Counts(*(int(value) for value in rows[0]))


def move_threshold(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    night: date,
    model: LinkageModel,
    counts: Counts,
    *,
    prior: float | None = None,
) -> list[Step] | None:
    """The counts at each of `MOVES`; None where only linking all of a large night anew could tell.

    Args:
        connection: holds `linked_pair` and `person_cluster` of the night, and `everybody`.
        home: where the night's other files lie.
        night: that was linked.
        model: that scored it.
        counts: of the night.
        prior: probability that two records drawn at random are one person, as it was when the pairs were scored.
    """
    groups = moved_groups(connection, home, night, model, counts.records, MOVES, prior=prior)
    if groups is None:
        return None
    steps = []
    for move, moved in groups:
        people, several, gained, lost, changed = connection.execute(load_sql("evidence_change")).fetchall()[0]
        steps.append(
            Step(
                move=move,
                threshold=moved.match_weight,
                people=counts.people + people,
                joined_pairs=counts.joined_pairs + gained - lost,
                multi_record_people=counts.multi_record_people + several,
                records_changed=changed,
                pairs_gained=gained,
                pairs_lost=lost,
            )
        )
    return steps


def moved_groups(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    night: date,
    model: LinkageModel,
    records: int,
    moves: Sequence[float],
    *,
    prior: float | None,
) -> Iterator[tuple[float, LinkageModel]] | None:
    """The groups within reach of moved thresholds, made anew one move after another.

    Args:
        connection: as for `move_threshold`.
        home: where the night's other files lie.
        night: that was linked.
        model: that scored it.
        records: of the night.
        moves: units of match weight.
        prior: as for `move_threshold`.

    Returns:
        Each move with the moved model; while it is at hand, `clustered` (id, cluster) holds the groups and
        `moved_record` (id, record_id, cluster_id) the records. None where only linking all of a large night anew could
        tell.
    """
    all_groups = cluster.rests_on_all_records(model)
    if all_groups and records > MOST_RECORDS_ALL_ANEW:
        return None
    _name_inputs(connection, home, night)
    reach = {"lowest": model.match_weight + min(moves), "highest": model.match_weight + max(moves)}
    run_script(connection, "evidence_moved", {**reach, "all_groups": all_groups})
    return _each_move(connection, model, moves, all_groups=all_groups, prior=prior)


def _each_move(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    moves: Sequence[float],
    *,
    all_groups: bool,
    prior: float | None,
) -> Iterator[tuple[float, LinkageModel]]:
    for move in moves:
        moved = replace(model, match_weight=model.match_weight + move)
        judged = (
            load_sql("evidence_judged")
            .replace("/* threshold */", repr(moved.match_weight))
            .replace("/* possible */", repr(POSSIBLE_MATCH_WEIGHT))
            .replace("/* all_groups */", str(all_groups).lower())
        )
        connection.execute(f"CREATE OR REPLACE TEMP VIEW judged_part AS {judged}")
        cluster.make_clusters(connection, moved, prior=prior)
        yield move, moved


def _name_inputs(connection: duckdb.DuckDBPyConnection, home: Home, night: date) -> None:
    """Make the views `held_pair` and `night_override`; empty where the night kept none."""
    nothing = "(SELECT 0::BIGINT AS override_id, '' AS kind, '' AS record_id_l, '' AS record_id_r LIMIT 0)"
    for view, table in (("held_pair", "held_pair"), ("night_override", "override_pair")):
        file = home.linked(table, night)
        source = scan(file) if file.is_file() else nothing
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {source}")  # noqa: S608  # own paths
