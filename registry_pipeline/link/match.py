"""From person records to judged pairs: features, blocking, scoring in chunks, and the rules between score and join.

What belongs here: running `sql/link_*.sql` and Splink over a night's person records, within bounded memory. What does
not: what is compared and where thresholds lie (`model`), and groups of more than two records (`cluster`).

Pairs are blocked here and not by Splink, because blocks are capped to a budget, pairs of two different verified NHS
numbers are left out before anything is scored, and every rule's count is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.errors import RunFailed
from registry_pipeline.link.model import (
    BLOCKING_RULES,
    CANDIDATE_RULES,
    COMMON_ADDRESS_WORD,
    COMPARISONS,
    FAMILY_RULES,
    FREQUENCY_COLUMNS,
    GENERATION_YEARS,
    KEPT_WEIGHT,
    LOCAL_MERGE,
    MOST_RECORDS_IN_A_BLOCK,
    MOST_RECORDS_OF_A_NUMBER,
    MOST_RECORDS_OF_A_PHONE,
    NEWBORN_DAYS,
    POSSIBLE_MATCH_WEIGHT,
    SAME_NHS_NUMBER,
    BlockingRule,
    LevelNumbers,
    LinkageModel,
    compared_columns,
    comparison_named,
    level_numbers,
    splink_settings,
)
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, load_sql, scan

if TYPE_CHECKING:
    import duckdb

PAIRS_IN_A_CHUNK = 500_000
"""Pairs that are scored at a time: memory stays flat, and a chunk is large enough for two cores."""

HALF_A_LEVEL = 1e-6
"""Weights this close are one level's: far above the error of a sum of floats, far below what a weight means."""

LINK_COLUMNS = (
    "record_id", "provider", "setting", "night", "given_name", "middle_names", "family_name", "previous_family_name",
    "alias_names", "birth_date", "sex", "address", "postcode", "phone", "email", "nhs_number",
    "is_nhs_number_verified", "merged_into",
)  # fmt: skip
"""The columns of person_record that linkage reads, and no other."""

FEATURE_TABLES = (
    "sorted_record", "known_number", "birth_count", "postcode_count", "phone_count", "email_count", "given_form",
    "family_form", "address_form",
)  # fmt: skip
"""What `link_features` makes on the way; dropped once the records stand."""


@dataclass
class Blocked:
    """How pairs came about: pairs by rule, and by rule the values that were too common to block on."""

    pairs: dict[str, int] = field(default_factory=dict)
    values_left_out: dict[str, int] = field(default_factory=dict)


def load_records(connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share]) -> int:
    """Make `link_record` from the shares of a night.

    Returns:
        Person records.

    Raises:
        RunFailed: there are none.
    """
    shown = [s for s in shares if s.feed == "patient"]
    files = [home.staged("person_record", s.provider.provider, s.night) for s in shown]
    if not files:
        raise RunFailed("No provider's person records count for this night: run the stages before linking first.")
    columns = ", ".join(LINK_COLUMNS)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW person_record AS SELECT {columns} FROM {scan(files)}")  # noqa: S608
    _load_replaced_numbers(connection, home, shares)
    _load_nicknames(connection)
    return make_features(connection)


def make_features(connection: duckdb.DuckDBPyConnection, *, common_address_word: float = COMMON_ADDRESS_WORD) -> int:
    """Make `link_record` from the view `person_record` and the tables `nickname` and `replaced_number`.

    Returns:
        Person records.
    """
    bound = {
        "most_records_of_a_number": MOST_RECORDS_OF_A_NUMBER,
        "most_records_of_a_phone": MOST_RECORDS_OF_A_PHONE,
        "common_address_word": common_address_word,
    }
    run_script(connection, "link_features", bound)
    connection.execute("DROP VIEW numbered")
    for table in FEATURE_TABLES:
        connection.execute(f"DROP TABLE {table}")
    set_frequencies(connection, None)
    return int(connection.execute("SELECT count(*) FROM counted_record").fetchall()[0][0])


