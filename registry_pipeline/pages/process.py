"""Control charts: a figure month by month, between the limits that its own past sets, as "Making Data Count" shows it.

What belongs here: the XmR chart and its small form for a row of a table, and the words of a signal. What does not:
limits and signals themselves (`xmr` and whoever counts them), and figures of several groups at once (`comparison`).

Colours and words after NHS England's "Making Data Count": blue for improvement, orange for concern, purple for a change
that is neither, grey for common cause; H or L says to which side. Marks differ in form too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from registry_pipeline.govern.disclosure import HIDDEN
from registry_pipeline.pages import drawing
from registry_pipeline.pages.drawing import MARKS, Scale

if TYPE_CHECKING:
    from markupsafe import Markup

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 210, 52, 470, 16, 178

SMALL_WIDTH, SMALL_HEIGHT = 132, 30

FEWEST_SMALL = 4
"""Known months below which the small form would show dots and no run."""

NAMED_MONTHS = (1, 4, 7, 10)
"""Months named below the chart."""

SIGNAL_WORDS = {
    "outside_limits": "outside the limits",
    "shift": "seven or more in a row on one side of the mean",
    "trend": "seven or more in a row in one direction",
    "two_of_three": "two of three close to one limit",
}

SIDED_WORDS = {
    ("outside_limits", "H"): "above the limits",
    ("outside_limits", "L"): "below the limits",
    ("shift", "H"): "seven or more in a row above the mean",
    ("shift", "L"): "seven or more in a row below the mean",
    ("trend", "H"): "seven or more in a row that rise",
    ("trend", "L"): "seven or more in a row that fall",
    ("two_of_three", "H"): "two of three close to the upper limit",
    ("two_of_three", "L"): "two of three close to the lower limit",
}
"""The same of the newest month, which lies to one side."""

VARIATION_WORDS = {
    "improvement": "Improvement",
    "concern": "Concern",
    "change": "Change",
    "common": "No signal",
    "few": "Not judged",
}
"""What the newest month says; `change`: by chance it is not, and neither direction is better."""


@dataclass(frozen=True)
class Month:
    """One month of a figure.

    Attributes:
        start: its first day.
        value: None where nobody is at risk or it is hidden.
        is_hidden: hidden by the rule of small numbers.
        centre, low, high: of the limits that it is judged by; None where there are too few months.
        signal: one of `SIGNAL_WORDS`, or None.
        signal_is: improvement, concern or change, or None.
    """

    start: date
    value: float | None
    is_hidden: bool = False
    centre: float | None = None
    low: float | None = None
    high: float | None = None
    signal: str | None = None
    signal_is: str | None = None

    @property
    def mark(self) -> str:
        """The mark's name."""
        return self.signal_is if self.signal_is in MARKS else "common"


@dataclass(frozen=True)
class Variation:
    """What the newest month of a figure says: `kind` is one of `VARIATION_WORDS`, `side` H, L or nothing."""

    kind: str
    side: str = ""
    why: str = ""

    @property
    def words(self) -> str:
        """As words, for table and screen reader."""
        where = {"H": ", high", "L": ", low"}.get(self.side, "")
        return VARIATION_WORDS[self.kind] + where


def variation(months: Sequence[Month]) -> Variation:
    """What the newest month that is known says."""
    known = [month for month in months if month.value is not None]
    if not known or known[-1].centre is None:
        return Variation("few")
    last = known[-1]
    if last.signal is None or last.signal_is is None:
        return Variation("common")
    before = known[-2].value if last.signal == "trend" and len(known) > 1 else last.centre
    assert last.value is not None  # noqa: S101  # so were the known chosen
    side = "H" if last.value > (before or 0) else "L"
    return Variation(last.mark, side, SIDED_WORDS.get((last.signal, side), last.signal))


def chart(months: Sequence[Month], *, reads: Callable[[float | None], str], share: bool) -> Markup | None:
    """The XmR chart of a figure; None where no month of it is known.

    Args:
        months: in order; a month that is missing leaves a gap.
        reads: a value as words.
        share: whether the figure is a share.
    """
    values = [v for m in months for v in (m.value, m.low, m.high) if v is not None]
    if not any(month.value is not None for month in months):
        return None
    floor = min(m.value for m in months if m.value is not None)
    y = drawing.upright([v for v in values if v >= min(0.0, floor)], TOP, BOTTOM, share=share)
    x = _across(months, LEFT + 10, RIGHT - 6)
    parts = [drawing.grid(y, LEFT, RIGHT, share=share), _month_names(months, x), *_limits(months, x, y)]
    parts += _runs(months, x, y)
    parts += [_point(month, x, y, reads) for month in months]
    return drawing.whole(parts, HEIGHT)


