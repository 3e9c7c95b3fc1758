"""Learning a model's numbers from one night's person records, without any truth.

What belongs here: u from random pairs, m by expectation maximisation over several training blocks, the prior, guards
against numbers that cannot be, and the model card. What does not: what is compared (`model`), and anything at night.

Splink compares the pairs; only counts of agreement patterns leave DuckDB (some hundreds of rows), and EM runs on those:
the classes of each block are fitted with u fixed, and every block's m is averaged. Where both records carry a verified
NHS number, the numbers are the label: one number is a true pair and two are none, whatever EM would say, and what the
numbers compare to is hidden from it. Those are the easier pairs, so the block of one number is one voice of several.
Records that are alike in everything are not collapsed: they are the commonest of the true pairs.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import RunFailed
from registry_pipeline.link import calibrate, match
from registry_pipeline.link.model import (
    COMPARISONS,
    FALSE_MATCHES_AT_MOST,
    FAMILY_RULES,
    HOUSEHOLD_KEY,
    LEAST_MATCH_WEIGHT,
    MATCH_WEIGHT,
    POSSIBLE_MATCH_WEIGHT,
    TRAINING_BLOCKS,
    Comparison,
    Level,
    LevelNumbers,
    LinkageModel,
    comparison_named,
    filled_comparisons,
    saved_versions,
    untrained_model,
)
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, connect, scan, write_json

if TYPE_CHECKING:
    import duckdb
    import numpy as np

RANDOM_PAIRS = 400_000
"""Pairs drawn for u: a level that one pair in 10,000 reaches is known to within a sixth."""

PAIRS_OF_A_TRAINING_BLOCK = 400_000
"""At most so many pairs a training block; a block with more is thinned by whole keys."""

FEWEST_TRUE_PAIRS = 30
"""A training block with fewer expected true pairs teaches nothing."""

PSEUDO_PAIRS = 20.0
"""Weight of typical m, in pairs, beside what EM counted: keeps levels that were never seen from becoming impossible."""

MOST_VOICE = 5_000.0
"""A block's m counts in proportion to its true pairs, but no more than this many: no block drowns the others."""

LEAST_U = 1e-7
LEAST_M = 1e-4
"""No level is stronger evidence for or against than about 13 bits by these floors; rarer values have frequencies."""

LIKELY_TRUE_PAIR = 0.5
"""Random pairs above this probability are true pairs that were drawn by chance; they are not counted for u."""

MOST_FAMILIES_AMONG_KEPT_APART = 0.01
"""Expected share of real families among the pairs that a family's rules keep apart across providers, at or below which
the data counts as showing none: the rules would cost a hundred true pairs for each false one that they prevent."""

MOST_WRONG_NAMES = 0.1
MOST_WRONG_BIRTH_DATES = 0.05
"""Shares of true pairs whose given names or birth dates have nothing in common. Above both, and where no homes or
telephones show families, a difference is an error much oftener than a twin (a birth in 65 is of twins) or a relative of
one name, and a family's rules would part what is one person."""

MOST_FAMILIES_BY_ERROR = 0.1
"""Pairs of one surname and home that differ in given name and birth date, for each that agrees in both: up to here they
may be one person with both written wrong; where people live together there is about one for each."""

FEWEST_OF_ONE_HOME = 10
"""Pairs of one person, surname and home without which families cannot be told from errors."""

ROUNDS = 3
"""u, m and the prior depend on one another; after three rounds they no longer move by more than a percent."""

EM_STEPS = 200
EM_CHANGE = 1e-6


@dataclass(frozen=True)
class Trained:
    """A new model version, and its file."""

    version: str
    path: Path
    card: Path
    model: LinkageModel


@dataclass(frozen=True)
class Patterns:
    """Agreement patterns of some pairs.

    Attributes:
        gammas: patterns x comparisons, -1 where a side is missing.
        counts: how many pairs have each.
        labels: of each pattern: 1 one verified NHS number, 0 two of them, -1 not known.
    """

    gammas: np.ndarray
    counts: np.ndarray
    labels: np.ndarray


