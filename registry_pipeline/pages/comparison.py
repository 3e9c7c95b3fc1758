"""Charts that compare organisations or groups over one period: funnels, and values with their intervals.

What belongs here: their marks. What does not: limits and intervals themselves (whoever counts them), and figures over
time (`process`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_pipeline.govern.disclosure import HIDDEN
from registry_pipeline.pages import drawing, words
from registry_pipeline.pages.drawing import LETTER, MARKS, TYPE, WIDTH, Scale

if TYPE_CHECKING:
    from markupsafe import Markup

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 270, 52, 470, 14, 222

STEPS = 40
"""Places at which a funnel's limits are drawn."""

APART, BOLD_LETTER = 9, 0.62 * TYPE
"""Of an organisation's name: how far from its mark, and the width of its letters."""

MOST_NAMED = 14
"""Organisations named in a funnel: of more, the names would hide the dots."""

ROW, LABELS, VALUES = 24, 176, 410
"""Of a chart of intervals: height of a row, where its labels end at most, and where its values begin."""

Limits = tuple[float, float, float, float]
"""Lower and upper limits: 99.8% below, 95% below, 95% above, 99.8% above."""

Reads = Callable[[float | None], str]
"""A value as words."""


@dataclass(frozen=True)
class Dot:
    """An organisation in a funnel.

    Attributes:
        name: its code or name.
        size: the denominator.
        value: its figure.
        mark: as in `drawing.MARKS`: what its place says.
    """

    name: str
    size: float
    value: float
    mark: str = "common"


