"""Drawing without a script: what charts that stand in a page as SVG have in common.

What belongs here: scales, their ticks, and elements of SVG. What does not: which marks show what (`process`,
`comparison`), and charts that a page's script draws (`charts`).

Vega draws such a chart in 35 ms of CPU and 16 kB, which is too much for thousands of small ones a night. What is drawn
here takes a fraction of both, needs no script, prints as it is and follows the theme: its marks have classes, whose
colours stand in `templates/process.css`. All text that comes from outside is escaped by `text` and `title`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_pipeline.pages import words

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH = 480
"""Units of a drawing's width: pixels where there is room; on a phone it shrinks, with type that can still be read."""

TYPE = 12.5
"""Units of a drawing's type; a letter of it is about half as wide."""

LETTER = 0.55 * TYPE

NICE_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """From values to places in a drawing; `low` lies at `start`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies within the drawing."""
        return self.low <= value <= self.high


def upright(values: Sequence[float], top: float, bottom: float, *, share: bool) -> Scale:
    """The upright scale of some values, from tick to tick; below nothing only where a value is, and no share above all.

    Args:
        values: at least one, all finite.
        top: place of the highest.
        bottom: place of the lowest.
        share: whether they are shares.
    """
    low, high = min(values), max(values)
    if high - low < 1e-9:
        apart = abs(high) / 10 or 1.0
        low, high = low - apart, high + apart
    step = _step(low, high)
    floor = math.floor(low / step) * step
    ceiling = math.ceil(high / step) * step
    floor = max(floor, 0.0) if min(values) >= 0 else floor
    ceiling = min(ceiling, 1.0) if share and max(values) <= 1 else ceiling
    return Scale(floor, ceiling, bottom, top)


def ticks(scale: Scale) -> list[float]:
    """Round values over a scale, about four."""
    step = _step(scale.low, scale.high)
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _step(low: float, high: float, wanted: int = 4) -> float:
    rough = (high - low) / wanted
    size = 10.0 ** math.floor(math.log10(rough))
    return size * next(nice for nice in NICE_STEPS if nice * size >= rough * (1 - 1e-9))


def tick_words(values: Sequence[float], *, share: bool) -> list[str]:
    """Ticks as words, with as many decimals as tell them apart."""
    shown = [100 * value if share else value for value in values]
    step = shown[1] - shown[0] if len(shown) > 1 else abs(shown[0]) or 1.0
    decimals = next((n for n in range(4) if abs(step * 10**n - round(step * 10**n)) < 1e-6), 4)
    return [words.number(value, decimals) + ("%" if share else "") for value in shown]


def text(x: float, y: float, said: str, of: str = "") -> str:
    """Words in a drawing; `of` is their class."""
    from markupsafe import escape

    named = f' class="{of}"' if of else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(said)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, of: str) -> str:
    """A straight line of a class."""
    return f'<path class="{of}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def path(places: Sequence[tuple[float, float]], of: str) -> str:
    """A line through places."""
    return f'<path class="{of}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'


def titled(element: str, said: str) -> str:
    """An element that says something where the pointer rests on it."""
    from markupsafe import escape

    return f"<g>{element}<title>{escape(said)}</title></g>"


def grid(scale: Scale, left: float, right: float, *, share: bool) -> str:
    """Level rules at the ticks of an upright scale, with their words at the left."""
    marks = ticks(scale)
    return "".join(
        line(left, scale(value), right, scale(value), "grid") + text(left - 6, scale(value) + 4, told, "end")
        for value, told in zip(marks, tick_words(marks, share=share), strict=True)
    )


def whole(parts: Sequence[str], height: float, *, width: float = WIDTH, of: str = "") -> Markup:
    """A drawing of its parts, which the words beside it describe."""
    from markupsafe import Markup

    named = f"drawn {of}" if of else "drawn"
    opened = f'<svg class="{named}" viewBox="0 0 {width:g} {height:g}" aria-hidden="true" focusable="false">'
    return Markup(opened + "".join(parts) + "</svg>")  # noqa: S704  # its text is escaped by `text` and `titled`


MARKS: dict[str, Callable[[float, float], str]] = {
    "common": lambda x, y: f'<circle class="common" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>',
    "improvement": lambda x, y: f'<path class="improvement" d="M{x:.1f} {y - 6:.1f}l6 6-6 6-6-6z"/>',
    "concern": lambda x, y: f'<path class="concern" d="M{x:.1f} {y - 6:.1f}l6 10.5h-12z"/>',
    "change": lambda x, y: f'<path class="change" d="M{x - 4.5:.1f} {y - 4.5:.1f}h9v9h-9z"/>',
    "range": lambda x, y: f'<path class="range" d="M{x:.1f} {y - 6:.1f}v12"/>',
}
"""The mark of a figure, by what it says: by form as well as by colour."""