def train(configuration: Configuration, night: date, shares: Sequence[Share]) -> Trained:
    """Learn the next model version from a night's person records, and write it with its card.

    Args:
        configuration: says where models lie.
        night: whose records are used; told in the model card.
        shares: which extracts count.

    Raises:
        RunFailed: too few records or columns to learn from.
    """
    home = Home(configuration.home)
    connection = connect(
        home, memory_limit=configuration.deployment.memory_limit, threads=configuration.deployment.threads
    )
    try:
        records = match.load_records(connection, home, shares)
        numbers, about = learn(connection, home.temporary / f"train-{night}", records)
    finally:
        connection.close()
    folder = configuration.models
    newest = saved_versions(folder)
    version = f"v{(int(newest[0][0][1:]) if newest else 0) + 1:04}"
    about |= {"night": night.isoformat(), "providers": len({s.provider.provider for s in shares})}
    model = replace(numbers, version=version, trained_at=datetime.now(UTC), trained_on=about)
    path, card = folder / f"{version}.json", folder / f"{version}.md"
    write_json(path, model.as_json())
    card.write_text(model_card(model), encoding="utf-8")
    return Trained(version, path, card, model)


def learn(connection: duckdb.DuckDBPyConnection, folder: Path, records: int) -> tuple[LinkageModel, dict[str, Any]]:
    """Learn from `link_record`.

    Returns:
        The numbers, and what they were learned from (counts only).

    Raises:
        RunFailed: too few records or columns to learn from.
    """
    columns = match.filled_columns(connection)
    comparisons = filled_comparisons(columns)
    if records < 100 or len(comparisons) < 3:
        raise RunFailed(
            f"There are {records} person records with {len(comparisons)} comparable fields: training needs at least"
            " 100 records and 3 fields (names, birth date, sex, home, phone, e-mail, NHS number)."
        )
    blocked = match.block(connection)
    scorer = match.Scorer(connection, untrained_model(comparisons), comparisons, records)
    random = _random_patterns(connection, scorer, comparisons, records)
    blocks = {}
    for block in TRAINING_BLOCKS:
        found = _block_patterns(connection, scorer, comparisons, block.key)
        if found is not None:
            blocks[block.name] = (found, tuple(c for c in comparisons if c not in block.says_nothing_of))
    if not blocks:
        raise RunFailed("No two records agree on a birth date, a name, a home or a number: there is nothing to learn.")
    homes = _pairs_of_one_home(connection, scorer, comparisons)
    model, learned = _fit(connection, comparisons, random, blocks, records, homes)
    families = homes.show_families(model) if homes else None
    model, kept_apart = _with_prior(connection, model, comparisons, records, folder, families)
    model = replace(model, calibration=calibrate.fit(connection, model, comparisons, folder, records))
    about = {
        "records": records,
        "columns": sorted(columns),
        "candidate_pairs": sum(blocked.pairs.values()),
        "random_pairs": int(random.counts.sum()),
        "training_blocks": learned,
        "kept_apart_by_family_rules": kept_apart,
    }
    return model, about


def _fit(
    connection: duckdb.DuckDBPyConnection,
    comparisons: Sequence[str],
    random: Patterns,
    blocks: Mapping[str, tuple[Patterns, tuple[str, ...]]],
    records: int,
    homes: OneHome | None,
) -> tuple[LinkageModel, dict[str, Any]]:
    """Rounds of u (random pairs that are no true pairs), then m (every block), then how many pairs are true."""
    m = {name: _typical_m(comparison_named(name)) for name in comparisons}
    learned: dict[str, Any] = {}
    matches_per_record = 0.3
    for _ in range(ROUNDS):
        prior = min(0.5, 2 * matches_per_record / records)
        u = _u_of(random, comparisons, m, prior, learned)
        _reason_rare_u(connection, comparisons, u, m, homes)
        voices: dict[str, list[tuple[float, Any]]] = {name: [] for name in comparisons}
        learned = {}
        for name, (patterns, active) in blocks.items():
            share, fitted = expectation_maximisation(patterns, comparisons, active, m, u)
            true_pairs = share * float(patterns.counts.sum())
            learned[name] = {"pairs": int(patterns.counts.sum()), "true_pairs": round(true_pairs)}
            if true_pairs >= FEWEST_TRUE_PAIRS:
                for comparison, values in fitted.items():
                    voices[comparison].append((min(true_pairs, MOST_VOICE), values))
        m = {name: _average(voices[name], _typical_m(comparison_named(name))) for name in comparisons}
        matches_per_record = max(matches_per_record, 0.01)
    numbers = {name: _sound(comparison_named(name), m[name], u[name]) for name in comparisons}
    return LinkageModel("learned", matches_per_record, numbers), learned


