"""Intervals of 95% (or any other) for what audit tells: shares, rates, standardised rates, means.

What belongs here: the arithmetic, over whole columns. What does not: which measure takes which.

* A share: Wilson's interval (Wilson 1927), recommended by the Association of Public Health Observatories (APHO
  Technical Briefing 3, Commonly used public health statistics and their confidence intervals, 2008).
* A count or rate: Byar's approximation to the exact Poisson limits (Breslow and Day 1987; APHO Technical Briefing 3).
* A directly standardised rate: Dobson's interval (Dobson and others 1991) on Byar's limits (APHO Technical Briefing 3);
  where events are not independent (nights of one stay), the variance is that of the compound Poisson.
* A mean, or a ratio of two sums over stays: the normal interval with the variance of a ratio (Cochran 1977, 6.4): stays
  are taken as independent. Right-skewed stays make it a little short above where there are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Z_95 = 1.959963984540054
"""Of a two-sided 95% interval."""

Z_99_8 = 3.090232306167813
"""Of a two-sided 99.8% interval: the outer limits of a funnel plot."""


def wilson(events: Floats, of: Floats, z: float = Z_95) -> tuple[Floats, Floats]:
    """Wilson's interval of shares; not a number where nobody is at risk."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        share = events / of
        middle = share + z * z / (2 * of)
        half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
        scale = 1 + z * z / of
        low, high = (middle - half) / scale, (middle + half) / scale
    return np.where(events <= 0, np.where(of > 0, 0.0, np.nan), low), np.where(
        events >= of, np.where(of > 0, 1.0, np.nan), high
    )


def byar(events: Floats, z: float = Z_95) -> tuple[Floats, Floats]:
    """Byar's limits of counts."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        low = events * (1 - 1 / (9 * events) - z / (3 * np.sqrt(events))) ** 3
    more = events + 1
    high = more * (1 - 1 / (9 * more) + z / (3 * np.sqrt(more))) ** 3
    return np.where(events > 0, np.maximum(low, 0.0), 0.0), high


def dobson(rate: Floats, variance: Floats, events: Floats, z: float = Z_95) -> tuple[Floats, Floats]:
    """Dobson's interval of directly standardised rates.

    Args:
        rate: the standardised rates.
        variance: of them: the sum of squared weights times the variance of each age band's rate, by the squared sum of
            weights.
        events: what they were counted on.
        z: half width in standard deviations.

    Returns:
        Not a number where there is no event: the variance says nothing there.
    """
    import numpy as np

    low, high = byar(events, z)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(variance / events)
    return np.maximum(rate + scale * (low - events), 0.0), rate + scale * (high - events)


def ratio(
    top: Floats, bottom: Floats, top_squares: Floats, bottom_squares: Floats, products: Floats, size: Floats,
    z: float = Z_95,
) -> tuple[Floats, Floats]:  # fmt: skip
    """The interval of a ratio of two sums over `size` independent things: a mean, where each counts one below.

    Returns:
        Not a number of fewer than two things.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        value = top / bottom
        spread = top_squares - 2 * value * products + value * value * bottom_squares
        half = z * np.sqrt(np.maximum(spread, 0.0) * size / (size - 1)) / bottom
        half = np.where(size > 1, half, np.nan)
    return np.maximum(value - half, 0.0), value + half
