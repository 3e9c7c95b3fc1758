"""Blocking with a budget: which pairs of records are worth comparing, and which values are too common to say.

What belongs here: the keys of each record, the blocks of each rule under its cap, and the same for changed records.
What does not: which rules there are (`model.BLOCKING_RULES`), and scoring (`match`).

A pair is compared when the two records share a key of some rule in a block that is not above the rule's cap. The cap
is counted once from the rule's budget and then frozen, so whether a pair is compared depends on the records that share
its keys and on nothing else: a changed record touches its own blocks only. A block that grows over its cap or falls
below it touches all of its records.

Records are known by their `state` here (see `records`): a changed record is another one, and keys kept from earlier
nights stay valid for exactly as long as the record stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_pipeline.link.model import BLOCKING_RULES, CANDIDATE_RULES, MOST_RECORDS_IN_A_BLOCK, BlockingRule
from registry_pipeline.link.records import run_script
from registry_pipeline.tables import Column, Table

if TYPE_CHECKING:
    import duckdb


BUDGETS_AT_MOST = 2.0
"""Times a rule's budget that its pairs may come to under frozen caps before all is counted anew: values come and go,
and what was within the budget when it was counted may be a little over it now; twice is a flood, or other people."""


FEW_SEEK_TOGETHER = 0.03
"""Share of the records that may seek partners by all rules in one query: a rule at a time costs a second in statements
alone, and all rules at once would hold every key of very many records in memory."""


class OverBudget(Exception):
    """A rule's pairs no longer fit its budget under the caps as they were counted; its only argument is the rule."""


@dataclass(frozen=True)
class LeftOut:
    """Values that a rule did not block on: how many, and the records of the commonest."""

    values: int
    most_records: int


@dataclass
class Blocked:
    """How pairs came about: pairs by the first rule that found them, and by rule the values that were too common."""

    pairs: dict[str, int] = field(default_factory=dict)
    values_left_out: dict[str, LeftOut] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)


KEY_TABLE = Table(
    "record_key",
    "state of a person record, with its keys by blocking rule",
    ("state",),
    (
        Column("state", "UBIGINT", "Digest of the record and all that linkage looks at"),
        Column("number_id", "BIGINT", "Its NHS number, as a number"),
        Column("is_settled", "BOOLEAN", "Its NHS number is verified: it needs no comparison with another such record"),
        *(Column(rule.name, rule.key_type, f"Digests of its keys of the rule {rule.name}") for rule in BLOCKING_RULES),
    ),
)
"""What is kept of a record so that changed ones find it without looking at it again."""


def keys_query(rules: Collection[str]) -> str:
    """The query of `record_key` over `link_record`; rules that are not used have no keys."""
    keys = ", ".join(f"{rule.hashed_keys if rule.name in rules else 'NULL'} AS {rule.name}" for rule in BLOCKING_RULES)
    return f"SELECT state, number_id, is_settled, {keys} FROM counted_record"  # noqa: S608  # the rules are code


def rules_for(records: int) -> list[str]:
    """Names of the rules that are used for so many records."""
    return [rule.name for rule in BLOCKING_RULES if rule.most_records is None or records <= rule.most_records]


def block(connection: duckdb.DuckDBPyConnection) -> Blocked:
    """Block all of `link_record`, with caps from its own budgets (for training and measuring).

    Makes `candidate_pair` (id_l, id_r, rule): pairs worth scoring, each once, with the first rule that found it.
    """
    rules = rules_for(_records(connection))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE record_key AS {keys_query(rules)}")
    blocked = block_everybody(connection, rules, None)
    number_pairs(connection, blocked)
    connection.execute("DROP TABLE record_key")
    return blocked


