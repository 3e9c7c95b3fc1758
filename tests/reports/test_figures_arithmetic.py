"""The index of data quality and the control limits, as arithmetic against published figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline import xmr
from registry_pipeline.reports.figures import accuracy, dqmi, groups

# The appendix of the DQMI methodology (NHS Digital, October 2021): records, valid, defaults, threshold, the score printed there.
APPENDIX = [
    (2_500, 2_400, 100, 0.02, 94.0),
    (2_500, 2_500, 100, 1.0, 100.0),
    (2_500, 2_000, 100, 0.0, 76.0),
    (1_000, 900, 900, 0.0, 0.0),
    (1_000, 800, 800, 1.0, 80.0),
    (1_000, 900, 450, 0.0, 45.0),
    (1_000, 1_000, 100, 0.035, 93.5),
    (10_000, 10_000, 0, 0.0, 100.0),
    (10_000, 10_000, 0, 0.0, 100.0),
    (50_000, 50_000, 100, 0.02, 100.0),
    (50_000, 49_000, 5_000, 1.0, 98.0),
    (50_000, 45_000, 5_000, 0.035, 83.5),
]
COVERAGE = [1, 1, 1, *[1 / 3] * 6, *[2 / 3] * 3]


@pytest.mark.parametrize(("records", "valid", "defaults", "threshold", "score"), APPENDIX)
def test_an_items_score_is_that_of_the_published_example(records, valid, defaults, threshold, score):
    assert dqmi.ItemCount(records, valid, defaults, threshold).score == pytest.approx(score / 100)


def test_the_index_is_that_of_the_published_example():
    scores = [dqmi.ItemCount(*each[:4]).score for each in APPENDIX]
    assert sum(scores) == pytest.approx(9.7)
    assert dqmi.index(scores, COVERAGE) == pytest.approx(47.15, abs=0.01)


def test_nothing_is_scored_of_no_records():
    assert dqmi.ItemCount(0, 0, 0, 0.0).score is None
    assert dqmi.index([], []) is None


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 1))
def test_a_score_is_a_share_and_more_defaults_never_raise_it(records, valid, defaults, threshold):
    valid, defaults = min(valid, records), min(defaults, valid, records)
    score = dqmi.ItemCount(records, valid, defaults, threshold).score
    assert 0 <= score <= 1
    if defaults:
        assert score <= dqmi.ItemCount(records, valid, defaults - 1, threshold).score + 1e-12


PAST = [10.0, 12.0, 11.0, 13.0, 12.0, 11.0, 12.0, 11.0]


def test_limits_are_the_mean_and_266_average_moving_ranges():
    found = xmr.limits(PAST)
    ranges = [2, 1, 2, 1, 1, 1, 1]
    assert found.mean == pytest.approx(11.5)
    assert found.high - found.mean == pytest.approx(2.66 * sum(ranges) / len(ranges))
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_an_odd_night_does_not_widen_the_limits():
    odd = [*PAST[:4], 60.0, *PAST[4:]]
    assert xmr.limits(odd).high - xmr.limits(odd).mean == pytest.approx(2.66 * (2 + 1 + 2 + 1 + 1 + 1) / 6)


def test_few_nights_have_no_limits():
    assert xmr.limits(PAST[: xmr.FEWEST_NIGHTS - 1]) is None


@pytest.mark.parametrize(
    ("past", "tonight", "said"),
    [
        (PAST, 11.0, ""),
        (PAST, 30.0, "above"),
        (PAST, 1.0, "below"),
        ([10, 13, 10, 13, 10, 12, 12, 12, 12, 12, 12], 12.0, "one side of the mean"),
        ([10, 13, 9, 14, 10, 9.1, 9.5, 10, 10.5, 11, 11.5], 12.0, "rising"),
        ([10, 13, 9, 14, 10, 13, 12.5, 12, 11.5, 11, 10.5], 10.0, "falling"),
        ([10, 12, 10, 12, 10, 12, 10, 12, 10, 16], 16.0, "close to one limit"),
    ],
)
def test_out_of_control_is_what_making_data_count_says(past, tonight, said):
    past = [float(value) for value in past]
    told = xmr.flag(past, tonight, xmr.limits(past))
    assert (said in told) if said else not told


def test_what_never_moved_is_not_out_of_control_as_soon_as_it_moves_by_one():
    past = [1000.0] * 10
    assert xmr.flag(past, 1001.0, xmr.limits(past, narrowest=0.001)) == ""
    assert "above" in xmr.flag(past, 1002.0, xmr.limits(past, narrowest=0.001))


def estimated(value, high):
    return {"value": value, "low": 0.0, "high": high, "of": 1000}


@pytest.mark.parametrize(
    ("measured", "colour"),
    [
        (None, "grey"),
        (estimated(0.0005, 0.0015), "green"),
        (estimated(0.0005, 0.01), "amber"),  # it may well be red
        (estimated(0.0015, 0.0018), "amber"),
        (estimated(0.002, 0.003), "red"),
    ],
)
def test_an_error_is_green_only_where_its_interval_does_not_reach_red(measured, colour):
    assert accuracy.judged(measured, accuracy.FALSE_GREEN, accuracy.FALSE_RED) == colour


def linkage(**pairs):
    return {
        "estimates": {"false": estimated(0.01, 0.02), "missed": estimated(0.1, 0.2)},
        "decisions": [{"outcome": "match", "decided_by": how, "pairs": n} for how, n in pairs.items()]
        + [{"outcome": "possible_match", "decided_by": "match_weight", "pairs": 50_000}],
    }


def test_false_links_of_all_pairs_are_those_of_pairs_without_a_number_in_their_proportion():
    handed_over = linkage(same_nhs_number=900, match_weight=90)
    assert accuracy.all_false(handed_over)["value"] == pytest.approx(0.01 * 90 / 990)
    assert accuracy.all_false(handed_over)["high"] == pytest.approx(0.02 * 90 / 990)


def test_without_decisions_the_estimate_is_taken_for_all_pairs():
    assert accuracy.all_false(linkage())["value"] == pytest.approx(0.01)
    assert accuracy.all_false({}) is None


def group(gap, behind=(), compared=True):
    return {"is_compared": compared, "missed_gap": gap, "falls_behind_in": list(behind)}


@pytest.mark.parametrize(
    ("found", "colour"),
    [
        (group(0.08), "green"),  # chance explains it
        (group(0.015, ["missed"]), "amber"),
        (group(0.03, ["missed"]), "red"),
        (group(0.03, ["false"]), "green"),
        (group(0.03, ["missed"], compared=False), "grey"),
        ({}, "grey"),
    ],
)
def test_a_group_falls_behind_only_by_what_chance_does_not_explain(found, colour):
    assert groups.judged_gap(found) == colour
