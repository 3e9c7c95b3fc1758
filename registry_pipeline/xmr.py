"""Control limits for a figure that comes once a night: the XmR chart of "Making Data Count" (NHS England).

What belongs here: limits and what counts as out of control, as arithmetic. What does not: which figures are watched.

Limits are mean +- 2.66 x the average moving range of the nights before; ranges beyond 3.267 x their average are left
out once and the average taken again, so that one odd night does not hide the next. Flags as in NHSRplotthedots:
outside the limits; seven in a row on one side of the mean; seven in a row rising or falling; two of three in the
outer third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
    mean = sum(values) / len(values)
    ranges = [abs(b - a) for a, b in pairwise(values)]
    average = sum(ranges) / len(ranges)
    usual = [each for each in ranges if each <= ODD_RANGE * average]
    apart = max(LIMITS * sum(usual) / len(usual), narrowest * abs(mean))
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
