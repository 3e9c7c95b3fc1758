"""Shares with their intervals: what an evaluation may say of a figure that was counted on a finite number of people.

What belongs here: Wilson's interval, the effective number of independent pairs, the bootstrap over people, Cohen's
kappa. What does not: reading anything, and what the figures mean (`evaluate`, `estimate`).

Pairs of one person are not independent: a record that is missed is missed in each of its pairs. The unit is therefore
the person, with everybody who shares a cluster with them (so that pairs of two people lie in one unit too).

* A share of pairs or records has Wilson's interval on the *effective* number of independent pairs: as many as would
  vary as much as these do, by the variance of a ratio of sums over units (Korn and Graubard 1998 for surveys; Franco
  et al. 2019 on Wilson's form). Resampling people would give the same width, but an interval of nothing at all where
  no error was seen, which is where a good linkage lies; there the number of units is what counts.
* F1 and the difference between groups are no shares: they are resampled over units. Units that count alike are
  exchangeable, so numbers of like units are drawn (multinomial), which is the same and takes no time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Z = 1.959964
"""Of a two-sided 95% interval."""

DRAWS = 1_000
"""Resamples: enough for the ends of a 95% interval to be known to about a twentieth of its width."""

SEED = 20_260_401
"""Of every draw: the same night gives the same intervals."""


@dataclass(frozen=True)
class Measured:
    """A figure with its 95% interval.

    Attributes:
        of: what it is a share of, counted.
    """

    value: float
    low: float
    high: float
    of: float

    def as_json(self) -> dict[str, float]:
        """The figure for a JSON file."""
        return {"value": self.value, "low": self.low, "high": self.high, "of": self.of}


@dataclass(frozen=True)
class Units:
    """People (units) counted alike, with how many of them there are.

    Attributes:
        names: of the columns.
        counts: one row a pattern of counts, one column a name.
        times: units of that pattern.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    times: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        """One column."""
        column: np.ndarray = self.counts[:, self.names.index(name)]
        return column

    def total(self, name: str) -> float:
        """Sum of a column over all units."""
        return float(self[name] @ self.times)

    def drawn(self, generator: np.random.Generator, *, as_many_as: int | None = None) -> np.ndarray:
        """Resamples of the units: one row a draw, one column a pattern, how often it was drawn."""
        units = int(self.times.sum())
        drawn: np.ndarray = generator.multinomial(as_many_as or units, self.times / units, size=DRAWS)
        return drawn


def units_of(names: Sequence[str], rows: Sequence[Sequence[float]]) -> Units:
    """Units from rows of counts, the last of each being how many units count so."""
    import numpy as np

    table = np.array(sorted(tuple(map(float, row)) for row in rows), dtype=float).reshape(len(rows), len(names) + 1)
    return Units(tuple(names), table[:, :-1], table[:, -1].astype(np.int64))


