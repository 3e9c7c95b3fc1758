"""Figures of a report as words: counts, shares, numbers and dates as people read them.

What belongs here: one form for each kind of figure, in tables, chart tables and tooltips. What does not: which small
numbers are hidden (`govern.disclosure` has decided that before a report is made).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

NOT_KNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
LEAST_DECIMALS, MOST_DECIMALS = 1, 4
"""Decimals of a percentage; more than the least only where it would read as 0% or 100% and is not."""

NEAR_END = 0.01
"""Shares nearer than this to 0 or 1 differ in the second decimal of their percentage."""

SMALL = 0.001
"""Numbers below it are told as a power of ten."""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(value: Any, kind: str, decimals: int | None = None) -> str:
    """A figure as words.

    Args:
        value: a number, words, `"*"`, or None where nothing is known.
        kind: a `content.CellKind`.
        decimals: of a percentage or a number, so that those of a column agree; None where it stands alone.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOT_KNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return day(value) if kind == "date" else str(value)
    if kind == "share":
        return share(value, LEAST_DECIMALS if decimals is None else decimals)
    return number(value, decimals if kind == "number" else None)


def share(value: float, decimals: int = LEAST_DECIMALS) -> str:
    """A share as a percentage, never rounded to all or nothing when it is neither: `99.97%`."""
    if value in {0, 1}:
        return f"{value:.0%}"
    told = f"{value:.{decimals}%}"
    if decimals < MOST_DECIMALS and told.lstrip("-") in {f"{end:.{decimals}%}" for end in (0, 1)}:
        return share(value, decimals + 1)
    return told.replace("-", MINUS)


def decimals_of(values: Sequence[Any], kind: str) -> int | None:
    """Decimals for a column: as many as tell its values apart, and the same for all."""
    known = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if kind == "share":
        near = [v for v in known if 0 < v < NEAR_END or 1 - NEAR_END < v < 1]
        inside = [v for v in known if v not in {0, 1}]
        return LEAST_DECIMALS + 1 if inside and 2 * len(near) >= len(inside) else LEAST_DECIMALS
    if kind != "number" or not known:
        return None
    if all(float(v).is_integer() for v in known):
        return 0
    return _decimals(max(abs(v) for v in known))


def _decimals(size: float) -> int:
    """Three figures that count, or so."""
    return 3 if size < 2 else 2 if size < 10 else 1 if size < 100 else 0


def number(value: float, decimals: int | None = None) -> str:
    """A number with thousands separators, and as many decimals as its size needs where none are asked for."""
    if math.isinf(value):
        return "no limit"
    if 0 < abs(value) < SMALL:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}".replace("-", MINUS)
    if decimals is None:
        decimals = 0 if float(value).is_integer() else _decimals(abs(value))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def day(text: str) -> str:
    """`2026-04-01` as `1 April 2026`, a moment with its time; other words as they are."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    told = f"{moment.day} {moment:%B %Y}"
    return told if len(text) <= len(date.min.isoformat()) else f"{told}, {moment:%H:%M}{_zone(moment)}"


def _zone(moment: datetime) -> str:
    return f" {moment.tzname()}" if moment.tzname() else ""
