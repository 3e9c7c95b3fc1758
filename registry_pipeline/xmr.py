"""Control limits for a figure that comes again and again: the XmR chart of "Making Data Count" (NHS England).

What belongs here: limits and what counts as out of control, as arithmetic. What does not: which figures are watched.

Limits are mean +- 2.66 x the average moving range of the nights before; ranges beyond 3.267 x their average are left
out once and the average taken again, so that one odd night does not hide the next. Flags as in NHSRplotthedots:
outside the limits; seven in a row on one side of the mean; seven points in a row rising or falling (six steps); two of
three in the outer third. Unlike there, ranges are not left out where only ranges of nothing would remain.

`limits` and `flag` judge tonight's figure by the nights before it; `chart` judges every point of a series (months of
clinical audit), with rebasing and the direction of improvement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

LIMITS = 2.66
"""Average moving ranges from the mean to a limit: three standard deviations of a normal figure."""

ODD_RANGE = 3.267
"""Average moving ranges beyond which a range is left out of the average."""

RUN = 7
"""Nights in a row on one side, or in one direction, that chance does not explain."""

FEWEST_NIGHTS = 7
"""Earlier nights below which there are no limits: fewer do not say how much a figure moves from night to night."""


@dataclass(frozen=True)
class Limits:
    """What a figure moves between, by its own past."""

    mean: float
    low: float
    high: float


def limits(values: Sequence[float], *, narrowest: float = 0.0) -> Limits | None:
    """Control limits from earlier nights' values, in order; None of too few.

    Args:
        values: one a night.
        narrowest: share of the mean that the limits lie apart at least, so that a figure that never moved is not out of
            control as soon as it moves by one.
    """
    if len(values) < FEWEST_NIGHTS:
        return None
    # The mean of figures that are all alike is theirs, and not a hair beside it, where none of them would lie.
    mean = values[0] if min(values) == max(values) else sum(values) / len(values)
    ranges = [abs(b - a) for a, b in pairwise(values)]
    average = sum(ranges) / len(ranges)
    usual = [each for each in ranges if each <= ODD_RANGE * average]
    # Of a figure that moved once or twice only, no other range is left: limits of no width would have all outside.
    width = sum(usual) / len(usual) or average
    apart = max(LIMITS * width, narrowest * abs(mean))
    return Limits(mean, mean - apart, mean + apart)


def flag(earlier: Sequence[float], tonight: float, found: Limits) -> str:
    """Why tonight's value is out of control, in words; empty where it is not."""
    if not found.low <= tonight <= found.high:
        return f"outside what the nights before it lead to expect ({'above' if tonight > found.high else 'below'})"
    values = [*earlier, tonight]
    last = values[-RUN:]
    if len(last) == RUN and (all(v > found.mean for v in last) or all(v < found.mean for v in last)):
        return f"{RUN} nights in a row on one side of the mean"
    steps = [b - a for a, b in pairwise(last)]
    if len(last) == RUN and (all(s > 0 for s in steps) or all(s < 0 for s in steps)):
        return f"{RUN} nights in a row {'rising' if steps[0] > 0 else 'falling'}"
    return _outer_third(values[-3:], found)


def _outer_third(last: Sequence[float], found: Limits) -> str:
    near = 2 / 3 * (found.high - found.mean)
    above = [value > found.mean + near for value in last]
    below = [value < found.mean - near for value in last]
    if len(last) == 3 and ((sum(above) >= 2 and above[-1]) or (sum(below) >= 2 and below[-1])):
        return "two of three nights close to one limit"
    return ""


Signal = Literal["outside_limits", "trend", "two_of_three", "shift"]
"""What chance does not explain, in the order in which a point that shows several is named."""

Meaning = Literal["improvement", "concern", "change"]