def merged(units: Sequence[Units]) -> Units:
    """Several groups' units as one group."""
    import numpy as np

    return Units(units[0].names, np.concatenate([u.counts for u in units]), np.concatenate([u.times for u in units]))


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share of independent things (Wilson 1927); from 0 to 1 where there are none."""
    if trials <= 0:
        return 0.0, 1.0
    share = successes / trials
    middle = share + Z * Z / (2 * trials)
    half = Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    scale = 1 + Z * Z / trials
    low = 0.0 if successes <= 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if successes >= trials else min(1.0, (middle + half) / scale)
    return low, high


def independent_share(successes: int, trials: int, *, per: float = 1.0) -> Measured | None:
    """A share of independent things, such as people or clusters; None where there are none.

    Args:
        successes: how many have it.
        trials: how many there are.
        per: what the share is told per (100,000).
    """
    if not trials:
        return None
    low, high = wilson(successes, trials)
    return Measured(per * successes / trials, per * low, per * high, trials)


def share_of_units(units: Units, part: str, whole: str, *, counted: float = 1.0) -> Measured | None:
    """A ratio of two sums over units, with Wilson's interval on the effective number; None where the whole is empty.

    Args:
        units: the units.
        part: column of the successes.
        whole: column of the trials.
        counted: how often each trial stands in the columns (2 where a pair is counted at both its records).
    """
    trials = units.total(whole)
    if trials <= 0:
        return None
    share = min(1.0, units.total(part) / trials)
    size = _effective_number(units, part, whole, share, trials / counted)
    low, high = wilson(share * size, size)
    return Measured(share, min(low, share), max(high, share), trials / counted)


def _effective_number(units: Units, part: str, whole: str, share: float, trials: float) -> float:
    there = units[whole] > 0
    informative = float(units.times[there].sum())
    if share <= 0 or share >= 1 or informative < 2:
        return min(informative, trials)
    left = units[part] - share * units[whole]
    spread = informative / (informative - 1) * float((left**2) @ units.times)
    variance = spread / units.total(whole) ** 2
    return min(trials, share * (1 - share) / variance) if variance > 0 else min(informative, trials)


def bootstrapped(units: Units, statistic: Callable[[np.ndarray], np.ndarray], value: float, of: float) -> Measured:
    """A figure that is no share, with the percentile interval of resampled units.

    Args:
        units: the units.
        statistic: sums of the columns (draws x columns) to the figure of each draw; NaN where it has none.
        value: the figure itself.
        of: what it is counted on.
    """
    import numpy as np

    drawn = units.drawn(np.random.default_rng(SEED)) @ units.counts
    low, high = _percentiles(statistic(drawn))
    return Measured(value, min(low, value), max(high, value), of)


def _percentiles(figures: np.ndarray) -> tuple[float, float]:
    import numpy as np

    there = figures[~np.isnan(figures)]
    if not len(there):
        return 0.0, 1.0
    low, high = np.percentile(there, [2.5, 97.5])
    return float(low), float(high)


def harmonic_mean(precision: float, recall: float) -> float:
    """F1."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def f1_of_units(
    units: Units, precision: tuple[str, str], recall: tuple[str, str], *, counted: float = 1.0
) -> Measured | None:
    """F1 of two ratios (part and whole of each), resampled; None where either has no whole."""
    import numpy as np

    wholes = [units.total(whole) for _, whole in (precision, recall)]
    if min(wholes) <= 0:
        return None
    columns = [units.names.index(name) for name in (*precision, *recall)]

    def of_draws(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            p, r = sums[:, columns[0]] / sums[:, columns[1]], sums[:, columns[2]] / sums[:, columns[3]]
            figures: np.ndarray = np.where(p + r > 0, 2 * p * r / (p + r), 0.0)
        return figures

    value = harmonic_mean(units.total(precision[0]) / wholes[0], units.total(recall[0]) / wholes[1])
    found = bootstrapped(units, of_draws, value, wholes[1] / counted)
    if value < 1:
        return found
    # No error was seen: as much as the two intervals leave open.
    lows = [share_of_units(units, *names, counted=counted) for names in (precision, recall)]
    return Measured(1.0, harmonic_mean(*(m.low if m else 0.0 for m in lows)), 1.0, found.of)


@dataclass(frozen=True)
class Gap:
    """The largest difference of a share between two groups.

    Attributes:
        best: group with the highest share.
        worst: group with the lowest.
        difference: highest less lowest, with the interval of the difference between these two groups.
        by_chance: difference between highest and lowest that comes about in 19 of 20 cases at most where every group
            has one and the same share: the more and the smaller the groups, the larger.
        left_out: groups that are too small to be compared.
    """

    best: str
    worst: str
    difference: Measured
    by_chance: float
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The gap for a JSON file."""
        return {
            "best": self.best,
            "worst": self.worst,
            "difference": self.difference.as_json(),
            "by_chance": self.by_chance,
            "left_out": list(self.left_out),
        }


def largest_gap(groups: dict[str, Units], part: str, whole: str, left_out: Sequence[str] = ()) -> Gap | None:
    """The gap between the best and the worst of several groups; None where fewer than two can be compared."""
    import numpy as np

    shares = {name: units.total(part) / units.total(whole) for name, units in groups.items() if units.total(whole)}
    if len(shares) < 2:
        return None
    order = sorted(shares, key=lambda name: (shares[name], name))
    worst, best = order[0], order[-1]
    generator = np.random.default_rng(SEED)

    def draws(units: Units, as_many_as: Units) -> np.ndarray:
        drawn = units.drawn(generator, as_many_as=int(as_many_as.times.sum()))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: np.ndarray = (drawn @ units[part]) / (drawn @ units[whole])
        return ratio

    low, high = _percentiles(draws(groups[best], groups[best]) - draws(groups[worst], groups[worst]))
    value = shares[best] - shares[worst]
    everybody = merged([groups[name] for name in order])
    alike = np.array([draws(everybody, groups[name]) for name in order])
    by_chance = np.nanpercentile(alike.max(axis=0) - alike.min(axis=0), 95)
    # The two were picked for being furthest apart, so a difference below nothing is none.
    interval = Measured(value, max(0.0, min(low, value)), max(high, value), float(len(order)))
    return Gap(best, worst, interval, float(by_chance), tuple(left_out))


def excess_by_chance(groups: Mapping[str, Units], part: str, whole: str) -> dict[str, float]:
    """How far each group's share may lie above everybody's by chance, if all had one and the same share.

    With 19 of 20 nights' certainty no group of all of them goes beyond: the twentieth is shared out over the groups
    (Bonferroni), so that many groups do not make an alarm, and a small group does not hide what a large one shows.

    Args:
        groups: units of each group.
        part: column of what is counted (errors).
        whole: column of what it is a share of.

    Returns:
        Group to a difference of shares; a group without anything in `whole` is left out.
    """
    import numpy as np

    counted = {name: units for name, units in groups.items() if units.total(whole) > 0}
    if not counted:
        return {}
    everybody = merged(list(counted.values()))
    share = everybody.total(part) / everybody.total(whole)
    generator = np.random.default_rng(SEED)
    found = {}
    for name in sorted(counted):
        drawn = everybody.drawn(generator, as_many_as=int(counted[name].times.sum()))
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = (drawn @ everybody[part]) / (drawn @ everybody[whole])
        found[name] = float(np.nanpercentile(shares, 100 - 5 / len(counted))) - share
    return found


def cohens_kappa(verdicts: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement of two reviewers beyond chance (Cohen 1960); None where both only ever say the same one thing."""
    if not verdicts:
        return None
    n = len(verdicts)
    agree = sum(a == b for a, b in verdicts) / n
    yes_a, yes_b = sum(a for a, _ in verdicts) / n, sum(b for _, b in verdicts) / n
    chance = yes_a * yes_b + (1 - yes_a) * (1 - yes_b)
    return None if chance >= 1 else (agree - chance) / (1 - chance)