@dataclass(frozen=True)
class Bar:
    """A value with its interval.

    Attributes:
        name: whose.
        value: None where it is hidden, or nothing is known.
        low, high: of the interval.
        is_hidden: by the rule of small numbers.
        mark: as in `drawing.MARKS`.
        is_own: whether the page is about it.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    is_hidden: bool = False
    mark: str = "common"
    is_own: bool = False


@dataclass(frozen=True)
class Funnel:
    """A funnel drawn once, to be shown on many pages, each with its own organisation marked."""

    ground: str
    across: Scale
    upright: Scale
    reads: Reads

    def drawn(self, own: Dot | None = None) -> Markup:
        """The funnel, with one organisation marked and named."""
        if own is None:
            return drawing.whole([self.ground], HEIGHT)
        x, y = self.across(own.size), self.upright(own.value)
        ring = f'<circle class="own" cx="{x:.1f}" cy="{y:.1f}" r="10"/>'
        told = drawing.titled(ring + MARKS[own.mark](x, y), f"{own.name}: {self.reads(own.value)}")
        return drawing.whole([self.ground, told, _name(own.name, x, y, apart=14)], HEIGHT)


def funnel(
    dots: Sequence[Dot],
    centre: float,
    limits: Callable[[float], Limits | None],
    *,
    reads: Reads,
    share: bool,
    across: str,
    tells: bool,
) -> Funnel | None:
    """Organisations by size and value, within the limits that chance sets around the centre; None of fewer than two.

    Args:
        dots: the organisations.
        centre: the system's value.
        limits: of a size; None where they are no function of it: then none are drawn.
        reads: a value as words.
        share: whether values are shares.
        across: what the level axis counts.
        tells: whether each dot says its name where the pointer rests on it, and those beyond a limit are named; else
            they are drawn without names (much smaller).
    """
    if len(dots) < 2:
        return None
    x = _by_size(dots)
    lines = _limit_lines(dots, limits, x)
    reach = [at for line in lines for _, at in line[len(line) // 5 :]]
    values = [*(dot.value for dot in dots), centre, *(at for at in reach if at >= 0 and (not share or at <= 1))]
    y = drawing.upright(values, TOP, BOTTOM, share=share)
    parts = [drawing.grid(y, LEFT, RIGHT, share=share), _sizes(x, across)]
    for line, of in zip(lines, ("limit outer", "limit", "limit", "limit outer"), strict=False):
        inside = [(x(size), y(at)) for size, at in line if y.holds(at)]
        parts += [drawing.path(inside, of)] if len(inside) > 1 else []
    parts.append(drawing.line(LEFT, y(centre), RIGHT, y(centre), "centre"))
    parts += _told(dots, x, y, reads) if tells else [_untold(dots, x, y)]
    return Funnel("".join(parts), x, y, reads)


def _by_size(dots: Sequence[Dot]) -> Scale:
    """From nothing, or where all are large, from not far below the smallest."""
    least, most = min(dot.size for dot in dots), max(dot.size for dot in dots)
    apart = max(most - least, 0.1 * most, 1e-9)
    return Scale(max(0.0, least - 0.3 * apart) if least > 0.3 * most else 0.0, most + 0.06 * apart, LEFT, RIGHT)


def _limit_lines(
    dots: Sequence[Dot], limits: Callable[[float], Limits | None], x: Scale
) -> list[list[tuple[float, float]]]:
    least = max(min(dot.size for dot in dots) * 0.5, x.high / 200, x.low)
    sizes = [least * (x.high / least) ** (n / STEPS) for n in range(STEPS + 1)]
    found = [(size, known) for size in sizes if (known := limits(size)) is not None]
    return [[(size, known[n]) for size, known in found] for n in range(4)] if len(found) > 1 else []


def _sizes(x: Scale, across: str) -> str:
    marks = drawing.ticks(x)
    told = drawing.tick_words(marks, share=False)
    names = "".join(drawing.text(x(at), BOTTOM + 18, said, "middle") for at, said in zip(marks, told, strict=True))
    return names + drawing.text(RIGHT, BOTTOM + 38, across, "end quiet")


def _untold(dots: Sequence[Dot], x: Scale, y: Scale) -> str:
    """All dots as one line of no length, with round ends."""
    return f'<path class="others" d="{"".join(f"M{x(d.size):.0f} {y(d.value):.0f}h0" for d in dots)}"/>'


def _told(dots: Sequence[Dot], x: Scale, y: Scale, reads: Reads) -> list[str]:
    ordered = sorted(dots, key=lambda dot: dot.mark != "common")  # what stands out is drawn last
    shown = [drawing.titled(MARKS[d.mark](x(d.size), y(d.value)), f"{d.name}: {reads(d.value)}") for d in ordered]
    return shown + _names([dot for dot in ordered if dot.mark != "common"], x, y)


def _names(dots: Sequence[Dot], x: Scale, y: Scale) -> list[str]:
    """Names of what stands out, those farthest from the middle first, as far as they do not cover each other."""
    middle = (y.low + y.high) / 2
    taken: list[tuple[float, float, float]] = []
    parts: list[str] = []
    for dot in sorted(dots, key=lambda each: -abs(each.value - middle)):
        at, long = y(dot.value), BOLD_LETTER * len(dot.name)
        left = x(dot.size) + APART if _fits(dot.name, x(dot.size), APART) else x(dot.size) - APART - long
        covers = any(abs(at - other) < TYPE and left < end and start < left + long for start, end, other in taken)
        if covers or len(parts) >= MOST_NAMED:
            continue
        taken.append((left, left + long, at))
        parts.append(_name(dot.name, x(dot.size), at, apart=APART))
    return parts


def _fits(name: str, x: float, apart: float) -> bool:
    return x + apart + BOLD_LETTER * len(name) <= WIDTH


def _name(name: str, x: float, y: float, *, apart: float) -> str:
    """To the right of a mark, or to its left where there is no room."""
    fits = _fits(name, x, apart)
    return drawing.text(x + apart if fits else x - apart, y + 4, name, "name" if fits else "name end")


def intervals(bars: Sequence[Bar], centre: float | None, *, reads: Reads, share: bool, of: str = "") -> Markup | None:
    """Values with their intervals, one row each, and the centre that they are compared with; None where none is known.

    Args:
        bars: in the order of their rows.
        centre: drawn as an upright rule, called `of`.
        reads: a value as words.
        share: whether values are shares.
        of: what the centre is.
    """
    values = [v for b in bars for v in (b.value, b.low, b.high) if v is not None]
    if not any(bar.value is not None for bar in bars):
        return None
    labels = min(LABELS, 8 + LETTER * max(len(bar.name) for bar in bars))
    y = drawing.upright([*values, *([centre] if centre is not None else [])], labels + 8, VALUES - 8, share=share)
    x = Scale(y.low, y.high, labels + 8, VALUES - 8)
    top = 20.0 if centre is not None else 6.0
    bottom = top + ROW * len(bars)
    marks = drawing.ticks(x)
    parts = [drawing.line(x(at), top, x(at), bottom, "grid") for at in marks]
    told = drawing.tick_words(marks, share=share)
    step = 1 if len(marks) * max(len(said) for said in told) * LETTER < VALUES - labels - 30 else 2
    parts += [
        drawing.text(x(at), bottom + 16, said, "middle") for at, said in list(zip(marks, told, strict=True))[::step]
    ]
    if centre is not None:
        parts.append(drawing.line(x(centre), top - 4, x(centre), bottom, "centre"))
        parts.append(drawing.text(x(centre), top - 8, of, "middle quiet"))
    for n, bar in enumerate(bars):
        parts += _row(bar, x, top + ROW * (n + 0.5), labels, reads)
    return drawing.whole(parts, bottom + 24)


def _row(bar: Bar, x: Scale, y: float, labels: float, reads: Reads) -> list[str]:
    parts = [drawing.text(labels, y + 4, bar.name, "name end" if bar.is_own else "end")]
    if bar.value is None:
        return [*parts, drawing.text(VALUES + 2, y + 4, HIDDEN if bar.is_hidden else words.NOT_KNOWN)]
    if bar.low is not None and bar.high is not None:
        parts.append(drawing.line(x(bar.low), y, x(bar.high), y, "between"))
    return [*parts, MARKS[bar.mark](x(bar.value), y), drawing.text(VALUES + 2, y + 4, reads(bar.value))]