def expectation_maximisation(
    patterns: Patterns,
    comparisons: Sequence[str],
    active: Sequence[str],
    m: Mapping[str, np.ndarray],
    u: Mapping[str, np.ndarray],
) -> tuple[float, dict[str, np.ndarray]]:
    """Fit the share of true pairs and each active comparison's m to a block's patterns, with u fixed.

    Args:
        patterns: of the block's pairs.
        comparisons: names of the patterns' columns.
        active: comparisons that the block says something of.
        m: where to begin; by Splink's level number.
        u: by Splink's level number.

    Returns:
        Share of true pairs (labelled ones counted by their label), and m by comparison.
    """
    import numpy as np

    columns = {name: patterns.gammas[:, comparisons.index(name)] for name in active}
    counts = patterns.counts.astype(float)
    fitted = {name: m[name].copy() for name in active}
    prior = {name: _typical_m(comparison_named(name)) * PSEUDO_PAIRS for name in active}
    log_u = sum(np.where(g < 0, 0.0, np.log(u[name][np.maximum(g, 0)])) for name, g in columns.items())
    unlabelled = counts * (patterns.labels < 0)
    share = 0.5
    for _ in range(EM_STEPS):
        log_m = sum(np.where(g < 0, 0.0, np.log(fitted[name][np.maximum(g, 0)])) for name, g in columns.items())
        odds = np.log(share) - np.log1p(-share) + log_m - log_u
        likely = 1.0 / (1.0 + np.exp(-np.clip(odds, -500, 500)))
        true = counts * np.where(patterns.labels < 0, likely, patterns.labels)
        # Pairs with labels are other pairs than those without: their share says nothing of these.
        guessed = unlabelled if unlabelled.sum() > 0 else counts
        new_share = float(np.clip((guessed * likely).sum() / guessed.sum(), 1e-6, 1 - 1e-6))
        for name, g in columns.items():
            seen = np.bincount(g[g >= 0], weights=true[g >= 0], minlength=len(fitted[name])) + prior[name]
            fitted[name] = seen / seen.sum()
        if abs(new_share - share) < EM_CHANGE:
            break
        share = new_share
    return float(true.sum() / counts.sum()), fitted


def _typical_m(comparison: Comparison) -> np.ndarray:
    """By Splink's level number, so from the last level to the first."""
    import numpy as np

    values = np.array([level.typical_m for level in reversed(comparison.levels)])
    made: np.ndarray = values / values.sum()
    return made


