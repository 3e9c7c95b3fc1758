"""Funnel limits: how far a practice's or provider's value may lie from the system's by chance alone.

What belongs here: limits and which side of them a value lies on. What does not: drawing them (`pages`).

Limits are those of Spiegelhalter (2005, Funnel plots for comparing institutional performance, Statistics in Medicine
24:1185-1202): quantiles of the binomial (shares) and of the Poisson distribution (rates) at 95% (two standard
deviations) and 99.8% (three), in whole numbers. They are not interpolated between whole numbers as in his appendix:
where everybody is at 99%, ten of ten would lie above the limit. That practices differ for reasons that are no chance
(overdispersion) is not modelled: with large numbers many lie outside, which says that they differ and not that they are
bad.

Standardised rates and means have no limits by size alone: there a value is outside where the system's value lies
outside the unit's own interval of 95% or 99.8%.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_pipeline.audit.measures import Kind, Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Texts = NDArray[np.object_]

TAILS = (0.001, 0.025, 0.975, 0.999)
"""Cumulative probabilities of the four limits."""


ABOVE, BELOW = ("above_95", "above_99_8"), ("below_95", "below_99_8")
"""Sides, by how far."""


def limits(measure: Measure, centre: float, denominator: float) -> tuple[float, float, float, float] | None:
    """The limits of one unit: low at 99.8%, low at 95%, high at 95%, high at 99.8%, in the measure's unit.

    Args:
        measure: the measure.
        centre: the system's value.
        denominator: the unit's.

    Returns:
        None for measures whose limits are no function of the denominator, and for one of nothing.
    """
    import numpy as np

    if measure.kind not in ("share", "rate") or denominator <= 0:
        return None
    low_998, low_95, high_95, high_998 = (
        float(each[0]) for each in _limits(measure.kind, np.array([centre / measure.per]), np.array([denominator]))
    )
    return low_998 * measure.per, low_95 * measure.per, high_95 * measure.per, high_998 * measure.per


def _limits(kind: Kind, centre: Floats, denominator: Floats) -> list[Floats]:
    """The four limits as shares of the denominator."""
    import numpy as np

    # Not scipy.stats, which takes a second to import.
    from scipy import special  # type: ignore[import-untyped]  # it ships no types

    size, share = np.maximum(np.round(denominator), 1), np.clip(centre, 0, 1)
    expected = np.maximum(centre * denominator, 0)

    def up_to(count: Floats) -> Floats:
        """The probability of so many or fewer."""
        found = special.bdtr(count, size.astype(np.int64), share) if kind == "share" else special.pdtr(count, expected)
        return np.where(count < 0, 0.0, found)

    found = []
    for tail in TAILS:
        place = special.bdtrik(tail, size, share) if kind == "share" else special.pdtrik(tail, expected)
        count = np.ceil(np.nan_to_num(place))
        count = np.where(up_to(count - 1) >= tail, count - 1, count)
        count = np.where((kind == "share") & (share >= 1), size, np.maximum(count, 0))
        found.append(count / denominator)
    return found


def sides(kind: Kind, value: Floats, centre: Floats, denominator: Floats) -> Texts:
    """Where values of shares or rates lie: within, above_95, above_99_8, below_95 or below_99_8.

    Args:
        kind: share or rate.
        value: the units', as shares of the denominator.
        centre: the system's, likewise.
        denominator: the units'.
    """
    low_998, low_95, high_95, high_998 = _limits(kind, centre, denominator)
    return _named(value < low_998, value < low_95, value > high_95, value > high_998)


def sides_by_interval(
    centre: Floats, interval_95: tuple[Floats, Floats], interval_99_8: tuple[Floats, Floats]
) -> Texts:
    """The same for values with intervals of their own: where the system's value lies outside of them."""
    return _named(
        interval_99_8[1] < centre, interval_95[1] < centre, interval_95[0] > centre, interval_99_8[0] > centre
    )


def _named(
    below_998: NDArray[np.bool_], below_95: NDArray[np.bool_], above_95: NDArray[np.bool_], above_998: NDArray[np.bool_]
) -> Texts:
    import numpy as np

    chosen = np.select(
        [above_998, below_998, above_95, below_95], ["above_99_8", "below_99_8", "above_95", "below_95"], "within"
    )
    return chosen.astype(object)
