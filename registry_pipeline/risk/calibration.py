"""Turning what the regression says into probabilities that come true: a line that may bend near the top.

What belongs here: the calibration's form, fitting it on people who were held out, and applying it. What does not: the
regression (`fit`) and judging the result on other people (`evaluate`).

A sum over features says too much of people in whom everything comes together: each kind of use tells in part the
same. A straight recalibration follows the many; two bends near the top let the few be told rightly. It never falls, so
that it changes no rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from registry_pipeline.risk.model import Floats

BENDS_AT: Final = (0.8, 0.97)
"""Shares of the people below each bend: the lower ends of the moderate level and of about the upper half of the high
one. Further up too few people are held out to tell a bend from chance."""

BEND_DEVIATION: Final = 0.5
"""How far a bend is expected to change the slope (standard deviation of its prior): of few people it makes little."""

LEAST_SLOPE: Final = 0.05
"""No part falls, or is flat: who has more against them is never told less."""

_ITERATIONS: Final = 50


@dataclass(frozen=True)
class Calibration:
    """Calibrated log odds: shift + slope * odds + the sum of change * max(odds - knot, 0).

    Attributes:
        slope, shift: of the line.
        bends: knot and change of slope of each bend.
    """

    slope: float = 1.0
    shift: float = 0.0
    bends: tuple[tuple[float, float], ...] = ()

    def apply(self, odds: Floats) -> Floats:
        """Calibrated log odds."""
        import numpy as np

        told = self.shift + self.slope * odds
        for knot, change in self.bends:
            told = told + change * np.maximum(odds - knot, 0)
        return told

    def as_json(self) -> dict[str, Any]:
        """For the model's file."""
        return {"slope": self.slope, "shift": self.shift, "bends": [list(bend) for bend in self.bends]}


def calibrate(odds: Floats, outcome: Any) -> Calibration:
    """The calibration under which these people's outcomes are likeliest, bends held back by their prior."""
    import numpy as np

    knots = [float(np.quantile(odds, share)) for share in BENDS_AT]
    basis = np.column_stack([np.ones(len(odds)), odds, *(np.maximum(odds - knot, 0) for knot in knots)])
    held = np.array([0.0, 0.0, *(1 / BEND_DEVIATION**2 for _ in knots)])
    weights = np.array([0.0, 1.0, *(0.0 for _ in knots)])
    for _ in range(_ITERATIONS):
        p = 1 / (1 + np.exp(-np.clip(basis @ weights, -30, 30)))
        slope = basis.T @ (outcome - p) - held * weights
        curve = (basis * np.maximum(p * (1 - p), 1e-12)[:, None]).T @ basis + np.diag(held)
        step = np.clip(np.linalg.lstsq(curve, slope, rcond=None)[0], -1, 1)
        weights = weights + step
        if float(abs(step).max()) < 1e-9:
            break
    return _never_falling(weights, knots)


def _never_falling(weights: Floats, knots: list[float]) -> Calibration:
    slope = total = max(float(weights[1]), LEAST_SLOPE)
    bends = []
    for knot, found in zip(knots, weights[2:], strict=True):
        change = max(float(found), LEAST_SLOPE - total)
        total += change
        bends.append((round(knot, 8), round(change, 8)))
    return Calibration(round(slope, 8), round(float(weights[0]), 8), tuple(bends))
