"""Calibration: what the regression says too much of people at the top is told rightly, and no rank changes."""

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from registry_pipeline.risk.calibration import BENDS_AT, Calibration, calibrate


def made_up(people: int, law, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1.2, people)
    return odds, rng.random(people) < 1 / (1 + np.exp(-law(odds)))


@pytest.mark.parametrize(
    "law",
    [
        lambda odds: odds,
        lambda odds: 0.6 * odds - 0.2,
        lambda odds: odds - 0.7 * np.maximum(odds + 0.8, 0),  # too much is said at the top
        lambda odds: 1.8 * odds + 1 - 0.9 * np.maximum(odds + 1.0, 0),
    ],
    ids=["right already", "too steep", "too much at the top", "both"],
)
def test_probabilities_come_true_over_the_whole_range(law):
    odds, _ = made_up(100_000, law, seed=2)
    told = 1 / (1 + np.exp(-calibrate(*made_up(60_000, law)).apply(odds)))
    true = 1 / (1 + np.exp(-law(odds)))
    for part in np.array_split(np.argsort(odds), 50):
        assert told[part].mean() == pytest.approx(true[part].mean(), abs=0.035)


def test_few_people_make_no_bend_out_of_chance():
    calibration = calibrate(*made_up(400, lambda odds: odds))
    assert len(calibration.bends) == len(BENDS_AT)
    assert all(abs(change) < 0.7 for _, change in calibration.bends)


@settings(max_examples=40, deadline=None)
@over(seed=st.integers(0, 1000), people=st.integers(60, 400), slope=st.floats(-2, 3), bend=st.floats(-4, 4))
def test_it_never_falls(seed, people, slope, bend):
    odds, outcome = made_up(people, lambda z: slope * z + bend * np.maximum(z, 0), seed)
    told = calibrate(odds, outcome).apply(np.linspace(-10, 10, 400))
    assert (np.diff(told) > 0).all()


def test_without_bends_it_is_a_line():
    assert Calibration(2.0, 1.0).apply(np.array([-1.0, 0.0, 1.0])).tolist() == [-1.0, 1.0, 3.0]
    assert Calibration(1.0, 0.0, ((0.0, -0.5),)).apply(np.array([-1.0, 2.0])).tolist() == [-1.0, 1.0]
