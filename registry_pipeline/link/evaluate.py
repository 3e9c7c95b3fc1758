"""How well a night was linked, measured against a known truth.

What belongs here: pairwise precision and recall of the clusters, where pairs were lost (blocking, score, cut) and
which decision made the false ones. What does not: anything that a night's run uses; the truth is read here only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import match
from registry_pipeline.outcomes import shares_of_night
from registry_pipeline.storage import Home, connect, load_sql, scan

if TYPE_CHECKING:
    import duckdb

PERSON_COLUMNS = ("person_id", "true_id")
"""What the truth may call the person; the first that is there is taken."""


@dataclass(frozen=True)
class Evaluation:
    """Pairs of person records, counted against the truth.

    Attributes:
        true_pairs: pairs of records of one person.
        joined_pairs: pairs that the clusters join.
        true_joined_pairs: pairs that are both.
        candidate_true_pairs: true pairs that were compared at all (by a blocking rule, a number or a merge).
        by_decision: what decided a pair that was judged a match, and its true and false pairs.
        by_settings: settings of the two records ("gp + acute"), and true, joined and true joined pairs.
    """

    records: int
    people: int
    true_pairs: int
    joined_pairs: int
    true_joined_pairs: int
    candidate_true_pairs: int
    by_decision: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    by_settings: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """Share of joined pairs that are true; 1 where nothing was joined."""
        return self.true_joined_pairs / self.joined_pairs if self.joined_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of true pairs that were joined; 1 where there are none."""
        return self.true_joined_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def blocking_recall(self) -> float:
        """Share of true pairs that were compared directly; others can only be joined through a third record."""
        return self.candidate_true_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def false_pairs(self) -> int:
        """Joined pairs of two people."""
        return self.joined_pairs - self.true_joined_pairs

    @property
    def missed_pairs(self) -> int:
        """True pairs that were not joined."""
        return self.true_pairs - self.true_joined_pairs

    def figures(self) -> dict[str, float | int]:
        """The figures by name: shares are floats, counts are integers."""
        made: dict[str, float | int] = {
            "precision": self.precision,
            "recall": self.recall,
            "blocking recall": self.blocking_recall,
            "person records": self.records,
            "people": self.people,
            "true pairs": self.true_pairs,
            "false pairs": self.false_pairs,
            "missed pairs": self.missed_pairs,
        }
        for decision, (true, false) in self.by_decision.items():
            made[f"decided by {decision}: true pairs"] = true
            made[f"decided by {decision}: false pairs"] = false
        for settings, (true, joined, both) in self.by_settings.items():
            if joined:
                made[f"{settings}: precision"] = both / joined
            if true:
                made[f"{settings}: recall"] = both / true
        return made


def evaluate(configuration: Configuration, night: date, truth: Path) -> Evaluation:
    """Compare a linked night with a truth.

    Args:
        configuration: of the deployment.
        night: a night that has been linked.
        truth: Parquet or CSV with provider, local_id and person_id (or true_id).

    Raises:
        BadInput: the truth cannot be read or lacks a column.
        RunFailed: the night is not linked.
    """
    home = Home(configuration.home)
    clusters, pairs = home.linked("person_cluster", night), home.linked("linked_pair", night)
    if not clusters.is_file() or not pairs.is_file():
        raise RunFailed(f"The night {night} is not linked yet: run it first.")
    connection = connect(
        home, memory_limit=configuration.deployment.memory_limit, threads=configuration.deployment.threads
    )
    try:
        _load_truth(connection, truth)
        connection.execute(f"CREATE TEMP VIEW person_cluster AS SELECT * FROM {scan(clusters)}")  # noqa: S608
        connection.execute(f"CREATE TEMP VIEW linked_pair AS SELECT * FROM {scan(pairs)}")  # noqa: S608
        match.load_records(connection, home, shares_of_night(configuration, night))
        match.block(connection)
        return _counted(connection)
    finally:
        connection.close()


def _load_truth(connection: duckdb.DuckDBPyConnection, truth: Path) -> None:
    import duckdb

    place = str(truth).replace("'", "''")
    reader = "read_csv" if ".csv" in truth.suffixes else "read_parquet"
    extra = ", all_varchar = true" if reader == "read_csv" else ""
    try:
        relation = connection.sql(f"SELECT * FROM {reader}('{place}'{extra})")  # noqa: S608  # a quoted path
    except duckdb.Error as problem:
        raise BadInput(f"The truth file {truth} cannot be read as Parquet or CSV.") from problem
    person = next((c for c in PERSON_COLUMNS if c in relation.columns), None)
    if person is None or not {"provider", "local_id"} <= set(relation.columns):
        raise BadInput(f"The truth file {truth} needs the columns provider, local_id and person_id.")
    connection.execute(
        "CREATE TEMP TABLE truth AS SELECT DISTINCT provider || ':' || local_id AS record_id,"  # noqa: S608
        f" {person}::VARCHAR AS person FROM {reader}('{place}'{extra}) WHERE {person} IS NOT NULL"
    )


def _counted(connection: duckdb.DuckDBPyConnection) -> Evaluation:
    match.run_script(connection, "link_evaluate", {})
    totals = [int(total or 0) for total in connection.execute(load_sql("link_evaluate_totals")).fetchall()[0]]
    decisions = connection.execute(
        "SELECT decided_by, count(*) FILTER (is_true), count(*) FILTER (NOT is_true) FROM judged_match"
        " GROUP BY decided_by ORDER BY decided_by"
    ).fetchall()
    settings = connection.execute(
        "SELECT settings, sum(is_true::INTEGER), sum(is_joined::INTEGER), sum((is_true AND is_joined)::INTEGER)"
        " FROM pair_of_settings GROUP BY settings ORDER BY settings"
    ).fetchall()
    return Evaluation(
        records=totals[0],
        people=totals[1],
        true_pairs=totals[2],
        joined_pairs=totals[3],
        true_joined_pairs=totals[4],
        candidate_true_pairs=totals[5],
        by_decision={name: (true, false) for name, true, false in decisions},
        by_settings={name: (int(true), int(joined), int(both)) for name, true, joined, both in settings},
    )
