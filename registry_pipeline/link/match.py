"""From candidate pairs to judged pairs: scoring in chunks, and the rules between score and join.

What belongs here: running Splink and `sql/link_decide.sql` over pairs, within bounded memory. What does not: features
(`records`), which pairs (`block`), what is compared and where thresholds lie (`model`), and groups (`cluster`).

Pairs are blocked by `block` and not by Splink, because blocks are capped to a budget, pairs of two different verified
NHS numbers are left out before anything is scored, and every rule's count is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.link.block import Blocked, block
from registry_pipeline.link.model import (
    COMPARISONS,
    FREQUENCY_COLUMNS,
    LevelNumbers,
    LinkageModel,
    compared_columns,
    comparison_named,
    decision_parameters,
    level_numbers,
    splink_settings,
)
from registry_pipeline.link.records import filled_columns, load_records, make_features, run_script, set_frequencies
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    import duckdb

PAIRS_IN_A_CHUNK = 500_000
"""Pairs that are scored at a time: memory stays flat, and a chunk is large enough for two cores."""

HALF_A_LEVEL = 1e-6
"""Weights this close are one level's: far above the error of a sum of floats, far below what a weight means."""


def told_apart(model: LinkageModel) -> LinkageModel:
    """The model with m moved by so little that no two levels of a comparison, nor a missing side, weigh the same."""
    moved = {}
    for name, numbers in model.comparisons.items():
        taken = [0.0]
        moved[name] = dict(numbers)
        for level, number in numbers.items():
            changed = number
            while any(abs(changed.weight - weight) < 2 * HALF_A_LEVEL for weight in taken):
                changed = LevelNumbers(changed.m * (1 - 4 * HALF_A_LEVEL), changed.u)
            moved[name][level] = changed
            taken.append(changed.weight)
    return replace(model, comparisons=moved)


class Scorer:
    """Scores pairs of `link_record` with Splink and one model's numbers, a chunk at a time."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, model: LinkageModel, comparisons: Sequence[str], records: int
    ) -> None:
        from splink import DuckDBAPI, Linker

        self._connection = connection
        self._comparisons = [c.name for c in COMPARISONS if c.name in comparisons and c.name in model.comparisons]
        self._model = told_apart(model)
        self._api = DuckDBAPI(connection=connection)
        settings = splink_settings(self._model, self._comparisons, records)
        # Splink copies whole rows of whatever a chunk's pairs are of: it is shown what is compared, and no more.
        columns = ", ".join(("id", *compared_columns(self._comparisons)))
        connection.execute(f"CREATE OR REPLACE TEMP VIEW compared_record AS SELECT {columns} FROM link_record")  # noqa: S608
        self._linker = Linker(self._api.register("compared_record"), settings)
        self._use_own_frequencies()
        # Splink tells each step on the terminal, where it would stand between the progress bars.
        logging.getLogger("splink").setLevel(logging.WARNING)

    def _use_own_frequencies(self) -> None:
        """Keep Splink from counting values anew for each chunk: the records carry their frequencies (`tf_` columns)."""
        for column in FREQUENCY_COLUMNS:
            lookup = f"no_frequency_{column}"
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {lookup} ({column} VARCHAR, tf_{column} DOUBLE)"  # own names
            )
            self._linker.table_management.register_term_frequency_lookup(self._api.register(lookup), column)

    def score(self, pairs: str, then: Callable[[], Any]) -> Any:
        """Score the pairs of a table (id_l, id_r, rule); `then` finds them in the view `scored`."""
        connection = self._connection
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE chunk_pair AS"  # noqa: S608  # own names
            f" SELECT id_l AS join_key_l, id_r AS join_key_r, rule AS match_key FROM {pairs}"
        )
        blocked = self._api.register("chunk_pair")
        self._linker.table_management.register_blocked_pairs_for_predict(blocked)
        predictions = self._linker.inference.predict(warning_mode="never")
        try:
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW scored AS {self._named(predictions.physical_name)}"  # own names
            )
            return then()
        finally:
            connection.execute("DROP VIEW IF EXISTS scored")
            predictions.drop_table_from_database_and_remove_from_cache()

    def _named(self, table: str) -> str:
        """Splink's result with a level and a weight for each comparison; -1 and NULL where it says nothing tonight."""
        columns = [
            f"{self._level(c.name)} AS {c.name}_level, {self._weight(c.name)} AS {c.name}_weight"
            if c.name in self._comparisons
            else f"-1 AS {c.name}_level, NULL::FLOAT AS {c.name}_weight"
            for c in COMPARISONS
        ]
        return (
            "SELECT id_l, id_r, match_key AS rule, match_weight, match_probability,"  # noqa: S608  # own names
            f" {', '.join(columns)} FROM {table}"
        )

    def _level(self, name: str) -> str:
        """The level from its weight: Splink gives the level itself only along with every column that was compared."""
        comparison = comparison_named(name)
        numbers = self._model.comparisons[name]
        cases = " ".join(
            f"WHEN abs(mw_{name} - {numbers[level.name].weight!r}) < {HALF_A_LEVEL!r}"
            f" THEN {comparison.gamma(level.name)}"
            for level in comparison.levels
        )
        return f"CASE {cases} ELSE -1 END"

    def _weight(self, name: str) -> str:
        by_frequency = any(level.frequency_of for c in COMPARISONS if c.name == name for level in c.levels)
        return f"(mw_{name} + mw_tf_adj_{name})::FLOAT" if by_frequency else f"mw_{name}::FLOAT"


