"""Calibration: what share of the pairs that report a probability is true, learned from verified NHS numbers.

What belongs here: pairs that verified numbers label, linked once more with every number hidden; the curves from match
weight to log odds by what decides a pair; and the reliability table of the model card. What does not: m, u and the
prior (`train`), and applying the curves (`sql/link_decide.sql`).

A weight is a sum over fields as if they were independent; within a family they are not. So a pair's probability is not
2^weight over 1 + 2^weight but the share of labelled pairs of its weight, among those that the same rule decides. Where
nothing is labelled the weight's own probability stands.

The figures are optimistic: people whose numbers were traced have better-recorded names and birth dates than those whose
numbers are missing, and it is the latter's pairs that rest on the probability.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.link import match
from registry_pipeline.link.model import (
    CALIBRATED_FROM,
    CALIBRATED_WEIGHTS,
    Calibration,
    LinkageModel,
)
from registry_pipeline.storage import scan

if TYPE_CHECKING:
    import duckdb
    import numpy as np

FEWEST_LABELLED = 200
"""Labelled pairs (and a tenth of them of two people) without which nothing is calibrated."""

SURE_WEIGHT = 25.0
"""From here on (odds of 33 million to 1, no family's rule against it) two verified numbers are a wrong number: their
share is what the labels get wrong."""

MOST_LABEL_NOISE = 0.02
"""No registry's verified numbers are wrong more often; a larger share would be the model's mistake."""

PSEUDO_PAIRS = 3.0
"""How many pairs the smooth curve counts for beside those of one bit of weight."""

STRENGTH = 4.0
"""How strongly a group's curve is held to that of its kind: about as many labelled pairs."""

BELIEF_STEPS, LINE_CHANGE = 50, 1e-5
"""Rounds of line and labels, and the change below which a line stands."""

LEAST_SHARE = 1e-5
"""No group of labelled pairs is large enough to report more than odds of 100,000 to 1 for or against."""

BINS = (0.0, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
"""Bounds of the reliability table."""


@dataclass(frozen=True)
class Labelled:
    """Labelled pairs: what decided each, its weight, and whether it is one person by its numbers; one entry each."""

    groups: np.ndarray
    weights: np.ndarray
    is_true: np.ndarray
    folds: np.ndarray


def fit(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, comparisons: Sequence[str], folder: Path, records: int
) -> Calibration:
    """Learn the calibration of a model from the pairs of `counted_record` that verified numbers label.

    Args:
        connection: holds `counted_record` and `everybody` of all records.
        model: the numbers, without a calibration.
        comparisons: those that can say something.
        folder: for unfinished files.
        records: person records that the prior is of.

    Returns:
        The curves, with the reliability of such curves on pairs that they were not fitted on; empty without labels.
    """
    if "nhs_number" not in comparisons:
        return Calibration()
    labelled = labelled_pairs(connection, model, comparisons, folder, records)
    false = int((~labelled.is_true).sum())
    if len(labelled.is_true) < FEWEST_LABELLED or false < FEWEST_LABELLED / 10:
        return Calibration()
    noise = _label_noise(labelled)
    curves, pairs = _curves(labelled, noise)
    reliability = []
    reported = _cross_fitted(labelled, noise)
    for low, high in itertools.pairwise(BINS):
        inside = (reported >= low) & ((reported < high) | (high == BINS[-1]))
        if inside.any():
            reliability.append(_reliability(low, high, reported[inside], labelled.is_true[inside], noise))
    return Calibration(curves, pairs, noise, tuple(reliability))


def labelled_pairs(
    connection: duckdb.DuckDBPyConnection, model: LinkageModel, comparisons: Sequence[str], folder: Path, records: int
) -> Labelled:
    """Block, score and judge the records with a verified number as if no number were known."""
    shown = [name for name in comparisons if name != "nhs_number"]
    try:
        with _hidden_numbers(connection):
            match.block(connection)
            parts = match.judge_pairs(connection, model, shown, folder, records=records)
            rows = connection.sql(
                "SELECT CASE WHEN decided_by = 'match_weight' AND is_household THEN 'match_weight_in_one_household'"  # noqa: S608
                " ELSE decided_by END AS calibrated_group, match_weight::DOUBLE AS match_weight,"
                " l.label = r.label AS is_true, (hash(least(l.label, r.label)) % 2)::TINYINT AS fold"
                " FROM (SELECT *, home_level >= getvariable('level').home.same_postcode"
                " OR home_level = getvariable('level').home.similar"
                f" OR phone_level >= getvariable('level').phone.same AS is_household FROM {scan(parts)}) AS judged"
                " INNER JOIN counted_record AS l ON l.id = id_l INNER JOIN counted_record AS r ON r.id = id_r"
                " WHERE decided_by <> 'local_merge' ORDER BY ALL"
            ).to_arrow_table()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    groups, weights, is_true, folds = (column.to_numpy() for column in rows.columns)
    return Labelled(groups.astype(str), weights, is_true.astype(bool), folds)


@contextmanager
def _hidden_numbers(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let `everybody` and `counted_record` hold the records with a verified number, without it; `label` keeps it."""
    for table in ("everybody", "counted_record"):
        connection.execute(f"ALTER TABLE {table} RENAME TO known_{table}")
    try:
        connection.execute(
            "CREATE TEMP TABLE everybody AS SELECT * REPLACE (NULL AS nhs_number, NULL AS current_nhs_number,"
            " NULL::BIGINT AS number_id, false AS is_nhs_number_verified, false AS is_settled)"
            " FROM known_everybody WHERE is_settled"
        )
        connection.execute(
            "CREATE TEMP TABLE counted_record AS SELECT * REPLACE (NULL AS nhs_number, NULL AS current_nhs_number,"
            " NULL::BIGINT AS number_id, false AS is_verified, false AS is_settled), number_id AS label"
            " FROM known_counted_record WHERE is_settled"
        )
        yield
    finally:
        for table in ("everybody", "counted_record"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"ALTER TABLE known_{table} RENAME TO {table}")
        match.set_frequencies(connection, None)


def _label_noise(labelled: Labelled) -> float:
    """Share of pairs of one person whose two verified numbers differ."""
    import numpy as np

    sure = (labelled.weights >= SURE_WEIGHT) & np.isin(
        labelled.groups, ("match_weight", "match_weight_in_one_household")
    )
    if sure.sum() < FEWEST_LABELLED:
        return 0.0
    return float(min((~labelled.is_true[sure]).mean(), MOST_LABEL_NOISE))


def _curves(labelled: Labelled, noise: float) -> tuple[dict[str, tuple[float, ...]], dict[str, int]]:
    """A monotone curve of log odds by group, each held to the smooth curve of its kind: a rule's, or the weight's."""
    import numpy as np

    by_weight = np.char.startswith(labelled.groups, "match_weight")
    curves, pairs = {}, {}
    for kind, denied in ((by_weight, noise), (~by_weight, 0.0)):
        if not kind.any():
            continue
        # What a rule keeps apart is two people often enough: there the labels are taken at their word.
        start = _logistic(labelled.weights[kind], labelled.is_true[kind], (0.0, math.log(2)), denied)
        for group in np.unique(labelled.groups[kind]):
            inside = labelled.groups == group
            curves[str(group)] = _monotone(labelled.weights[inside], labelled.is_true[inside], start, denied)
            pairs[str(group)] = int(inside.sum())
    return curves, pairs


def _believed(is_true: np.ndarray, likely: np.ndarray, noise: float) -> np.ndarray:
    """Labels as shares: a denied pair may be one person with a wrong verified number, the likelier the surer it is."""
    import numpy as np

    return np.where(is_true, 1.0, likely * noise / (likely * noise + 1 - likely))


def _logistic(
    weights: np.ndarray, is_true: np.ndarray, start: tuple[float, float], noise: float
) -> tuple[float, float]:
    """Log odds as a line over the weight, held to a line to start from; it never falls.

    First with the labels at their word, then with what each line makes of them: who begins sure of the weights would
    take every denial for a wrong number.
    """
    import numpy as np

    believed = is_true.astype(float)
    line = _line(weights, believed, start)
    for _ in range(BELIEF_STEPS if noise else 0):
        before = line
        likely = 1 / (1 + np.exp(-np.clip(line[0] + line[1] * weights, -30, 30)))
        line = _line(weights, _believed(is_true, likely, noise), start)
        if max(abs(line[0] - before[0]), abs(line[1] - before[1])) < LINE_CHANGE:
            break
    return line[0], max(line[1], 0.0)


def _line(weights: np.ndarray, shares: np.ndarray, start: tuple[float, float]) -> tuple[float, float]:
    """The likeliest line for shares of true pairs, by Newton's method; a step that makes it less likely is halved."""
    import numpy as np

    held = np.array(start)
    # The slope is held over the usual spread of weights, so that both parts are held about as strongly.
    hold = np.diag([STRENGTH, STRENGTH * 25.0])

    def fit(line: np.ndarray) -> float:
        odds = line[0] + line[1] * weights
        return float((shares * odds - np.logaddexp(0, odds)).sum() - 0.5 * (line - held) @ hold @ (line - held))

    line, reached = held, fit(held)
    for _ in range(100):
        likely = 1 / (1 + np.exp(-np.clip(line[0] + line[1] * weights, -30, 30)))
        residual, spread = shares - likely, likely * (1 - likely)
        slope = np.array([residual.sum(), (residual * weights).sum()]) - hold @ (line - held)
        curve = np.array(
            [[spread.sum(), (spread * weights).sum()], [(spread * weights).sum(), (spread * weights**2).sum()]]
        )
        step = np.linalg.solve(curve + hold, slope)
        while fit(line + step) < reached and np.abs(step).max() > LINE_CHANGE:
            step = step / 2
        line = line + step
        reached = fit(line)
        if np.abs(step).max() <= LINE_CHANGE:
            break
    return float(line[0]), float(line[1])


def _monotone(weights: np.ndarray, is_true: np.ndarray, start: tuple[float, float], noise: float) -> tuple[float, ...]:
    """Log odds at each weight: the share of true pairs within a bit, held to the smooth curve, and never falling."""
    import numpy as np

    constant, rise = _logistic(weights, is_true, start, noise)
    points = CALIBRATED_FROM + np.arange(CALIBRATED_WEIGHTS)
    place = np.clip(np.round(weights - CALIBRATED_FROM), 0, CALIBRATED_WEIGHTS - 1).astype(int)
    likely = 1 / (1 + np.exp(-np.clip(constant + rise * weights, -30, 30)))
    seen = np.bincount(place, minlength=CALIBRATED_WEIGHTS).astype(float)
    true = np.bincount(place, weights=_believed(is_true, likely, noise), minlength=CALIBRATED_WEIGHTS)
    guess = 1 / (1 + np.exp(-np.clip(constant + rise * points, -30, 30)))
    shares = _pooled((true + PSEUDO_PAIRS * guess) / (seen + PSEUDO_PAIRS), seen + PSEUDO_PAIRS)
    shares = np.clip(shares, LEAST_SHARE, 1 - LEAST_SHARE)
    return tuple(float(value) for value in np.log(shares) - np.log1p(-shares))


def _pooled(shares: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Neighbours in the wrong order get the mean of their pairs (isotonic regression)."""
    import numpy as np

    pools: list[list[float]] = []
    for share, count in zip(shares, pairs, strict=True):
        pools.append([float(share), float(count), 1])
        while len(pools) > 1 and pools[-1][0] < pools[-2][0]:
            last, before = pools.pop(), pools.pop()
            both = before[1] + last[1]
            pools.append([(before[0] * before[1] + last[0] * last[1]) / both, both, before[2] + last[2]])
    return np.repeat([pool[0] for pool in pools], [int(pool[2]) for pool in pools])


def _cross_fitted(labelled: Labelled, noise: float) -> np.ndarray:
    """The probability that each labelled pair would report by curves of the other half of the labels."""
    import numpy as np

    reported = np.full(len(labelled.is_true), np.nan)
    for fold in (0, 1):
        other, own = labelled.folds != fold, labelled.folds == fold
        fitted, _ = _curves(
            Labelled(labelled.groups[other], labelled.weights[other], labelled.is_true[other], labelled.folds[other]),
            noise,
        )
        for group in np.unique(labelled.groups[own]):
            inside = own & (labelled.groups == group)
            points = CALIBRATED_FROM + np.arange(CALIBRATED_WEIGHTS)
            curve = fitted.get(str(group), tuple(points * math.log(2)))
            reported[inside] = 1 / (1 + np.exp(-np.interp(labelled.weights[inside], points, curve)))
    return reported


def _reliability(low: float, high: float, reported: np.ndarray, is_true: np.ndarray, noise: float) -> dict[str, float]:
    """A row of the table: the share that labels call true, put right for what they wrongly deny, and its interval."""
    pairs = len(reported)
    share, least, most = (min(value / (1 - noise), 1.0) for value in _wilson(int(is_true.sum()), pairs))
    return {
        "from": low,
        "to": high,
        "pairs": pairs,
        "reported": round(float(reported.mean()), 5),
        "true": round(share, 5),
        "least": round(least, 5),
        "most": round(most, 5),
    }


def _wilson(true: int, pairs: int) -> tuple[float, float, float]:
    """A share and its 95% interval by Wilson's score."""
    z = 1.96
    share = true / pairs
    middle = (share + z * z / (2 * pairs)) / (1 + z * z / pairs)
    reach = z / (1 + z * z / pairs) * math.sqrt(share * (1 - share) / pairs + z * z / (4 * pairs * pairs))
    return share, max(middle - reach, 0.0), min(middle + reach, 1.0)
