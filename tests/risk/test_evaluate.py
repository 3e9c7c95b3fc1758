"""Figures of a fitted model: against a reference, on people whose law is known, and what of small groups is not told."""

import json

import numpy as np
import pytest

from registry_pipeline.risk.evaluate import Groups, _share, auc, evaluate, observed_by_expected, recalibration
from registry_pipeline.risk.model import probabilities


def made_up(people: int, *, slope: float = 1.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Log odds that a model says, and outcomes whose true log odds are slope times them."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-2, 1, people)
    return odds, rng.random(people) < 1 / (1 + np.exp(-slope * odds))


def groups(*labels: str) -> dict[str, Groups]:
    names = tuple(sorted(set(labels)))
    return {"ethnicity": Groups(names, np.array([names.index(label) for label in labels]))}


@pytest.mark.parametrize("seed", range(4))
def test_area_is_that_of_the_reference(seed):
    from sklearn.metrics import roc_auc_score

    odds, outcome = made_up(500, seed=seed)
    odds = np.round(odds, 1)  # ties
    assert auc(odds, outcome).value == pytest.approx(roc_auc_score(outcome, odds), abs=1e-12)


def test_interval_of_the_area_holds_the_truth_about_as_often_as_it_says():
    whole = auc(*made_up(200_000, seed=99)).value
    intervals = [auc(*made_up(400, seed=seed)) for seed in range(200)]
    assert sum(each.low <= whole <= each.high for each in intervals) >= 180


def test_no_area_without_both_outcomes():
    assert auc(np.array([0.1, 0.2]), np.array([True, True])) is None


@pytest.mark.parametrize("slope", [0.5, 1.0, 1.6])
def test_slope_of_calibration_is_the_one_that_was_made(slope):
    found, intercept = recalibration(*made_up(40_000, slope=slope))
    assert found.low < slope < found.high
    assert intercept.low < 0 < intercept.high


@pytest.mark.parametrize(
    ("observed", "expected", "low", "high"),
    # Exact Poisson limits of 10 and 100 events (Geigy): 4.80 to 18.39, 81.36 to 121.63.
    [(10, 10.0, 0.480, 1.839), (100, 50.0, 1.627, 2.433)],
)
def test_interval_of_observed_by_expected(observed, expected, low, high):
    found = observed_by_expected(observed, expected)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.01)


def test_figures_of_a_model_that_is_right():
    odds, outcome = made_up(20_000)
    figures = evaluate(odds, outcome, groups(*["White", "Asian"] * 10_000))
    assert figures["people"] == 20_000
    assert figures["observed_by_expected"]["low"] < 1 < figures["observed_by_expected"]["high"]
    assert [row["people"] for row in figures["reliability"]] == [2_000] * 10
    assert all(abs(row["expected"] - row["observed"]) < 0.04 for row in figures["reliability"])
    assert [row["people"] for row in figures["top"]] == [100, 200, 1_000, 4_000]
    ppv, sensitivity = [row["ppv"] for row in figures["top"]], [row["sensitivity"] for row in figures["top"]]
    assert ppv == sorted(ppv, reverse=True)
    assert sensitivity == sorted(sensitivity)
    assert figures["worse_served"] == []
    assert figures["brier"] == pytest.approx(((1 / (1 + np.exp(-odds)) - outcome) ** 2).mean(), abs=1e-5)


def test_a_group_whose_risk_is_underestimated_is_named():
    odds, outcome = made_up(20_000)
    rng = np.random.default_rng(5)
    asian = np.arange(20_000) % 4 == 0
    outcome = np.where(asian, rng.random(20_000) < 1 / (1 + np.exp(-(odds + 0.6))), outcome)
    figures = evaluate(odds, outcome, groups(*np.where(asian, "Asian", "White")))
    assert any(said.startswith("ethnicity Asian: risk is underestimated") for said in figures["worse_served"])


def test_a_group_that_is_told_apart_less_well_is_named_but_no_age_band():
    odds, outcome = made_up(20_000)
    rng = np.random.default_rng(5)
    asian = np.arange(20_000) % 4 == 0
    outcome = np.where(asian, rng.random(20_000) < 0.16, outcome)
    parted = groups(*np.where(asian, "Asian", "White"))["ethnicity"]
    said = evaluate(odds, outcome, {"ethnicity": parted, "age_band": parted})["worse_served"]
    assert [each.split(":")[0] for each in said if "told apart" in each] == ["ethnicity Asian"]


@pytest.mark.parametrize(
    ("people", "admitted"), [(5, 1), (5, 5), (30, 3), (30, 27)], ids=["few", "few, all", "few admitted", "few others"]
)
def test_a_small_group_is_told_nothing_of(people, admitted):
    odds, outcome = made_up(2_000)
    labels = ["Black"] * people + ["White"] * (2_000 - people)
    outcome = outcome.copy()
    outcome[:people] = np.arange(people) < admitted
    rows = {row["group"]: row for row in evaluate(odds, outcome, groups(*labels))["groups"]["ethnicity"]}
    assert rows["Black"]["auc"] == rows["Black"]["observed_by_expected"] == rows["Black"]["top"] == "*"
    assert rows["White"]["auc"]["value"] > 0.6


def test_no_small_count_of_people_is_in_the_figures():
    odds, outcome = made_up(900)
    figures = evaluate(odds, outcome, groups(*(["Black"] * 12 + ["Mixed"] * 4 + ["White"] * 884)))
    counts = [v for v in _numbers_of(figures, ("people", "emergency_admissions")) if v != "*"]
    assert counts
    assert all(count == 0 or (count >= 10 and count % 5 == 0) for count in counts)
    json.dumps(figures, allow_nan=False)


def _numbers_of(figures, names):
    if isinstance(figures, dict):
        for name, value in figures.items():
            if name in names:
                yield value
            else:
                yield from _numbers_of(value, names)
    elif isinstance(figures, list):
        for value in figures:
            yield from _numbers_of(value, names)


def test_probabilities_do_not_depend_on_the_last_bits():
    assert probabilities(np.array([0.0, 1e-12, 40.0, -40.0])).tolist() == [0.5, 0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [(8, 11, "*"), (12, 19, "*"), (10, 20, 0.5), (3, 40, "*"), (0, 40, 0.0), (0, 0, None), (41, 98, 0.4)],
)
def test_a_share_of_rounded_counts_is_told_of_enough_people(part, whole, share):
    assert _share(part, whole) == share
