"""Figures as words of a sentence.

What belongs here: how a count, a share and a list stand in a sentence. What does not: what the sentences say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry_pipeline.govern.disclosure import HIDDEN, SMALLEST_SHOWN
from registry_pipeline.pages.content import Cell

ACRONYMS: Mapping[str, str] = {"nhs": "NHS", "gp": "GP", "uk": "UK"}
"""Words of rules' names that are written otherwise in a sentence."""


def counted(number: Cell) -> str:
    """A count with its thousands parted; a hidden one in words."""
    if number is None:
        return "not known"
    if number == HIDDEN:
        return f"fewer than {SMALLEST_SHOWN}"
    return f"{number:,}" if isinstance(number, int) else f"{number:,.4g}" if isinstance(number, float) else number


def percent(share: Cell, digits: int = 1) -> str:
    """A share as a percentage."""
    if share is None:
        return "not known"
    return f"{share:.{digits}%}" if isinstance(share, int | float) else f"hidden (fewer than {SMALLEST_SHOWN})"


def interval(measured: Mapping[str, float], digits: int = 2) -> str:
    """A share with its 95% interval."""
    low, high = measured["low"], measured["high"]
    return f"{percent(measured['value'], digits)} (95% interval {percent(low, digits)} to {percent(high, digits)})"


def listed(things: Sequence[str], most: int = 6) -> str:
    """A, B and C; the rest of a long list is counted."""
    if len(things) > most:
        return f"{', '.join(things[:most])} and {len(things) - most} more"
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)


def plural(number: Cell, one: str, several: str) -> str:
    """A count with its noun."""
    return f"{counted(number)} {one if number == 1 else several}"


def spaced(name: str) -> str:
    """A name of a rule or table, as words."""
    return " ".join(ACRONYMS.get(word, word) for word in name.split("_"))