def set_frequencies(connection: duckdb.DuckDBPyConnection, model: LinkageModel | None) -> None:
    """Make the view `link_record`: features, and the term frequency of each value that the model's levels rest on.

    The records of a pair agree with one another whoever they are, so one is not counted; and a value that only they
    have is as rare as the model's u, not as one record among a few thousand: (n - 1) / (N + 1/u).
    """
    chosen = {level.frequency_of: (c.name, level.name) for c in COMPARISONS for level in c.levels if level.frequency_of}
    totals = connection.execute(
        f"SELECT {', '.join(f'count({column})' for column in FREQUENCY_COLUMNS)} FROM counted_record"  # noqa: S608
    ).fetchall()[0]
    frequencies = []
    for column, total in zip(FREQUENCY_COLUMNS, totals, strict=True):
        comparison, level = chosen[column]
        trained = model.comparisons.get(comparison) if model else None
        unseen = 1 / trained[level].u if trained else 0.0
        frequencies.append(f"greatest(n_{column} - 1, 1) / {total + unseen + 1.0!r}::DOUBLE AS tf_{column}")
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW link_record AS SELECT *, {', '.join(frequencies)} FROM counted_record"  # noqa: S608
    )


def run_script(connection: duckdb.DuckDBPyConnection, name: str, bound: Mapping[str, Any]) -> None:
    """Run a SQL file of several statements, each with those of the parameters that it names."""
    for statement in connection.extract_statements(load_sql(name)):
        connection.execute(statement, {key: bound[key] for key in statement.named_parameters})


def _load_replaced_numbers(connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share]) -> None:
    feed = "nhs_number_replacement"
    files = [home.staged(feed, s.provider.provider, n, feed) for s in shares if s.feed == feed for n in s.nights]
    source = (
        scan(files)
        if files
        else "(SELECT NULL::VARCHAR AS nhs_number, NULL::VARCHAR AS replaced_by, NULL::DATE AS start_date LIMIT 0)"
    )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW nhs_number_replacement AS SELECT * FROM {source}")  # noqa: S608
    connection.execute(load_sql("link_replaced_numbers"))


def _load_nicknames(connection: duckdb.DuckDBPyConnection) -> None:
    """The table `nickname`: a name, and each name that it is short for or a form of."""
    import csv
    from importlib import resources

    import pyarrow as pa

    with resources.files("nicknames").joinpath("names.csv").open(encoding="utf-8") as file:
        rows = [(row["name2"].upper(), row["name1"].upper()) for row in csv.DictReader(file)]
    nicknames = pa.table({"name": [name for name, _ in rows], "canonical": [canonical for _, canonical in rows]})
    connection.register("nickname_rows", nicknames)
    connection.execute("CREATE OR REPLACE TEMP TABLE nickname AS SELECT DISTINCT * FROM nickname_rows")
    connection.unregister("nickname_rows")


def filled_columns(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Columns of person_record that hold at least one value tonight."""
    columns = {
        "given_name": "given_name", "family_name": "family_name", "birth_date": "birth_digits", "sex": "sex",
        "postcode": "postcode", "address": "address_key", "phone": "phone", "email": "email",
        "nhs_number": "current_nhs_number",
    }  # fmt: skip
    counts = ", ".join(f"count({column})" for column in columns.values())
    found = connection.execute(f"SELECT {counts} FROM link_record").fetchall()[0]  # noqa: S608  # own names
    return {name for name, count in zip(columns, found, strict=True) if count}


def block(connection: duckdb.DuckDBPyConnection) -> Blocked:
    """Make `candidate_pair` (id_l, id_r, rule): pairs worth scoring, each once, with the first rule that found it."""
    connection.execute("CREATE OR REPLACE TEMP TABLE found_pair (id_l INTEGER, id_r INTEGER, rule UTINYINT)")
    run_script(connection, "link_deterministic_pairs", {})
    blocked = Blocked()
    records = connection.execute("SELECT count(*) FROM link_record").fetchall()[0][0]
    for rule in BLOCKING_RULES:
        if rule.most_records is not None and records > rule.most_records:
            continue
        left_out = _block_by(connection, rule, records)
        if left_out:
            blocked.values_left_out[rule.name] = left_out
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE candidate_pair AS"
        " SELECT id_l, id_r, min(rule) AS rule FROM found_pair GROUP BY id_l, id_r ORDER BY id_l"
    )
    connection.execute("DROP TABLE found_pair")
    counts = connection.execute("SELECT rule, count(*) FROM candidate_pair GROUP BY rule ORDER BY rule").fetchall()
    blocked.pairs = {CANDIDATE_RULES[rule]: int(pairs) for rule, pairs in counts}
    return blocked


def _block_by(connection: duckdb.DuckDBPyConnection, rule: BlockingRule, records: int) -> int:
    """Add a rule's pairs to `found_pair`; returns how many values were too common to block on."""
    keys = f"{rule.hashed_keys} AS key"
    # Settled records need each other never: only keys that some unsettled record has can make a pair.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE open_key AS"  # noqa: S608  # the rules are code
        f" SELECT DISTINCT key FROM (SELECT {keys} FROM link_record WHERE NOT is_settled)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE block_key AS SELECT * FROM"  # noqa: S608  # the rules are code
        f" (SELECT {keys}, id, number_id, is_settled FROM link_record) SEMI JOIN open_key USING (key)"
    )
    run_script(connection, "link_key_sizes", {})
    sizes = connection.execute(
        "SELECT size, count(*), sum(pairs)::DOUBLE FROM key_size GROUP BY size ORDER BY size"
    ).fetchall()
    cap, left_out = _largest_block(sizes, rule.pairs_per_record * records)
    if cap:
        bound = {"rule": CANDIDATE_RULES.index(rule.name), "cap": cap}
        run_script(connection, "link_blocked_pairs", bound)
    for table in ("open_key", "block_key", "key_size"):
        connection.execute(f"DROP TABLE {table}")
    return left_out


