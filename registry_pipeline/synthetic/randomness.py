"""Random streams by name, so that the same seed gives the same bytes whatever else is drawn.

What belongs here: seeding and sampling that several rooms share. What does not: any rate.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for each purpose, named by `names`."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def at_rate(rng: np.random.Generator, size: int, rate: float | Floats) -> Mask:
    """True for a random share of rows; `rate` is one figure or one per row."""
    return np.asarray(rng.random(size) < rate)


def pick(rng: np.random.Generator, size: int, weights: dict[Any, float]) -> npt.NDArray[Any]:
    """`size` keys drawn with these weights."""
    keys = np.array(list(weights))
    share = np.cumsum(np.fromiter(weights.values(), float))
    return np.asarray(keys[np.searchsorted(share / share[-1], rng.random(size), side="right")])