def _u_of(
    random: Patterns, comparisons: Sequence[str], m: Mapping[str, np.ndarray], prior: float, learned: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Shares of the levels among random pairs; from the second round on without those that look like true pairs."""
    import numpy as np

    def shares(counts: np.ndarray) -> dict[str, np.ndarray]:
        made = {}
        for index, name in enumerate(comparisons):
            gamma = random.gammas[:, index]
            seen = np.bincount(gamma[gamma >= 0], weights=counts[gamma >= 0], minlength=len(m[name]))
            made[name] = np.maximum((seen + 0.5) / (seen.sum() + 0.5 * len(seen)), LEAST_U)
        return made

    u = shares(random.counts.astype(float))
    for _ in range(2 if learned else 1):
        odds = np.full(len(random.counts), math.log(prior) - math.log1p(-prior))
        for index, name in enumerate(comparisons):
            gamma = random.gammas[:, index]
            # A level's share among random pairs cannot be trusted where true pairs are what reaches it.
            bayes = np.log(m[name][np.maximum(gamma, 0)]) - np.log(u[name][np.maximum(gamma, 0)])
            odds = odds + np.where(gamma < 0, 0.0, bayes)
        likely = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        u = shares(np.where(likely > LIKELY_TRUE_PAIR, 0.0, random.counts * (1 - likely)))
    return u


def _reason_rare_u(
    connection: duckdb.DuckDBPyConnection,
    comparisons: Sequence[str],
    u: dict[str, Any],
    m: Mapping[str, Any],
    homes: OneHome | None,
) -> None:
    """Set u that random pairs cannot show.

    * One NHS number: two people share it by mistake only; one draw in as many as there are numbers.
    * One digit away: a number has 99 neighbours by one digit or one transposition among ten thousand million.
    * Swapped names: the price of the swap is paid once, in the given name; the family name then agrees as if it were
      the same, and the chance of both is that of two equal names.
    * One telephone in one home: people of one home share it nearly as often as the records of one person do, so that it
      adds only what it says beyond the home; where no families show, as much as any telephone.
    """
    if "nhs_number" in comparisons:
        numbers = comparison_named("nhs_number")
        distinct = connection.execute("SELECT count(DISTINCT current_nhs_number) FROM link_record").fetchall()[0][0]
        u["nhs_number"][numbers.gamma("same")] = max(1 / max(distinct, 1), LEAST_U)
        u["nhs_number"][numbers.gamma("superseded")] = u["nhs_number"][numbers.gamma("same")]
        u["nhs_number"][numbers.gamma("one_digit")] = LEAST_U
    if "phone" in comparisons:
        phone = comparison_named("phone")
        gain = homes.gain_of_a_phone if homes else None
        at_home = phone.gamma("same_in_one_home")
        u["phone"][at_home] = max(
            u["phone"][phone.gamma("same")] if gain is None else m["phone"][at_home] / gain, LEAST_U
        )
    if "given_name" in comparisons and "family_name" in comparisons:
        given, family = comparison_named("given_name"), comparison_named("family_name")
        u["given_name"][given.gamma("swapped")] = u["given_name"][given.gamma("same")]
        gain = u["family_name"][family.gamma("same")] / m["family_name"][family.gamma("same")]
        u["family_name"][family.gamma("swapped")] = max(m["family_name"][family.gamma("swapped")] * gain, LEAST_U)


def _average(voices: Sequence[tuple[float, np.ndarray]], typical: np.ndarray) -> np.ndarray:
    """Mean m of the blocks, by their voice, with the typical m as one faint voice more."""
    total = typical * PSEUDO_PAIRS
    for voice, values in voices:
        total = total + voice * values
    made: np.ndarray = total / total.sum()
    return made


def _sound(comparison: Comparison, m: np.ndarray, u: np.ndarray) -> dict[str, LevelNumbers]:
    """Numbers that can be: floors, and a closer step never weighs less than a farther one.

    Neighbouring steps in the wrong order are pooled: they get the ratio of their sums. Agreement of another kind (a
    swap, a nickname) only has to weigh no less than no agreement.
    """
    levels = list(reversed(comparison.levels))
    m_values = [max(float(value), LEAST_M) for value in m]
    u_values = [max(float(value), LEAST_U) for value in u]
    pools: list[list[int]] = []
    for index in (i for i, level in enumerate(levels) if level.is_step):
        pools.append([index])
        while len(pools) > 1 and _ratio(pools[-1], m_values, u_values) < _ratio(pools[-2], m_values, u_values):
            last = pools.pop()
            pools[-1] += last
    ratios = {index: _ratio(pool, m_values, u_values) for pool in pools for index in pool}
    # No closer level weighs less than the last one, which may be held up.
    lowest = levels[0].least_weight
    made = {}
    for index, level in enumerate(levels):
        ratio = ratios.get(index, max(_ratio([index], m_values, u_values), ratios[0]))
        floor = level.least_weight if level.least_weight is not None else lowest
        ratio = max(ratio, 2.0**floor) if floor is not None else ratio
        # u stays (frequencies stand for it), m follows the ratio.
        made[level.name] = LevelNumbers(min(ratio * u_values[index], 1.0), u_values[index])
    return {level.name: made[level.name] for level in comparison.levels}


def _ratio(pool: Sequence[int], m: Sequence[float], u: Sequence[float]) -> float:
    return sum(m[i] for i in pool) / sum(u[i] for i in pool)


def _with_prior(
    connection: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    comparisons: Sequence[str],
    records: int,
    folder: Path,
    families: bool | None,
) -> tuple[LinkageModel, dict[str, int]]:
    """The prior, whether there are households, and the threshold, from what the model itself joins, in two rounds."""
    kept_apart = {"within_providers": 0, "across_providers": 0}
    model = replace(model, has_households=families is not False)
    for _ in range(2):
        try:
            parts = match.judge_pairs(connection, model, comparisons, folder)
            matches, within, across = connection.execute(
                "SELECT count(*) FILTER (outcome = 'match'), count(*) FILTER (is_family AND same_provider),"  # noqa: S608
                " count(*) FILTER (is_family AND NOT same_provider)"
                " FROM (SELECT *, list_contains($family_rules, decided_by) AS is_family"
                f" FROM {scan(parts)})",
                {"family_rules": list(FAMILY_RULES)},
            ).fetchall()[0]
            if not model.has_households:
                model = replace(model, match_weight=_calibrated_weight(connection, parts))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if model.has_households:
            kept_apart = {"within_providers": within, "across_providers": across}
            has_households = True if families else _has_households(connection, model, within, across, families)
            matches += 0 if has_households else across
            model = replace(model, has_households=has_households)
        model = replace(model, matches_per_record=max(matches / records, 0.001))
    return model, kept_apart


def _calibrated_weight(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> float:
    """The least weight at which so few of the joined pairs are expected to be false; only for data without families."""
    found = connection.execute(
        "SELECT min(match_weight) FROM (SELECT match_weight, count(*) OVER heavier AS joined,"  # noqa: S608  # own names
        f" sum(1 - match_probability) OVER heavier AS false_ones FROM {scan(list(parts))}"
        " WHERE decided_by = 'match_weight' WINDOW heavier AS (ORDER BY match_weight DESC))"
        " WHERE false_ones <= $most * joined",
        {"most": FALSE_MATCHES_AT_MOST},
    ).fetchall()[0][0]
    return float(min(max(found if found is not None else MATCH_WEIGHT, LEAST_MATCH_WEIGHT), MATCH_WEIGHT))


@dataclass(frozen=True)
class OneHome:
    """What the pairs of one surname and one home (or telephone) say.

    Attributes:
        one_person: pairs that agree in given name and birth date, but for errors.
        two_people: pairs that differ in both.
        gain_of_a_phone: how much oftener the records of one person of a home share a telephone than those of two people
            of it do; None where too few pairs tell.
    """

    one_person: int
    two_people: int
    gain_of_a_phone: float | None

    def show_families(self, model: LinkageModel) -> bool | None:
        """Whether people of one home are families; None where too few pairs tell.

        One person whose name and birth date are both wrong differs in both as well: as often as the model's m says.
        """
        if self.one_person < FEWEST_OF_ONE_HOME:
            return None
        given, birth = _share_wrong(model, "given_name"), _share_wrong(model, "birth_date")
        by_error = given * birth / ((1 - given) * (1 - birth))
        return self.two_people + 1 > (MOST_FAMILIES_BY_ERROR + 2 * by_error) * self.one_person


def _pairs_of_one_home(
    connection: duckdb.DuckDBPyConnection, scorer: match.Scorer, comparisons: Sequence[str]
) -> OneHome | None:
    """Tell pairs of one person from pairs of two people of one family, where surname and home are the same.

    Records of one person there agree in given name and birth date, but for errors; those of two people differ in both,
    and both at once are rarely errors.
    """
    import numpy as np

    if not {"given_name", "family_name", "birth_date"} <= set(comparisons):
        return None
    found = _block_patterns(connection, scorer, comparisons, HOUSEHOLD_KEY)
    if found is None:
        return None
    given = found.gammas[:, comparisons.index("given_name")]
    birth = found.gammas[:, comparisons.index("birth_date")]
    differ = (given == comparison_named("given_name").gamma("different")) & (
        birth == comparison_named("birth_date").gamma("different")
    )
    agree = (given >= comparison_named("given_name").gamma("close")) & (
        birth >= comparison_named("birth_date").gamma("two_parts")
    )
    one_person, two_people = int(found.counts[agree].sum()), int(found.counts[differ].sum())
    gain = None
    if "phone" in comparisons and two_people + 1 > MOST_FAMILIES_BY_ERROR * one_person:
        phone = comparison_named("phone")
        gamma = found.gammas[:, comparisons.index("phone")]
        # Homes that are known to be one, not those that only the telephone makes one.
        at_home = (found.gammas[:, comparisons.index("home")] >= comparison_named("home").gamma("same_postcode")
                   if "home" in comparisons else np.zeros(len(gamma), dtype=bool))  # fmt: skip
        known = at_home & (gamma >= 0)
        shared = known & (gamma == phone.gamma("same_in_one_home"))
        pairs = {name: int(found.counts[known & who].sum()) for name, who in (("one", agree), ("two", differ))}
        both = {name: int(found.counts[shared & who].sum()) for name, who in (("one", agree), ("two", differ))}
        if min(pairs.values()) >= FEWEST_TRUE_PAIRS:
            gain = max(((both["one"] + 1) / (pairs["one"] + 2)) / ((both["two"] + 1) / (pairs["two"] + 2)), 1.0)
    return OneHome(one_person, two_people, gain)


def _has_households(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, within: int, across: int, families: bool | None
) -> bool:
    """Whether pairs that a family's rules keep apart are families, or one person whose name or birth date is wrong.

    A provider knows a person once, as a rule, and twins or a father and son of one name as two. So families show as
    such pairs within providers about as often as across them, by the number of pairs that there are; wrong names and
    dates show across providers only. With one provider families are assumed, unless errors are much commoner than they.
    """
    inside, outside = connection.execute(
        "SELECT sum(n * (n - 1.0)) / 2, (sum(n) * sum(n) - sum(n * n)) / 2.0"
        " FROM (SELECT count(*)::DOUBLE AS n FROM link_record GROUP BY provider)"
    ).fetchall()[0]
    if not outside and families is None:
        return not (
            _share_wrong(model, "given_name") > MOST_WRONG_NAMES
            and _share_wrong(model, "birth_date") > MOST_WRONG_BIRTH_DATES
        )
    if not inside or not outside or not across:
        return True
    families_across = (within + 1) * outside / inside
    return bool(families_across / across > MOST_FAMILIES_AMONG_KEPT_APART)


def _share_wrong(model: LinkageModel, comparison: str) -> float:
    levels = model.comparisons.get(comparison)
    return levels["different"].m if levels else 0.0


def _random_patterns(
    connection: duckdb.DuckDBPyConnection, scorer: match.Scorer, comparisons: Sequence[str], records: int
) -> Patterns:
    """Patterns of random pairs; the same pairs for the same records."""
    wanted = min(RANDOM_PAIRS, records * (records - 1) // 2)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE training_pair AS SELECT DISTINCT least(a, b) AS id_l, greatest(a, b) AS id_r,"
        " 0::UTINYINT AS rule FROM (SELECT (hash(i) % $records + 1)::INTEGER AS a,"
        " (hash(i + 1000000007) % $records + 1)::INTEGER AS b FROM range($wanted) AS drawn(i)) WHERE a <> b",
        {"records": records, "wanted": wanted},
    )
    found = scorer.score("training_pair", lambda: _patterns(connection, comparisons, labelled=False))
    if found is None:
        raise RunFailed("Too few records to draw pairs from.")
    made: Patterns = found
    return made


def _block_patterns(
    connection: duckdb.DuckDBPyConnection, scorer: match.Scorer, comparisons: Sequence[str], key: str
) -> Patterns | None:
    """Patterns of the pairs that agree on a key, thinned by whole keys to a bounded number, or None."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE training_key AS SELECT hash({key}) AS key, id FROM link_record"  # noqa: S608
        f" WHERE {key} IS NOT NULL"
    )
    match.run_script(connection, "link_training_pairs", {"most": PAIRS_OF_A_TRAINING_BLOCK})
    found: Patterns | None = scorer.score("training_pair", lambda: _patterns(connection, comparisons, labelled=True))
    return found


