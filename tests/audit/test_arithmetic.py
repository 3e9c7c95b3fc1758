"""Intervals, charts and funnels: published worked examples, and laws."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from registry_pipeline import xmr
from registry_pipeline.audit import funnel, intervals
from registry_pipeline.audit.measures import BY_NAME, STANDARD_POPULATION

law = settings(deadline=None, max_examples=60)


def columns(*values: float) -> list[np.ndarray]:
    return [np.array([value], dtype=float) for value in values]


@pytest.mark.parametrize(
    ("events", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_in_newcombe_1998(events: int, of: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3."""
    found = [float(end[0]) for end in intervals.wilson(*columns(events, of))]
    assert found == pytest.approx([low, high], abs=5e-5)


@law
@given(st.integers(1, 5000))
def test_byar_is_close_to_the_exact_poisson_limits(events: int) -> None:
    """Breslow and Day 1987: Byar's approximation is accurate even for small counts."""
    low, high = (float(end[0]) for end in intervals.byar(*columns(events)))
    exact = stats.chi2.ppf(0.025, 2 * events) / 2, stats.chi2.ppf(0.975, 2 * events + 2) / 2
    tolerance = 0.05 if events < 3 else 0.005
    assert (low, high) == (pytest.approx(exact[0], rel=tolerance, abs=0.02), pytest.approx(exact[1], rel=tolerance))


def test_byar_of_nothing() -> None:
    low, high = (float(end[0]) for end in intervals.byar(*columns(0)))
    assert low == 0
    assert high == pytest.approx(3.69, abs=0.05), "the exact limit"


EVENTS = np.array([27, 45, 55, 100, 125, 300, 295, 270, 275, 450, 455, 459, 345, 300, 270, 265, 100, 90, 35.0])
PEOPLE = np.array([
    84935, 80367, 72122, 79259, 99806, 87362, 81579, 71103, 70001, 69007, 63203, 52638, 46087, 40887, 32604, 28399,
    21625, 13021, 7355.0,
])  # fmt: skip
"""Counts and populations of the example of PHEindicatormethods' phe_dsr (UK Health Security Agency)."""


def test_dobson_by_the_published_formula() -> None:
    """The formula of APHO Technical Briefing 3 and of phe_dsr, written out for its own example."""
    weights = np.array(STANDARD_POPULATION, dtype=float)
    rate = float((weights * EVENTS / PEOPLE).sum() / weights.sum())
    variance = float((weights**2 * EVENTS / PEOPLE**2).sum() / weights.sum() ** 2)
    low, high = (float(end[0]) for end in intervals.dobson(*columns(rate, variance, EVENTS.sum())))
    total = EVENTS.sum()
    byar_low = total * (1 - 1 / (9 * total) - 1.959964 / (3 * total**0.5)) ** 3
    byar_high = (total + 1) * (1 - 1 / (9 * (total + 1)) + 1.959964 / (3 * (total + 1) ** 0.5)) ** 3
    scale = (variance / total) ** 0.5
    assert (low, high) == pytest.approx((rate + scale * (byar_low - total), rate + scale * (byar_high - total)))
    assert 0 < low < rate < high


@law
@given(st.integers(1, 2000), st.integers(100, 100_000))
def test_dobson_of_one_age_band_is_byar(events: int, people: int) -> None:
    found = intervals.dobson(*columns(events / people, events / people**2, events))
    crude = [end / people for end in intervals.byar(*columns(events))]
    assert [float(e[0]) for e in found] == pytest.approx([float(e[0]) for e in crude])


def test_the_standard_population_has_100_000_people() -> None:
    assert sum(STANDARD_POPULATION) == 100_000
    assert sum(STANDARD_POPULATION[13:]) == 19_500, "from 65 on"


@law
@given(st.lists(st.integers(0, 60), min_size=2, max_size=40))
def test_the_interval_of_a_mean_is_the_normal_one(nights: list[int]) -> None:
    stays = np.array(nights, dtype=float)
    size = len(stays)
    low, high = intervals.ratio(*columns(stays.sum(), size, (stays**2).sum(), size, stays.sum(), size))
    half = 1.959964 * stays.std(ddof=1) / size**0.5
    assert float(high[0]) == pytest.approx(stays.mean() + half, abs=1e-6)
    assert float(low[0]) == pytest.approx(max(stays.mean() - half, 0), abs=1e-6)


# Control charts: the series of NHSRplotthedots' own tests.

SERIES = [
    -0.56047565, -0.23017749, 1.55870831, 0.07050839, 0.12928774, 1.71506499, 0.46091621, -1.26506123, -0.68685285,
    -0.44566197, 1.22408180, 0.35981383, 0.40077145, 0.11068272, -0.55584113, 1.78691314, 0.49785048, -1.96661716,
    0.70135590, -0.47279141,
]  # fmt: skip
"""R's set.seed(123); rnorm(20), and what tests/testthat/_snaps/ptd_spc_standard.md has of it: mean and limits."""


