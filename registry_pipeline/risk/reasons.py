"""Why somebody's risk is high, in plain words: the themes that raise it most, with the person's own figures.

What belongs here: choosing the themes and wording them. What does not: how much each adds (`model`).

A reason is something that is there and raises the log odds above those of the average person. What raises them by
being absent (few contacts with the practice) is no reason to be told: nobody can act on it, and it may be a gap in the
records.
No figure tells more than the table's other columns: ages stand in bands, as outputs without identity have them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from registry_pipeline.risk.features import LONGEST_WINDOW, Feature
from registry_pipeline.risk.model import column_names

if TYPE_CHECKING:
    import pyarrow as pa

    from registry_pipeline.risk.model import Floats, Matrix

MOST_REASONS: Final = 5

LEAST_ADDED: Final = 0.05
"""Log odds below which a theme is no reason: it raises the odds by less than a twentieth."""

FIT: Final = 0.12
"""Electronic frailty index up to which somebody is fit (Clegg 2016): that it was looked at raises the risk then, and
read as a reason it would say the contrary."""

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def number_in_words(count: float) -> str:
    """A whole number, in words up to ten."""
    whole = round(count)
    return _WORDS[whole] if 0 <= whole < len(_WORDS) else f"{whole:,}"


def in_words(count: float, singular: str) -> str:
    """A count with what is counted."""
    return f"{number_in_words(count)} {singular if round(count) == 1 else _plural(singular)}"


def _plural(words: str) -> str:
    """The plural of what is counted: the first noun of the words, before at, with, in, of, on, after or not."""
    parts = words.split()
    ends = (n for n, part in enumerate(parts) if part in ("at", "with", "in", "of", "on", "after", "not"))
    noun = next(ends, len(parts)) - 1
    last = parts[noun]
    parts[noun] = f"{last[:-1]}ies" if last.endswith("y") and last[-2:-1] not in "aeo" else f"{last}s"
    return " ".join(parts)


def period(days: int) -> str:
    """A window in words."""
    if days == LONGEST_WINDOW:
        return "the last year"
    return f"the last {days} days" if days <= 90 else f"the last {round(days * 12 / LONGEST_WINDOW)} months"


Values = Sequence[float]
Wording = Callable[[Sequence[Feature], Values, int], str | None]


def _use(features: Sequence[Feature], values: Values, longest: int) -> str | None:
    """`three emergency admissions in the last year, one of them in the last 30 days`."""
    days = [longest if feature.window == "long" else int(feature.window or 0) for feature in features]
    widest = max(range(len(days)), key=days.__getitem__)
    if not values[widest] >= 1:
        return None
    told = f"{in_words(values[widest], features[widest].words)} in {period(days[widest])}"
    recent = min(range(len(days)), key=lambda n: (not values[n] >= 1, days[n]))
    if recent == widest:
        return told
    if round(values[recent]) == round(values[widest]):
        return f"{in_words(values[recent], features[recent].words)} in {period(days[recent])}"
    return f"{told}, {number_in_words(values[recent])} of them in {period(days[recent])}"


def _age(_features: Sequence[Feature], values: Values, _longest: int) -> str | None:
    age = values[0]
    if math.isnan(age):
        return "age is not known"
    if age < 1:
        return "aged under 1"
    if age >= 90:
        return "aged 90 or over"
    first = int(age) // 5 * 5
    return f"aged {max(first, 1)} to {first + 4}"


def _sex(_features: Sequence[Feature], values: Values, _longest: int) -> str | None:
    return {1.0: "female", 0.0: "male"}.get(values[0])


def _deprivation(_features: Sequence[Feature], values: Values, _longest: int) -> str | None:
    # From 5 on (decile 5 and below), the more deprived half.
    if not values[0] >= 5:
        return None
    return f"home in a deprived area (decile {10 - round(values[0])} of 10, 1 the most deprived)"


def _frailty_index(_features: Sequence[Feature], values: Values, _longest: int) -> str | None:
    # Not that of the table: any setting's newest value, however old, and at any age.
    return f"electronic frailty index recorded as {values[0]:.2f}" if values[0] > FIT else None


def _frailty_points(_features: Sequence[Feature], values: Values, longest: int) -> str | None:
    # Most of them (a fall, an infection) are no diagnosis of frailty, and the points are not the score of the table.
    told = f"hospital diagnoses that go with frailty in {period(longest)} ({values[0]:.1f} points)"
    return told if values[0] > 0 else None


def _named(features: Sequence[Feature], values: Values, _longest: int) -> str | None:
    return features[0].words if values[0] >= 0.5 else None


def _counted_now(features: Sequence[Feature], values: Values, _longest: int) -> str | None:
    return in_words(values[0], features[0].words) if values[0] >= 1 else None


_WORDINGS: Mapping[str, Wording] = {
    "age": _age,
    "sex": _sex,
    "deprivation": _deprivation,
    "electronic_frailty_index": _frailty_index,
    "hospital_frailty_points": _frailty_points,
    "home_care_services": _counted_now,
    "care_plan": lambda _f, values, _l: "has a care plan" if values[0] >= 0.5 else None,
    "has_carer": lambda _f, values, _l: "depends on an unpaid carer" if values[0] >= 0.5 else None,
    "is_carer": lambda _f, values, _l: "is an unpaid carer" if values[0] >= 0.5 else None,
}


def _wording(features: Sequence[Feature]) -> Wording:
    theme = features[0].theme
    if theme in _WORDINGS:
        return _WORDINGS[theme]
    return _use if features[0].window else _named


def themes(features: Sequence[Feature]) -> dict[str, list[Feature]]:
    """Features by theme, in order."""
    found: dict[str, list[Feature]] = {}
    for feature in features:
        found.setdefault(feature.theme, []).append(feature)
    return found


def tell(features: Sequence[Feature], longest: int, values: Mapping[str, Floats], added: Matrix) -> pa.ListArray:
    """The reasons of some people.

    Args:
        features: the model's.
        longest: its longest window in days.
        values: the people's features.
        added: what each column adds to their log odds.

    Returns:
        For each person a list of at most `MOST_REASONS` texts, most important first.
    """
    import numpy as np
    import pyarrow as pa

    grouped = themes(features)
    theme_of = {feature.name: n for n, members in enumerate(grouped.values()) for feature in members}
    of_column = np.array([theme_of[feature] for _, feature in column_names(features)])
    people = len(added)
    shares = np.zeros((people, len(grouped)), dtype=np.float32)
    for n in range(len(grouped)):
        shares[:, n] = added[:, of_column == n].sum(axis=1)
    texts: list[str] = []
    which = np.full((people, len(grouped)), -1, dtype=np.int32)
    for n, members in enumerate(grouped.values()):
        raised = np.flatnonzero(shares[:, n] >= LEAST_ADDED)
        _word(members, longest, values, raised, which[:, n], texts)
    shares[which < 0] = -np.inf
    most = min(MOST_REASONS, len(grouped))
    order = np.argsort(-shares, axis=1, kind="stable")[:, :most]
    chosen = np.take_along_axis(which, order, axis=1)
    there = chosen >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(texts, pa.string()).take(pa.array(chosen[there])))


def _word(
    members: Sequence[Feature], longest: int, values: Mapping[str, Floats], rows: Any, which: Any, texts: list[str]
) -> None:
    """Word a theme for the people whose risk it raises, each different set of figures once."""
    import numpy as np

    if not len(rows):
        return
    figures = np.column_stack([values[feature.name][rows] for feature in members])
    # nan is a figure of its own: not known.
    different, turn = np.unique(np.nan_to_num(figures, nan=-1.0), axis=0, return_inverse=True)
    numbers = np.full(len(different), -1, dtype=np.int32)
    wording = _wording(members)
    for n, each in enumerate(different):
        text = wording(members, [float(v) if v >= 0 else float("nan") for v in each], longest)
        if text is not None:
            numbers[n] = len(texts)
            texts.append(text)
    which[rows] = numbers[turn.reshape(-1)]