@dataclass(frozen=True)
class Point:
    """One point of a chart.

    Attributes:
        limits: of the points since the last rebasing; None where those are too few.
        signal: what the point is part of; None where chance explains it.
        meaning: which way it points: a point on the better side of the mean is an improvement, on the other a concern;
            a trend is judged by its direction, wherever the mean lies; where neither side is better, a change.
    """

    limits: Limits | None
    signal: Signal | None
    meaning: Meaning | None


def chart(
    values: Sequence[float],
    better: Literal["up", "down", "neither"],
    *,
    rebase: Sequence[int] = (),
    fewest: int = FEWEST_NIGHTS,
) -> list[Point]:
    """A whole series as NHSRplotthedots draws it.

    By its ptd_spc_standard and ptd_calculate_point_type (nhs-r-community) as since pull request 180 (2023): a trend is
    judged by its direction, and a point that shows several signals is named in the order of `Signal`.

    Every point since the last rebasing goes into mean and limits, and every point of a run is part of its signal: all
    seven of a shift or trend; of two in three, those between the near limit (two thirds of the way) and the limit, the
    three being on one side of the mean. A point on the mean is on no side and ends a run.

    Args:
        values: in order, none missing.
        better: the direction of improvement.
        rebase: places of the points from which on limits are counted anew.
        fewest: points below which a stretch has no limits.
    """
    starts = sorted({0, *(place for place in rebase if 0 < place < len(values))})
    stretches = [values[start:end] for start, end in pairwise([*starts, len(values)])]
    return [point for stretch in stretches for point in _stretch(stretch, better, fewest)]


def _stretch(values: Sequence[float], better: str, fewest: int) -> list[Point]:
    found = limits(values) if len(values) >= fewest else None
    if found is None:
        return [Point(None, None, None)] * len(values)
    sides = [_side(value, found.mean) for value in values]
    steps = [(b > a) - (b < a) for a, b in pairwise(values)]
    trend = _parts(steps, RUN - 1, wider=1)
    signals = _signals(values, sides, trend, found)
    directions = [trend[i] if signals[i] == "trend" else side for i, side in enumerate(sides)]
    return [
        Point(found, signal, None if signal is None else _meaning(direction, better))
        for signal, direction in zip(signals, directions, strict=True)
    ]


def _side(value: float, mean: float) -> int:
    """1 above the mean, -1 below; 0 on it, as far as the mean of fractions can be told."""
    return 0 if math.isclose(value, mean, rel_tol=1e-12) else (value > mean) - (value < mean)


def _meaning(direction: int, better: str) -> Meaning:
    if better == "neither":
        return "change"
    return "improvement" if direction == (1 if better == "up" else -1) else "concern"


def _signals(values: Sequence[float], sides: Sequence[int], trend: Sequence[int], found: Limits) -> list[Signal | None]:
    outside = [not found.low <= value <= found.high for value in values]
    near = 2 / 3 * (found.high - found.mean)
    close = [abs(v - found.mean) > near and not out for v, out in zip(values, outside, strict=True)]
    shift = _parts(sides, RUN)
    of_three = [False] * len(values)
    for start in range(len(values) - 2):
        three = range(start, start + 3)
        if sum(close[i] for i in three) >= 2 and abs(sum(sides[i] for i in three)) == 3:
            for i in three:
                of_three[i] = of_three[i] or close[i]
    named: tuple[tuple[Signal, Sequence[int]], ...] = (
        ("outside_limits", outside), ("trend", trend), ("two_of_three", of_three), ("shift", shift),
    )  # fmt: skip
    return [next((name for name, flags in named if flags[i]), None) for i in range(len(values))]


def _parts(signs: Sequence[int], run: int, *, wider: int = 0) -> list[int]:
    """The sign of the run of `run` alike in a row that each place is part of, else 0 (`wider`: one place more).

    Where two runs meet (the peak between a rise and a fall), it is the later one's.
    """
    part = [0] * (len(signs) + wider)
    for start in range(len(signs) - run + 1):
        if signs[start] != 0 and len(set(signs[start : start + run])) == 1:
            part[start : start + run + wider] = [signs[start]] * (run + wider)
    return part