def judge_pairs(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    comparisons: Sequence[str],
    folder: Path,
    *,
    records: int | None = None,
) -> list[Path]:
    """Score and judge every candidate pair, a chunk at a time.

    Records of one content are scored once: what a pair weighs depends on the contents of its two records only.

    Args:
        connection: holds `link_record` and `candidate_pair`.
        model: the numbers.
        comparisons: those that can say something tonight.
        folder: where the parts go, one Parquet file a chunk.
        records: person records that the prior is of; None takes those that there are.

    Returns:
        The parts: kept pairs by the numbers `id_l` and `id_r` of `link_record`, what became of each, and the level and
        the weight of every comparison.
    """
    set_levels(connection)
    set_frequencies(connection, model)
    run_script(connection, "link_pairs_to_score", {})
    present, pairs = connection.execute(
        "SELECT (SELECT count(*) FROM counted_record), (SELECT count(*) FROM content_pair)"
    ).fetchall()[0]
    scorer = Scorer(connection, model, comparisons, records or present)
    chunks = max(1, -(-pairs // PAIRS_IN_A_CHUNK))
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for chunk in range(chunks):
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE chunk AS SELECT id_l, id_r, 0::UTINYINT AS rule FROM content_pair"
            " WHERE rowid * $chunks // greatest($pairs, 1) = $chunk",
            {"chunks": chunks, "pairs": pairs, "chunk": chunk},
        )
        part = folder / f"part_{chunk:04}.parquet"
        scorer.score("chunk", partial(_write_part, connection, model, part))
        parts.append(part)
    for table in ("chunk", "chunk_pair", "content_pair", "pair_to_score"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    return parts


def _write_part(connection: duckdb.DuckDBPyConnection, model: LinkageModel, part: Path) -> None:
    place = str(part).replace("'", "''")
    connection.execute(
        f"COPY ({load_sql('link_decide')}) TO '{place}' (FORMAT parquet, COMPRESSION lz4)", decision_parameters(model)
    )


def linked_pair_query(comparisons: Sequence[str]) -> str:
    """The query of `linked_pair`, with the levels and weights of these comparisons; those of others are null."""

    def each(kind: str) -> str:
        return ", ".join(f"{c.name}: {f'{c.name}_{kind}' if c.name in comparisons else 'NULL'}" for c in COMPARISONS)

    return load_sql("link_linked_pair").replace("/* levels */", each("level")).replace("/* weights */", each("weight"))


def set_levels(connection: duckdb.DuckDBPyConnection) -> None:
    """Let SQL speak of levels by name: the variable `level`, comparison to level to Splink's number."""
    structs = [
        f"'{name}': {{{', '.join(f'{level!r}: {number}' for level, number in levels.items())}}}"
        for name, levels in level_numbers().items()
    ]
    connection.execute(f"SET VARIABLE level = {{{', '.join(structs)}}}")


__all__ = [
    "Blocked",
    "Scorer",
    "block",
    "filled_columns",
    "judge_pairs",
    "load_records",
    "make_features",
    "run_script",
    "set_frequencies",
]