def _patterns(connection: duckdb.DuckDBPyConnection, comparisons: Sequence[str], *, labelled: bool) -> Patterns | None:
    """Count the patterns of `scored`; the NHS number says nothing of a pair that it labels."""
    import numpy as np

    label = "CASE WHEN l.is_settled AND r.is_settled THEN (l.number_id = r.number_id)::TINYINT ELSE -1 END"
    names = ", ".join(
        f"CASE WHEN label < 0 THEN {name}_level ELSE -1 END AS {name}_level"
        if name == "nhs_number"
        else f"{name}_level"
        for name in comparisons
    )
    counted = (
        f"SELECT {names}, label, count(*) AS pairs FROM (SELECT scored.*, {label if labelled else '-1'} AS label"  # noqa: S608  # own names
        " FROM scored INNER JOIN counted_record AS l ON l.id = id_l INNER JOIN counted_record AS r ON r.id = id_r)"
        " GROUP BY ALL ORDER BY ALL"
    )
    table = connection.sql(counted).to_arrow_table()
    if table.num_rows == 0:
        return None
    gammas = np.column_stack([table[f"{name}_level"].to_numpy().astype(np.int64) for name in comparisons])
    return Patterns(gammas, table["pairs"].to_numpy(), table["label"].to_numpy().astype(np.int64))