def test_limits_as_in_nhsrplotthedots() -> None:
    points = xmr.chart(SERIES, "neither")
    assert {point.limits for point in points} == {points[0].limits}
    limits = points[0].limits
    assert (limits.mean, limits.low, limits.high) == pytest.approx((0.142, -3.01, 3.29), abs=0.005)
    assert all(point.signal is None for point in points)


def test_an_odd_range_is_left_out_of_the_limits() -> None:
    odd = [*SERIES[:14], 10.0, *SERIES[15:]]
    ranges = [abs(b - a) for a, b in pairwise(odd)]
    usual = [each for each in ranges if each < 3.267 * sum(ranges) / len(ranges)]
    assert len(usual) == len(ranges) - 2
    limits = xmr.chart(odd, "neither")[0].limits
    assert limits.high - limits.mean == pytest.approx(2.66 * sum(usual) / len(usual))


def named(values: list[float], better: str = "up") -> list[str]:
    marks = {None: ".", "outside_limits": "o", "shift": "s", "trend": "t", "two_of_three": "c"}
    return "".join(marks[point.signal] for point in xmr.chart(values, better))


WAVE = [0.0, 10.0] * 6
"""Moves by ten each time: mean 5, limits 5 +- 26.6, near limits 5 +- 17.7."""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([*WAVE, 60.0], "............o"),
        ([*[6.0, 4.0] * 6, *[5.6, 5.7] * 3, 5.65], "............sssssss"),
        ([*[9.0, 1.0] * 6, *[5.6, 5.7] * 3], "." * 18),
        ([*[0.0, 20.0] * 5, 5, 6, 7, 8, 9, 10, 11], "." * 10 + "ttttttt"),
        ([*[0.0, 20.0] * 5, 5, 6, 7, 8, 9, 10], "." * 16),
        ([*[20.0, 0.0] * 5, 11, 10, 9, 8, 7, 6, 5], "." * 10 + "ttttttt"),
        ([*[0.0, 20.0] * 5, 5, 6, 7, 7, 8, 9, 10, 11], "." * 18),
    ],
    ids=["outside", "shift of seven", "six on one side", "trend up", "six rising", "trend down", "a step without rise"],
)
def test_signals_of_all_points_of_a_run(values: list[float], expected: str) -> None:
    assert named(values) == expected


def test_two_of_three_close_to_one_limit() -> None:
    values = [*WAVE, 36.0, 10.0, 37.0]
    limits = xmr.chart(values, "up")[0].limits
    near = limits.mean + 2 / 3 * (limits.high - limits.mean)
    assert near < min(values[-3], values[-1]) < limits.high, "else the case says nothing"
    assert named(values)[-3:] == "c.c", "the one in between is not close"
    assert named([*WAVE, 36.0, 3.0, 37.0])[-3:] == "...", "the three are not on one side"


def test_two_of_three_needs_one_side() -> None:
    """NHSRplotthedots: 'it only reports special cause for 2 of 3 points close to limits when on the same side'."""
    assert named([*[1.0, -1.0] * 7, 5.5, -5.5])[-2:] == ".."


@pytest.mark.parametrize(
    ("better", "meaning"), [("up", "improvement"), ("down", "concern"), ("neither", "change")], ids=str
)
def test_which_way_is_better_says_what_a_signal_means(better: str, meaning: str) -> None:
    assert xmr.chart([*WAVE, 60.0], better)[-1].meaning == meaning


FALLS = [*[0.0, 20.0] * 5, 19.0, 18.0, 17.0, 16.0, 15.0, 14.0, 13.0]
"""Seven that fall, all above the mean."""


@pytest.mark.parametrize(("better", "meaning"), [("up", "concern"), ("down", "improvement")], ids=str)
def test_a_trend_is_judged_by_its_direction_wherever_the_mean_lies(better: str, meaning: str) -> None:
    """NHSRplotthedots, pull request 180: a fall above the mean is no improvement where more is better."""
    points = xmr.chart(FALLS, better)
    assert min(FALLS[10:]) > points[-1].limits.mean
    assert {(point.signal, point.meaning) for point in points[10:]} == {("trend", meaning)}


def test_the_peak_between_a_rise_and_a_fall_is_part_of_the_fall() -> None:
    steep = [0.0, 90.0] * 6
    points = xmr.chart([*steep, *range(30, 37), *range(35, 29, -1)], "up")
    assert [point.meaning for point in points[12:]] == ["improvement"] * 6 + ["concern"] * 7


