"""Which months and years audit tells of, and from which month on the registry's records are whole.

What belongs here: whole calendar months before the night, where each kind of record begins, and the years that are made
of months. What does not: counting what lies in them.

A month before the records of its kind begin, or after they end, is not told: no admissions were delivered is not the
same as none were made. Years are whole, do not overlap, and end with the measure's last whole month: years that overlap
would give single months away by subtraction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from registry_pipeline.audit.measures import Measure

THINNEST = 0.1
"""Share of the median month's records below which a month at the start is stray records, not the start of a feed."""

LATE_START = 7
"""Days into its first month that a feed may begin and the month still count as whole."""


SURELY_MORE = 10
"""Records of a usual month from which on months without any are no chance: the feed has stopped."""


@dataclass(frozen=True)
class Month:
    """A calendar month.

    Attributes:
        number: from 0, the first that audit looks at.
        first, last: its days.
    """

    number: int
    first: date
    last: date


@dataclass(frozen=True)
class Period:
    """A month or year of a measure: the months that it is made of."""

    first: date
    last: date
    months: int
    numbers: tuple[int, ...]


def _add(month: date, months: int) -> date:
    place = month.year * 12 + month.month - 1 + months
    return date(place // 12, place % 12 + 1, 1)


def whole_months(night: date, months: int) -> list[Month]:
    """The last whole months before a night, in order; a month that ends with the night is whole."""
    after = night + timedelta(days=1)
    end = date(after.year, after.month, 1)
    starts = [_add(end, back) for back in range(-months, 1)]
    return [
        Month(number, first, following - timedelta(days=1))
        for number, (first, following) in enumerate(pairwise(starts))
    ]


def first_whole_month(rows: Mapping[int, int], first_days: Mapping[int, date]) -> int | None:
    """The month from which on records of a kind are whole; None where there are none.

    Args:
        rows: records by month; months before the first have negative numbers.
        first_days: the first day with a record, of each of those months.
    """
    there = sorted(number for number, count in rows.items() if count)
    if not there:
        return None
    counts = sorted(rows[number] for number in there)
    median = counts[len(counts) // 2]
    start = next(number for number in there if rows[number] >= THINNEST * median)
    begun_before = any(number < start for number in there)
    return start if begun_before or first_days[start].day <= LATE_START else start + 1


def last_whole_month(rows: Mapping[int, int], last_days: Mapping[int, date], months: Sequence[Month]) -> int:
    """The last month whose records of a kind are whole: that of the night, unless a busy feed has stopped before.

    Args:
        rows: records by month.
        last_days: the last day with a record, of each of those months.
        months: that audit looks at.
    """
    newest = months[-1]
    looked_at = sorted(rows.get(month.number, 0) for month in months if month.number >= min(rows, default=0))
    filled = [count for count in looked_at if count]
    usual = filled[(len(filled) - 1) // 2] if filled else 0
    if usual < SURELY_MORE:
        return newest.number
    last = max(number for number, count in rows.items() if count >= THINNEST * usual)
    if last > newest.number or (newest.last - last_days[last]).days <= LATE_START:
        return newest.number
    month = months[last] if last >= 0 else None
    return last if month is not None and (month.last - last_days[last]).days <= LATE_START else last - 1


def periods_of(
    measure: Measure, months: Sequence[Month], begins: int, night: date, *, ends: int | None = None
) -> list[Period]:
    """The months and years of a measure.

    Args:
        measure: which also says what it looks back on, and waits for.
        months: that audit looks at.
        begins: the first month from which on its records are whole.
        night: of the registry.
        ends: the last month whose records are whole; None where that is the newest.
    """
    begins = begins + measure.looks_back_months
    if ends is not None and ends < months[-1].number:
        night = months[ends].last if ends >= 0 else months[0].first - timedelta(days=1)
    followed = [m for m in months if m.last + timedelta(days=measure.follow_up_days) <= night and m.number >= begins]
    if not followed:
        return []
    if measure.is_state:
        return _of_state(followed[-1:] if measure.only_latest else followed)
    told = [Period(m.first, m.last, 1, (m.number,)) for m in followed]
    for end in range(len(followed), 11, -12):
        year = followed[end - 12 : end]
        told.append(Period(year[0].first, year[-1].last, 12, tuple(m.number for m in year)))
    return told


def _of_state(months: Sequence[Month]) -> list[Period]:
    """A year of a state is how things stood at its end."""
    told = [Period(m.first, m.last, 1, (m.number,)) for m in months]
    return told + [Period(_add(m.first, -11), m.last, 12, (m.number,)) for m in months[::-12]]