def block_everybody(
    connection: duckdb.DuckDBPyConnection,
    rules: Collection[str],
    caps: Mapping[str, int] | None,
    *,
    keeps_budget: bool = False,
) -> Blocked:
    """Make `state_pair` (state_l, state_r, rule) and `crowded_key` from all of `record_key`.

    Args:
        connection: holds `everybody` and `record_key` of all of it.
        rules: names of those that are used.
        caps: frozen caps by rule; None counts them from the rules' budgets.
        keeps_budget: refuse frozen caps that have come to let too many pairs through.

    Raises:
        OverBudget: they have.
    """
    records = _records(connection)
    blocked = Blocked()
    _start(connection)
    connection.execute("CREATE OR REPLACE TEMP VIEW seeking AS SELECT state FROM everybody")
    run_script(connection, "block_deterministic", {})
    for rule in (each for each in BLOCKING_RULES if each.name in rules):
        number = CANDIDATE_RULES.index(rule.name)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE open_key AS SELECT DISTINCT key FROM"  # noqa: S608  # the rules are code
            f" (SELECT {rule.unnested} AS key FROM record_key WHERE NOT is_settled) WHERE key IS NOT NULL"
        )
        # Settled records need each other never: only keys that some unsettled record has can make a pair.
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE block_key AS SELECT * FROM"  # noqa: S608  # the rules are code
            f" (SELECT {rule.unnested} AS key, state, number_id, is_settled FROM record_key)"
            " SEMI JOIN open_key USING (key)"
        )
        run_script(connection, "block_sizes", {})
        if caps is None:
            sizes = connection.execute(
                "SELECT records, count(*), sum(pairs)::DOUBLE FROM key_size GROUP BY records ORDER BY records"
            ).fetchall()
            cap = largest_block(sizes, rule.pairs_per_record * records)
        else:
            cap = caps[rule.name]
            if keeps_budget:
                made = connection.execute(
                    "SELECT coalesce(sum(pairs), 0)::DOUBLE FROM key_size WHERE records <= $cap", {"cap": cap}
                ).fetchall()
                _keep_budget(rule, made[0][0], records)
        blocked.caps[rule.name] = cap
        run_script(connection, "block_pairs", {"rule": number, "cap": cap})
    _finish(connection, blocked)
    return blocked


def block_touched(connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int], keys: str, touched: str) -> Blocked:
    """Make `state_pair` of touched records only, and complete the table of touched records.

    Records whose block crosses its cap tonight are touched too: their pairs are found anew.

    Args:
        connection: holds `everybody`, `before` (state: those of the last night), `crowded_before`, and `record_key` of
            the touched records.
        caps: frozen caps by rule.
        keys: a FROM clause of the keys kept from earlier nights and made tonight.
        touched: table (state) of the records that are new or changed; more are added.

    Raises:
        OverBudget: what is new makes more pairs than a rule's budget.
    """
    blocked = Blocked(caps=dict(caps))
    _start(connection)
    connection.execute("CREATE OR REPLACE TEMP TABLE crossing (state UBIGINT)")
    _block_some(connection, caps, keys, touched, counts_crossings=True)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE also_touched AS"  # noqa: S608  # own names
        f" SELECT DISTINCT state FROM crossing SEMI JOIN everybody USING (state) ANTI JOIN {touched} USING (state)"
    )
    if connection.execute("SELECT count(*) FROM also_touched").fetchall()[0][0]:
        _block_some(connection, caps, keys, "also_touched", counts_crossings=False)
        connection.execute(f"INSERT INTO {touched} SELECT state FROM also_touched")  # noqa: S608  # own names
    _finish(connection, blocked)
    return blocked


def _block_some(
    connection: duckdb.DuckDBPyConnection, caps: Mapping[str, int], keys: str, touched: str, *, counts_crossings: bool
) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW seeking AS SELECT state FROM {touched}")  # noqa: S608  # own names
    run_script(connection, "block_deterministic", {})
    records = _records(connection)
    seeking = int(connection.execute("SELECT count(*) FROM seeking").fetchall()[0][0])
    # The keys of what is new were made tonight; those of a record that stayed as it was lie with the others.
    sought = "record_key" if counts_crossings else f"{keys} AS kept SEMI JOIN seeking USING (state)"
    used = [rule for rule in BLOCKING_RULES if rule.name in caps]
    together = len(used) if seeking <= FEW_SEEK_TOGETHER * records else 1
    for first in range(0, len(used), together):
        rules = used[first : first + together]
        _name_keys(connection, rules, caps, keys, sought)
        run_script(connection, "block_touched", {"counts_crossings": counts_crossings})
        # One of a pair may be touched or both: the sum is no less than the pairs.
        made = connection.execute(
            "SELECT rule, sum(touched * records)::DOUBLE FROM sized_key WHERE records <= cap AND is_open GROUP BY rule"
        ).fetchall()
        for rule in rules:
            _keep_budget(rule, dict(made).get(CANDIDATE_RULES.index(rule.name), 0.0), records)
        run_script(connection, "block_touched_pairs", {"counts_crossings": counts_crossings})


