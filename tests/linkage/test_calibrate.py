"""Calibration: curves that never fall, that say what the labels say, and that a pair's probability follows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.link import calibrate
from registry_pipeline.link.calibrate import Labelled
from registry_pipeline.link.model import (
    CALIBRATED_FROM,
    CALIBRATED_WEIGHTS,
    Calibration,
    LinkageModel,
    decision_parameters,
)
from registry_pipeline.storage import Home, connect, scan
from tests.linkage.made_up_records import NIGHT

POINTS = CALIBRATED_FROM + np.arange(CALIBRATED_WEIGHTS)


def labelled(groups, weights, is_true):
    return Labelled(np.array(groups), np.array(weights, dtype=float), np.array(is_true), np.arange(len(groups)) % 2)


def drawn(shares, each=400):
    """Pairs of a group for each weight, of which this share is true."""
    rows = [(w, i < share * each) for w, share in shares.items() for i in range(each)]
    return [w for w, _ in rows], [t for _, t in rows]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-6, 45), st.booleans()), min_size=1, max_size=60), st.floats(0, 0.02))
def test_a_curve_never_falls_and_is_never_certain(pairs, noise):
    curves, counts = calibrate._curves(
        labelled(["match_weight"] * len(pairs), [w for w, _ in pairs], [t for _, t in pairs]), noise
    )
    curve = np.array(curves["match_weight"])
    assert len(curve) == CALIBRATED_WEIGHTS
    assert np.all(np.isfinite(curve))
    assert np.all(np.diff(curve) >= -1e-9)
    assert counts == {"match_weight": len(pairs)}


def test_a_curve_says_what_the_labels_say():
    shares = {0: 0.1, 5: 0.5, 10: 0.9, 20: 0.99}
    weights, is_true = drawn(shares)
    curves, _ = calibrate._curves(labelled(["match_weight"] * len(weights), weights, is_true), 0.0)
    for weight, share in shares.items():
        log_odds = curves["match_weight"][weight - CALIBRATED_FROM]
        assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(share, abs=0.02)


def test_a_rule_with_a_high_weight_is_no_match_where_its_labels_say_so():
    """Twins weigh as much as one person: only what decided the pair tells them apart."""
    sure, is_sure = drawn({5: 0.5, 20: 1.0})
    twins, are_one = drawn({5: 0.05, 20: 0.4})
    groups = ["match_weight"] * len(sure) + ["different_given_name_in_one_family"] * len(twins)
    curves, _ = calibrate._curves(labelled(groups, [*sure, *twins], [*is_sure, *are_one]), 0.0)
    at = 20 - CALIBRATED_FROM
    assert curves["match_weight"][at] > math.log(100)
    assert curves["different_given_name_in_one_family"][at] == pytest.approx(math.log(0.4 / 0.6), abs=0.2)


def test_wrong_verified_numbers_do_not_make_sure_pairs_doubtful():
    weights, is_true = drawn({-2: 0.0, 8: 0.8, 30: 0.995}, each=2_000)
    made = labelled(["match_weight"] * len(weights), weights, is_true)
    noise = calibrate._label_noise(made)
    assert noise == pytest.approx(0.005, abs=1e-3)
    curves, _ = calibrate._curves(made, noise)
    assert curves["match_weight"][30 - CALIBRATED_FROM] > math.log(1_000)
    assert curves["match_weight"][8 - CALIBRATED_FROM] == pytest.approx(math.log(4), abs=0.1)


def test_a_group_with_few_labels_follows_its_kind():
    many, are_one = drawn({5: 0.02, 15: 0.2})
    groups = ["different_birth_date"] * len(many) + ["only_household_evidence"]
    curves, _ = calibrate._curves(labelled(groups, [*many, 15], [*are_one, True]), 0.0)
    assert curves["only_household_evidence"][15 - CALIBRATED_FROM] < math.log(3)


def test_no_labels_no_calibration(made_up):
    assert made_up[3].model.calibration.log_odds
    parameters = decision_parameters(replace(made_up[3].model, calibration=Calibration()))
    assert parameters["calibrated_groups"] == parameters["calibrated_log_odds"] == []
    assert LinkageModel("v0001", 0.5, {}).calibration == Calibration()


def test_the_reported_probability_is_that_of_the_curve(made_up):
    """Applied in SQL as it was learned: between two points, and the number's own weight on top."""
    configuration, _, _, trained, _ = made_up
    home = Home(configuration.home)
    connection = connect(home)
    try:
        rows = connection.execute(
            "SELECT match_weight, match_probability, comparison_weights['nhs_number'] FROM"
            f" {scan(home.linked('linked_pair', NIGHT))} WHERE judged_by = 'different_birth_date'"
        ).fetchall()
    finally:
        connection.close()
    curve = trained.model.calibration.log_odds["different_birth_date"]
    assert rows
    for weight, probability, number in rows:
        log_odds = np.interp(weight - (number or 0), POINTS, curve) + (number or 0) * math.log(2)
        assert probability == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-4)


def test_the_card_shows_the_curve_and_why_it_is_optimistic(made_up):
    card = made_up[3].card.read_text()
    assert "| reported | pairs | mean reported | share true | 95% interval |" in card
    assert "optimistic" in card
    assert sum(row["pairs"] for row in made_up[3].model.calibration.reliability) > 1_000
