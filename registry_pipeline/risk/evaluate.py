"""How good the fitted model is, on people and days that it did not learn from; over all, and for each group of people.

What belongs here: discrimination (area under the curve), calibration (slope, intercept, observed by expected), Brier
score, and what acting on the top of the list would find; which groups are worse served. What does not: fitting, and
how the figures are laid out (`card`).

Every count of people obeys the rule of small numbers (`govern.disclosure`): the figures leave the registry with the
model. A group that is too small to show has none. Intervals are of 95%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from registry_pipeline.govern.disclosure import (
    HIDDEN,
    SMALLEST_SHOWN,
    shown_breakdown,
    shown_count,
    shown_share,
    shown_table,
)

if TYPE_CHECKING:
    from registry_pipeline.risk.model import Floats

SHARES: Final = (0.005, 0.01, 0.05, 0.2)
"""Tops of the list: those of the Combined Predictive Model's levels (0.5%, 5%, 20%), and 1%."""

TENTHS: Final = 10

DIMENSIONS: Final = ("ethnicity", "ethnic_category", "deprivation_fifth", "age_band", "sex")
"""By what people are told apart, columns of `sql/risk_groups.sql`."""

Z: Final = 1.959964

CLEARLY_LESS_AUC: Final = 0.02
"""A group is clearly less well told apart if its interval lies below the whole's and the two differ by this much: less
makes no difference to whom a team would choose."""

CLEARLY_MISCALIBRATED: Final = 0.1
"""A group's risk is clearly misjudged if observed by expected lies off 1 by this much over its whole interval."""

LEAST_SHARED: Final = 20
"""People of whom a share is told at least: it is made of counts rounded to 5, and of ten it could be anything."""

_ITERATIONS: Final = 25


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float

    def as_json(self, decimals: int = 3) -> dict[str, float]:
        """Rounded, for a file."""
        return {name: round(value, decimals) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Groups:
    """People of each group of one dimension: labels, and each person's place in them."""

    labels: tuple[str, ...]
    place: Any


def auc(scores: Floats, outcome: Any) -> Estimate | None:
    """Area under the receiver operating curve with DeLong's interval (Sun and Xu 2014); None without both outcomes."""
    import numpy as np

    with_it, without = scores[outcome], scores[~outcome]
    m, n = len(with_it), len(without)
    if not m or not n:
        return None
    of_all = _midranks(np.concatenate([with_it, without]))
    value = (of_all[:m].sum() - m * (m + 1) / 2) / (m * n)
    by_case = (of_all[:m] - _midranks(with_it)) / n
    by_other = 1 - (of_all[m:] - _midranks(without)) / m
    variance = (by_case.var(ddof=1) / m if m > 1 else 0) + (by_other.var(ddof=1) / n if n > 1 else 0)
    half = Z * math.sqrt(variance)
    return Estimate(float(value), max(0.0, float(value - half)), min(1.0, float(value + half)))


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the middle of theirs."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = ((starts + ends + 1) / 2)[group]
    return ranks


def recalibration(odds: Floats, outcome: Any) -> tuple[Estimate, Estimate]:
    """Slope and intercept of the outcome's log odds on the model's: 1 and 0 where it is well calibrated (Cox 1958)."""
    import numpy as np

    y = outcome.astype(float)
    slope, shift = 1.0, 0.0
    for _ in range(_ITERATIONS):
        p = 1 / (1 + np.exp(-np.clip(slope * odds + shift, -30, 30)))
        weight = np.maximum(p * (1 - p), 1e-12)
        matrix = np.array([[(weight * odds**2).sum(), (weight * odds).sum()], [(weight * odds).sum(), weight.sum()]])
        step = np.linalg.lstsq(matrix, np.array([((y - p) * odds).sum(), (y - p).sum()]), rcond=None)[0]
        slope, shift = slope + float(np.clip(step[0], -2, 2)), shift + float(np.clip(step[1], -5, 5))
        if float(abs(step).max()) < 1e-9:
            break
    half = Z * np.sqrt(np.maximum(np.diag(np.linalg.pinv(matrix)), 0))
    return (
        Estimate(slope, slope - float(half[0]), slope + float(half[0])),
        Estimate(shift, shift - float(half[1]), shift + float(half[1])),
    )


def observed_by_expected(observed: float, expected: float) -> Estimate | None:
    """Observed by expected, with Byar's approximation to the exact Poisson interval; None where nothing is expected."""
    if expected <= 0:
        return None
    low = observed * (1 - 1 / (9 * observed) - Z / (3 * math.sqrt(observed))) ** 3 if observed else 0.0
    more = observed + 1
    high = more * (1 - 1 / (9 * more) + Z / (3 * math.sqrt(more))) ** 3
    return Estimate(observed / expected, max(low, 0.0) / expected, high / expected)


def evaluate(odds: Floats, outcome: Any, groups: Mapping[str, Groups]) -> dict[str, Any]:
    """Every figure of a model on people whose outcome is known.

    Args:
        odds: calibrated log odds.
        outcome: whether each had an emergency admission.
        groups: by dimension, each person's group.

    Returns:
        Figures for a file: counts of people as they may be shown.
    """
    import numpy as np

    p = 1 / (1 + np.exp(-odds))
    people, events = len(p), int(outcome.sum())
    slope, intercept = recalibration(odds, outcome)
    whole = auc(odds, outcome)
    base = events / people
    brier = float(((p - outcome) ** 2).mean())
    thresholds = {share: _threshold(p, share) for share in SHARES}
    by_group = {name: _groups_of(each, p, outcome, thresholds, whole, name) for name, each in groups.items()}
    return {
        "people": shown_count(people),
        "emergency_admissions": shown_count(events),
        "share_admitted": round(base, 4),
        "auc": whole.as_json() if whole else None,
        "brier": round(brier, 5),
        "brier_skill": round(1 - brier / (base * (1 - base)), 4) if 0 < events < people else None,
        "calibration_slope": slope.as_json(),
        "calibration_intercept": intercept.as_json(),
        "observed_by_expected": _rounded(observed_by_expected(float(shown_number(events)), float(p.sum()))),
        "reliability": _reliability(p, outcome),
        "top": [_top(p, outcome, thresholds, share) for share in SHARES],
        "groups": {name: told for name, (told, _) in by_group.items()},
        "worse_served": [flag for _, flags in by_group.values() for flag in flags],
    }


def shown_number(people: int) -> int:
    """A count as shown, or 0 where it is hidden: for figures that are hidden with it."""
    shown = shown_count(people)
    return 0 if isinstance(shown, str) else shown


def _rounded(estimate: Estimate | None, decimals: int = 2) -> dict[str, float] | None:
    return estimate.as_json(decimals) if estimate else None


def _threshold(p: Floats, share: float) -> float:
    """The least probability in the top share of the people; ties at it are all in."""
    import numpy as np

    chosen = max(1, round(share * len(p)))
    return float(np.partition(p, len(p) - chosen)[len(p) - chosen])


def _top(p: Floats, outcome: Any, thresholds: Mapping[float, float], share: float) -> dict[str, Any]:
    """What acting on a top share of the list would find."""
    chosen = p >= thresholds[share]
    people, found, events = int(chosen.sum()), int((chosen & outcome).sum()), int(outcome.sum())
    return {
        "share": share,
        "people": shown_count(people),
        "least_probability": round(thresholds[share], 4),
        "expected": round(float(p[chosen].mean()), 4) if people >= SMALLEST_SHOWN else HIDDEN,
        "ppv": _share(found, people),
        "sensitivity": _share(found, events),
    }


def _share(part: int, whole: int) -> float | str | None:
    if 0 < whole < LEAST_SHARED:
        return HIDDEN
    shown = shown_share(part, whole)
    return round(shown, 4) if isinstance(shown, float) else shown


def _reliability(p: Floats, outcome: Any) -> list[dict[str, Any]]:
    """Expected and observed in tenths of the people by probability."""
    import numpy as np

    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, TENTHS) if len(part)]
    cells: dict[tuple[str, ...], int] = {(str(n), "yes"): int(outcome[part].sum()) for n, part in enumerate(parts)}
    cells |= {(str(n), "no"): int((~outcome[part]).sum()) for n, part in enumerate(parts)}
    shown = shown_table(cells)
    told = []
    for n, part in enumerate(parts):
        observed = shown[str(n), "yes"]
        told.append(
            {
                "tenth": n + 1,
                "people": shown_count(len(part)),
                "expected": round(float(p[part].mean()), 4),
                "observed": HIDDEN if isinstance(observed, str) else round(observed / len(part), 4),
            }
        )
    return told