def test_a_point_with_several_signals_is_named_in_nhsrplotthedots_order() -> None:
    assert named([*[1.0, 9.0] * 6, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6, 5.7]) == "." * 12 + "ttttttt", "not as a shift"
    assert named([*WAVE, 30.0, 10.0, 30.0, 10.0, 10.0, 10.0, 10.0])[12:] == "cscssss"


@law
@given(st.floats(1e-6, 1e6), st.integers(12, 36))
def test_what_never_moves_shows_no_signal(value: float, months: int) -> None:
    """The mean of twelve times 0.1 is not quite 0.1."""
    assert named([value] * months) == "." * months


def test_what_moved_once_does_not_put_all_the_others_outside() -> None:
    points = xmr.chart([*[3.0] * 23, 8.0], "up")
    assert {i for i, point in enumerate(points) if point.signal == "outside_limits"} == {23}


def test_rebasing_counts_limits_anew() -> None:
    before, after = [*WAVE], [100.0 + value for value in WAVE]
    plain, rebased = xmr.chart([*before, *after], "up"), xmr.chart([*before, *after], "up", rebase=[12])
    assert any(point.signal for point in plain)
    assert not any(point.signal for point in rebased)
    assert (rebased[0].limits.mean, rebased[12].limits.mean) == (5, 105)


def test_too_few_points_since_rebasing_have_no_limits() -> None:
    points = xmr.chart([*WAVE, 1.0, 2.0], "up", rebase=[12])
    assert points[11].limits is not None
    assert points[12].limits is None
    assert points[13].signal is None


@law
@given(st.lists(st.integers(0, 50), min_size=7, max_size=30), st.integers(1, 5), st.integers(-20, 20))
def test_scale_and_place_do_not_change_signals(values: list[int], scale: int, place: int) -> None:
    moved = [value * scale + place for value in values]
    assert [p.signal for p in xmr.chart(values, "up")] == [p.signal for p in xmr.chart(moved, "up")]


@law
@given(st.lists(st.floats(0, 100), min_size=8, max_size=30))
def test_the_last_point_is_flagged_as_the_nightly_report_does_where_it_is_outside(values: list[float]) -> None:
    found = xmr.limits(values)
    points = xmr.chart(values, "up")
    for value, point in zip(values, points, strict=True):
        assert (point.signal == "outside_limits") == (not found.low <= value <= found.high)


# Funnels.

SHARE, RATE, MEAN = BY_NAME["long_stays"], BY_NAME["people_discussed"], BY_NAME["length_of_stay"]


@law
@given(st.floats(0.001, 0.999), st.integers(1, 5000), st.sampled_from([0, 1, 2, 3]))
def test_funnel_limits_are_quantiles_of_the_binomial(centre: float, size: int, which: int) -> None:
    found = funnel.limits(SHARE, centre, size)
    assert found[which] * size == pytest.approx(stats.binom.ppf(funnel.TAILS[which], size, centre))


@law
@given(st.floats(0.001, 400), st.sampled_from([0, 1, 2, 3]))
def test_funnel_limits_are_quantiles_of_the_poisson_distribution(expected: float, which: int) -> None:
    found = funnel.limits(RATE, expected * RATE.per, 1)
    assert found[which] / RATE.per == pytest.approx(stats.poisson.ppf(funnel.TAILS[which], expected))


@pytest.mark.parametrize("share", [0.0, 1.0, 0.99])
def test_what_everybody_reaches_is_within(share: float) -> None:
    value, centre, size = columns(1.0 if share else 0.0, share, 10)
    assert list(funnel.sides("share", value, centre, size)) == ["within"]


def test_a_funnel_narrows_with_size() -> None:
    widths = [limits[2] - limits[1] for limits in (funnel.limits(SHARE, 0.3, n) for n in (20, 200, 2000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("events", "side"),
    [(100, "within"), (150, "above_99_8"), (55, "below_99_8"), (122, "above_95"), (79, "below_95")],
)
def test_sides_of_a_rate(events: int, side: str) -> None:
    """Round an expectation of 100: 95% is 81 to 120, 99.8% 70 to 132 (Poisson)."""
    value, centre, size = columns(events / 1000, 0.1, 1000)
    assert list(funnel.sides("rate", value, centre, size)) == [side]
    low_998, low_95, high_95, high_998 = funnel.limits(RATE, 100, 1000)
    assert (side == "within") == (low_95 <= events <= high_95)
    assert (side.endswith("99_8")) == (not low_998 <= events <= high_998)


def test_means_have_no_limits_by_size() -> None:
    assert funnel.limits(MEAN, 5.0, 100) is None
    assert funnel.limits(SHARE, 0.5, 0) is None