def _name_keys(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[BlockingRule],
    caps: Mapping[str, int],
    keys: str,
    sought: str,
) -> None:
    """Make `cap_of_rule`, `kept_key` and `seeking_key` of these rules."""
    numbers = [CANDIDATE_RULES.index(rule.name) for rule in rules]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cap_of_rule AS"
        " SELECT unnest($rules)::UTINYINT AS rule, unnest($caps)::BIGINT AS cap",
        {"rules": numbers, "caps": [caps[rule.name] for rule in rules]},
    )
    for view, columns, source in (("kept_key", "state, number_id, is_settled", keys), ("seeking_key", "rule", sought)):
        each = (
            f"SELECT {rule.unnested} AS key, {columns.replace('rule', f'{number}::UTINYINT AS rule')} FROM {source}"  # noqa: S608
            for number, rule in zip(numbers, rules, strict=True)
        )
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {' UNION ALL '.join(each)}")


def _keep_budget(rule: BlockingRule, pairs: float, records: int) -> None:
    if pairs > BUDGETS_AT_MOST * rule.pairs_per_record * records:
        raise OverBudget(rule.name)


def number_pairs(connection: duckdb.DuckDBPyConnection, blocked: Blocked) -> None:
    """Make `candidate_pair` (id_l, id_r, rule) from `state_pair`, by the numbers of `link_record`."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE candidate_pair AS"
        " SELECT least(l.id, r.id) AS id_l, greatest(l.id, r.id) AS id_r, rule FROM state_pair"
        " INNER JOIN counted_record AS l ON l.state = state_l INNER JOIN counted_record AS r ON r.state = state_r"
        " ORDER BY id_l"
    )
    connection.execute("DROP TABLE state_pair")
    counts = connection.execute("SELECT rule, count(*) FROM candidate_pair GROUP BY rule ORDER BY rule").fetchall()
    blocked.pairs = {CANDIDATE_RULES[rule]: int(pairs) for rule, pairs in counts}


def largest_block(sizes: Sequence[tuple[int, int, float]], budget: float) -> int:
    """The largest block size that keeps all pairs within the budget; where all do, the largest that is ever compared.

    Args:
        sizes: records of a block, how many such blocks there are, and the pairs of them all; by size.
        budget: pairs.
    """
    cap, pairs = 0, 0.0
    for size, _, more in sizes:
        pairs += more
        if pairs > budget or size > MOST_RECORDS_IN_A_BLOCK:
            return cap
        cap = size
    return MOST_RECORDS_IN_A_BLOCK


def _records(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT count(*) FROM everybody").fetchall()[0][0])


def _start(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE OR REPLACE TEMP TABLE found_pair (state_l UBIGINT, state_r UBIGINT, rule UTINYINT)")
    connection.execute("CREATE OR REPLACE TEMP TABLE crowded_key (rule UTINYINT, key UBIGINT, records BIGINT)")


def _finish(connection: duckdb.DuckDBPyConnection, blocked: Blocked) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE state_pair AS"
        " SELECT state_l, state_r, min(rule) AS rule FROM found_pair GROUP BY state_l, state_r"
    )
    connection.execute("DROP TABLE found_pair")
    crowded = connection.execute(
        "SELECT rule, count(*), max(records) FROM crowded_key GROUP BY rule ORDER BY rule"
    ).fetchall()
    blocked.values_left_out = {CANDIDATE_RULES[rule]: LeftOut(values, most) for rule, values, most in crowded}
    # Numbers and telephones of too many records have no key at all, whatever the caps: they are told of all the same.
    flagged = connection.execute("SELECT rule, values, most_records FROM crowded_value WHERE values > 0").fetchall()
    for rule, values, most in flagged:
        known = blocked.values_left_out.get(rule, LeftOut(0, 0))
        blocked.values_left_out[rule] = LeftOut(known.values + values, max(known.most_records, most))
