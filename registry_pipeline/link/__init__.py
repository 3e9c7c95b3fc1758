"""Which person records belong to one person: pairs, then clusters, for one night.

What belongs here: the stage's entry points. `model` says what is compared and where thresholds lie, `match` makes and
judges pairs, `cluster` groups them, `train` learns a model's numbers, `evaluate` measures against a truth, and
`identity` gives clusters ids that last. What does not: which nights' data count (`outcomes` says so).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from registry_pipeline.config import Configuration
from registry_pipeline.link import cluster, match
from registry_pipeline.link.evaluate import Evaluation, evaluate
from registry_pipeline.link.model import CANDIDATE_RULES, choose_model, filled_comparisons
from registry_pipeline.link.train import Trained, train
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, connect, load_sql, write_table
from registry_pipeline.tables import TABLES

__all__ = ["Evaluation", "Linked", "Trained", "choose_model", "evaluate", "link_night", "train"]


@dataclass(frozen=True)
class Linked:
    """What linking a night gave: names and counts only.

    Attributes:
        model_version: the model that scored.
        rows: rows of `linked_pair` and `person_cluster`.
        comparisons: comparisons that could say something tonight.
        pairs_by_rule: pairs that were compared, by the first blocking rule that found them.
        values_left_out: blocking rule to values that were too common to block on.
        decisions: "outcome: what decided" to pairs kept.
        doubtful_groups: groups that held two NHS numbers or two people by rule, and were cut.
    """

    model_version: str
    rows: dict[str, int]
    comparisons: tuple[str, ...] = ()
    pairs_by_rule: dict[str, int] = field(default_factory=dict)
    values_left_out: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    doubtful_groups: int = 0


def link_night(configuration: Configuration, night: date, shares: Sequence[Share]) -> Linked:
    """Link a night's person records with a trained model; writes `linked_pair` and `person_cluster`.

    Args:
        configuration: says where models lie.
        night: the registry's night.
        shares: which extracts count.

    Raises:
        BadInput: there is no model to use.
        RunFailed: there are no person records, or the disk is full.
    """
    home = Home(configuration.home)
    deployment = configuration.deployment
    connection = connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)
    folder = home.temporary / f"link-{uuid.uuid4().hex[:8]}"
    try:
        match.load_records(connection, home, shares)
        columns = match.filled_columns(connection)
        model = choose_model(configuration, columns)
        comparisons = tuple(c for c in filled_comparisons(columns) if c in model.comparisons)
        blocked = match.block(connection)
        parts = match.judge_pairs(connection, model, comparisons, folder)
        doubtful = cluster.make_clusters(connection, parts, model)
        rows = {
            "linked_pair": write_table(
                connection,
                match.linked_pair_query(comparisons),
                TABLES["linked_pair"],
                home.linked("linked_pair", night),
                {"rule_names": list(CANDIDATE_RULES), "model_version": model.version},
            ),
            "person_cluster": write_table(
                connection,
                load_sql("link_person_cluster"),
                TABLES["person_cluster"],
                home.linked("person_cluster", night),
            ),
        }
        decisions = connection.execute(
            "SELECT outcome || ': ' || decided_by, count(*) FROM judged_pair GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return Linked(
            model_version=model.version,
            rows=rows,
            comparisons=comparisons,
            pairs_by_rule=blocked.pairs,
            values_left_out=blocked.values_left_out,
            decisions=dict(decisions),
            doubtful_groups=doubtful,
        )
    finally:
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)