def small(months: Sequence[Month]) -> Markup | None:
    """The same in a row of a table: the run between its limits, and the newest month."""
    known = [(m, m.value) for m in months if m.value is not None]
    if len(known) < FEWEST_SMALL:
        return None
    values = [v for m in months for v in (m.value, m.low, m.high) if v is not None]
    low, high = min(values), max(values)
    y = Scale(low, high if high > low else low + 1, SMALL_HEIGHT - 7, 7)
    x = _across(months, 6, SMALL_WIDTH - 7)
    parts = []
    for stretch in _judged(months):
        first, last = stretch[0], stretch[-1]
        left, right = x(_at(first)), x(_at(last))
        if first.low is not None and first.high is not None and first.centre is not None:
            corners = [(left, y(first.high)), (right, y(first.high)), (right, y(first.low)), (left, y(first.low))]
            parts.append(drawing.path(corners, "within"))
            parts.append(drawing.line(left, y(first.centre), right, y(first.centre), "centre"))
    parts += _runs(months, x, y)
    newest, value = known[-1]
    parts.append(MARKS[newest.mark](x(_at(newest)), y(value)))
    return drawing.whole(parts, SMALL_HEIGHT, width=SMALL_WIDTH, of="small")


def _at(month: Month) -> int:
    return 12 * month.start.year + month.start.month


def _across(months: Sequence[Month], left: float, right: float) -> Scale:
    first, last = _at(months[0]), _at(months[-1])
    return Scale(first, max(last, first + 1), left, right)


def _stretches(months: Sequence[Month]) -> list[list[Month]]:
    """Months that follow each other, all known: what a line may join."""
    found: list[list[Month]] = []
    for month in months:
        if month.value is None:
            continue
        joins = found and _at(found[-1][-1]) + 1 == _at(month)
        found[-1].append(month) if joins else found.append([month])
    return found


def _runs(months: Sequence[Month], x: Scale, y: Scale) -> list[str]:
    return [
        drawing.path([(x(_at(month)), y(month.value)) for month in stretch if month.value is not None], "run")
        for stretch in _stretches(months)
        if len(stretch) > 1
    ]


def _judged(months: Sequence[Month]) -> list[list[Month]]:
    """Months under the same limits: where they were counted anew, another stretch begins."""
    held = [month for month in months if month.centre is not None]
    return [list(same) for _, same in groupby(held, key=lambda m: (m.centre, m.low, m.high))]


def _limits(months: Sequence[Month], x: Scale, y: Scale) -> list[str]:
    stretches, half, parts = _judged(months), (x(1) - x(0)) / 2, []
    for stretch in stretches:
        left, right = x(_at(stretch[0])) - half, x(_at(stretch[-1])) + half
        for value, of in ((stretch[0].centre, "centre"), (stretch[0].low, "limit"), (stretch[0].high, "limit")):
            if value is not None and y.holds(value):
                parts.append(drawing.line(left, y(value), right, y(value), of))
    for before, after in pairwise(stretches):
        place = (x(_at(before[-1])) + x(_at(after[0]))) / 2
        parts.append(drawing.line(place, TOP - 4, place, BOTTOM, "anew"))
        parts.append(drawing.text(place, TOP - 6, "limits counted anew", "middle quiet"))
    return parts


def _month_names(months: Sequence[Month], x: Scale) -> str:
    """Every quarter's first month; with its year where that is new."""
    parts, year = [], None
    for at in range(_at(months[0]), _at(months[-1]) + 1):
        day = date((at - 1) // 12, (at - 1) % 12 + 1, 1)
        if day.month not in NAMED_MONTHS and len(months) > 4:
            continue
        parts.append(drawing.text(x(at), BOTTOM + 16, f"{day:%b}", "middle"))
        if day.year != year:
            parts.append(drawing.text(x(at), BOTTOM + 30, str(day.year), "middle"))
            year = day.year
    return "".join(parts)


def _point(month: Month, x: Scale, y: Scale, reads: Callable[[float | None], str]) -> str:
    told = f"{month.start:%B %Y}: "
    if month.value is None:
        hidden = drawing.text(x(_at(month)), BOTTOM - 4, HIDDEN, "middle quiet")
        return drawing.titled(hidden, f"{told}hidden, a small number") if month.is_hidden else ""
    told += reads(month.value)
    if month.signal:
        told += f", {(month.signal_is or 'signal')}: {SIGNAL_WORDS.get(month.signal, month.signal)}"
    return drawing.titled(MARKS[month.mark](x(_at(month)), y(month.value)), told)