def model_card(model: LinkageModel) -> str:
    """What a reviewer reads before a model is used: data, numbers, thresholds and limits; no value of a person."""
    about = model.trained_on
    blocks = "\n".join(
        f"| {name} | {block['pairs']:,} | {block['true_pairs']:,} |" for name, block in about["training_blocks"].items()
    )
    levels = "\n".join(
        _card_row(comparison.name, level, model.comparisons[comparison.name][level.name])
        for comparison in COMPARISONS
        if comparison.name in model.comparisons
        for level in comparison.levels
    )
    kept_apart = about["kept_apart_by_family_rules"]
    calibration = _card_of_calibration(model)
    families = "families (rules keep them apart)" if model.has_households else "no families (their rules rest)"
    return f"""# Linkage model {model.version}

Trained {model.trained_at:%Y-%m-%d %H:%M} UTC on {about["records"]:,} person records of {about["providers"]} providers
(night {about["night"]}), without truth.

- Columns with values: {", ".join(about["columns"])}.
- Random pairs for u: {about["random_pairs"]:,}. Candidate pairs of all blocking rules: {about["candidate_pairs"]:,}.
- Prior: {model.matches_per_record:.3f} true pairs a record; at night the prior is this over half the records.
- The data shows {families}: pairs kept apart within providers {kept_apart["within_providers"]:,}, across them
  {kept_apart["across_providers"]:,}.

## Training blocks

| block | pairs | expected true pairs |
|---|---:|---:|
{blocks}

## Numbers

m: share of true pairs in the level; u: share of other pairs; weight: log2(m/u). Levels marked * take the term
frequency in place of u, counted once per model version in each deployment.

| comparison | level | m | u | weight |
|---|---|---:|---:|---:|
{levels}

## Thresholds

- Match at weight {model.match_weight:g} and above (odds of {2**model.match_weight:,.0f} to 1), unless a rule of
  `sql/link_decide.sql` keeps the pair apart. The reasons stand beside the constants in `link/model.py`.
- Possible match at weight {POSSIBLE_MATCH_WEIGHT:g} and above: more likely one person than not; for review.

## Calibration

{calibration}

## Limits

- Learned without truth: m rests on pairs that agree on a birth date, names, a number, or a home; pairs with errors in
  all of these are not among them. Precision and recall are not known from training: `registry evaluate` measures them.
- Surname and home of a household agree together, and twins' birth dates too. Its telephone adds little within one home;
  for the rest the rules after scoring stand, and the calibrated probability; the weights alone do not.
- Homes, telephones, e-mail addresses and middle names that differ weigh no more against a match than `link/model.py`
  allows: how often people change them is another matter in each population.
- A column that held nothing at training says nothing at night, even where it is filled then.
"""