def _groups_of(
    groups: Groups, p: Floats, outcome: Any, thresholds: Mapping[float, float], whole: Estimate | None, dimension: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Figures of each group of a dimension, and who is clearly worse served, in sentences."""
    members = {label: groups.place == n for n, label in enumerate(groups.labels)}
    people = shown_breakdown({label: int(each.sum()) for label, each in members.items()})
    cells: dict[tuple[str, ...], int] = {(label, "yes"): int((each & outcome).sum()) for label, each in members.items()}
    cells |= {(label, "no"): int((each & ~outcome).sum()) for label, each in members.items()}
    shown = shown_table(cells)
    told, flags = [], []
    for label in sorted(members):
        row: dict[str, Any] = {"group": label, "people": people[label], "emergency_admissions": shown[label, "yes"]}
        mine = members[label]
        # Counts are also hidden to protect others; an area or a ratio tells no count, and stands on enough people.
        if min(cells[label, "yes"], cells[label, "no"]) < SMALLEST_SHOWN:
            told.append({**row, "auc": HIDDEN, "observed_by_expected": HIDDEN, "top": HIDDEN})
            continue
        area = auc(p[mine], outcome[mine])
        ratio = observed_by_expected(float(shown_number(cells[label, "yes"])), float(p[mine].sum()))
        told.append(
            {
                **row,
                "auc": area.as_json() if area else None,
                "observed_by_expected": _rounded(ratio),
                "top": [_top(p[mine], outcome[mine], thresholds, share) for share in SHARES],
            }
        )
        flags += _flags(dimension, label, area, whole, ratio)
    return told, flags


def _flags(
    dimension: str, label: str, area: Estimate | None, whole: Estimate | None, ratio: Estimate | None
) -> list[str]:
    """In what a group is clearly worse served.

    Within an age band people are alike in what tells most, so that every band's area is smaller: no flag.
    """
    where = f"{dimension.replace('_', ' ')} {label}"
    said = []
    if (
        dimension != "age_band" and area and whole and area.high < whole.low
        and whole.value - area.value >= CLEARLY_LESS_AUC
    ):  # fmt: skip
        said.append(f"{where}: people are told apart less well (area {area.value:.3f}, over all {whole.value:.3f})")
    if ratio and ratio.low > 1 + CLEARLY_MISCALIBRATED:
        said.append(f"{where}: risk is underestimated ({ratio.value:.2f} times as many admissions as expected)")
    if ratio and ratio.high < 1 - CLEARLY_MISCALIBRATED:
        said.append(f"{where}: risk is overestimated ({ratio.value:.2f} times as many admissions as expected)")
    return said