def _largest_block(sizes: Sequence[tuple[int, int, float]], budget: float) -> tuple[int, int]:
    """The largest block size that keeps all pairs within the budget, and how many values have larger blocks.

    Args:
        sizes: records of a block, how many such blocks there are, and the pairs of them all; by size.
        budget: pairs.
    """
    cap, pairs, left_out = 0, 0.0, 0
    for size, blocks, more in sizes:
        pairs += more
        if pairs <= budget and size <= MOST_RECORDS_IN_A_BLOCK:
            cap = size
        else:
            left_out += blocks
    return cap, left_out


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
) -> list[Path]:
    """Score and judge every candidate pair, a chunk at a time.

    Args:
        connection: holds `link_record` and `candidate_pair`.
        model: the numbers.
        comparisons: those that can say something tonight.
        folder: where the parts go, one Parquet file a chunk.

    Returns:
        The parts: kept pairs by the numbers `id_l` and `id_r` of `link_record`, what became of each, and the level and
        the weight of every comparison.
    """
    records, pairs = connection.execute(
        "SELECT (SELECT count(*) FROM link_record), (SELECT count(*) FROM candidate_pair)"
    ).fetchall()[0]
    set_levels(connection)
    set_frequencies(connection, model)
    scorer = Scorer(connection, model, comparisons, records)
    chunks = max(1, -(-pairs // PAIRS_IN_A_CHUNK))
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for chunk in range(chunks):
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE chunk AS"
            " SELECT * FROM candidate_pair WHERE rowid * $chunks // greatest($pairs, 1) = $chunk",
            {"chunks": chunks, "pairs": pairs, "chunk": chunk},
        )
        part = folder / f"part_{chunk:04}.parquet"
        scorer.score("chunk", partial(_write_part, connection, model, part))
        parts.append(part)
    for table in ("chunk", "chunk_pair"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    return parts


def _write_part(connection: duckdb.DuckDBPyConnection, model: LinkageModel, part: Path) -> None:
    place = str(part).replace("'", "''")
    bound = {
        "match_weight": model.match_weight,
        "possible_match_weight": POSSIBLE_MATCH_WEIGHT,
        "kept_weight": KEPT_WEIGHT,
        "generation_years": GENERATION_YEARS,
        "newborn_days": NEWBORN_DAYS,
        "has_households": model.has_households,
        "family_rules": list(FAMILY_RULES),
    }
    connection.execute(f"COPY ({load_sql('link_decide')}) TO '{place}' (FORMAT parquet, COMPRESSION lz4)", bound)


def linked_pair_query(comparisons: Sequence[str]) -> str:
    """The query of `linked_pair`, with the levels and weights of these comparisons as maps."""
    names = ", ".join(f"'{name}'" for name in comparisons)
    levels = ", ".join(f"{name}_level" for name in comparisons)
    weights = ", ".join(f"{name}_weight" for name in comparisons)
    return (
        load_sql("link_linked_pair")
        .replace("/* names */", names)
        .replace("/* levels */", levels)
        .replace("/* weights */", weights)
    )


def set_levels(connection: duckdb.DuckDBPyConnection) -> None:
    """Let SQL speak of levels by name: the variable `level`, comparison to level to Splink's number."""
    structs = [
        f"'{name}': {{{', '.join(f'{level!r}: {number}' for level, number in levels.items())}}}"
        for name, levels in level_numbers().items()
    ]
    connection.execute(f"SET VARIABLE level = {{{', '.join(structs)}}}")


__all__ = ["LOCAL_MERGE", "SAME_NHS_NUMBER", "Blocked", "Scorer", "block", "judge_pairs", "load_records"]