def _card_of_calibration(model: LinkageModel) -> str:
    """The curve as a table, and why it is optimistic."""
    calibration = model.calibration
    if not calibration.log_odds:
        return (
            "None: too few pairs of records carry a verified NHS number on both sides. `match_probability` is what the"
            " weight says\nand has not been compared with any label."
        )
    rows = "\n".join(
        f"| {row['from']:g} to {row['to']:g} | {row['pairs']:,} | {row['reported']:.4f} | {row['true']:.4f} |"
        f" {row['least']:.4f} to {row['most']:.4f} |"
        for row in calibration.reliability
    )
    groups = ", ".join(f"{name} {pairs:,}" for name, pairs in sorted(calibration.pairs.items()))
    return f"""`match_probability` is the share of true pairs among labelled pairs of the same weight that the same rule
decides (`link/calibrate.py`). Labels: records that both carry a verified NHS number, linked with every number hidden.
Pairs by what decided them: {groups}.

| reported | pairs | mean reported | share true | 95% interval |
|---|---:|---:|---:|---|
{rows}

Each half of the pairs is reported by curves of the other half. {calibration.label_noise:.2%} of the surest pairs carry
two verified numbers; that share is taken for wrong numbers and put right. The table is optimistic: people whose number
was traced have better-recorded names and birth dates than people without, and it is the latter's pairs that rest on it.
Where a rule looks at the numbers themselves (two numbers, a number of somebody else, a local merge) no label tells:
there the curve of what would decide without them is taken, and the number's own weight is added."""


def _card_row(comparison: str, level: Level, numbers: LevelNumbers) -> str:
    star = "*" if level.frequency_of else ""
    return f"| {comparison} | {level.name}{star} | {numbers.m:.4g} | {numbers.u:.3g} | {numbers.weight:+.1f} |"
