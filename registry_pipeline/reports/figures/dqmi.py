"""The Data Quality Maturity Index (DQMI), as NHS Digital published its methodology (October 2021, with appendix 1).

What belongs here: the definition, as arithmetic on counts. What does not: counting, and which items a provider owes.

Per data item: defaults in excess = max(0, defaults - threshold x records), and the item's score = (valid and complete -
defaults in excess) / records, where a default is a valid code for "not known" or "not stated". The index is the mean of
the items' scores times the mean of their coverages, where coverage is periods submitted over periods expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ItemCount:
    """One data item of one data set.

    Attributes:
        records: all of them.
        valid: records with a valid value, defaults among them.
        defaults: records with a default.
        threshold: share of records that may have a default without harm; 1 never penalises them.
    """

    records: int
    valid: int
    defaults: int
    threshold: float

    @property
    def defaults_in_excess(self) -> float:
        """Defaults beyond the share that is allowed."""
        return max(0.0, self.defaults - self.threshold * self.records)

    @property
    def score(self) -> float | None:
        """The item's score, 0 to 1; None where there are no records."""
        return max(0.0, (self.valid - self.defaults_in_excess) / self.records) if self.records else None


def index(scores: Sequence[float], coverages: Sequence[float]) -> float | None:
    """The index, 0 to 100, from the items' scores and their coverages; None of no items."""
    if not scores or not coverages:
        return None
    return sum(scores) / len(scores) * sum(coverages) / len(coverages) * 100
