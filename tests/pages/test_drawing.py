"""Charts that stand in a page as SVG: scales, control charts, funnels and intervals."""

from __future__ import annotations

import math
import re
from datetime import date
from importlib import resources
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.pages import comparison, drawing, process, shell, words
from registry_pipeline.pages.comparison import Bar, Dot
from registry_pipeline.pages.process import Month, Variation
from tests.reports.test_page import as_seen, contrast, lab

KNOWN = st.floats(min_value=-1e6, max_value=1e6).map(lambda value: round(value, 4))
HOSTILE = "</svg><script>alert(1)</script>"


def read(svg) -> ET.Element:
    return ET.fromstring(str(svg))


def classes(svg) -> list[str]:
    return [name for e in read(svg).iter() for name in e.attrib.get("class", "").split()]


def texts(svg) -> list[str]:
    return [e.text or "" for e in read(svg).iter("text")]


def titles(svg) -> list[str]:
    return [e.text or "" for e in read(svg).iter("title")]


def number(value: float | None) -> str:
    return words.plain(value, "number")


def months(*values: float | None, **of_all) -> list[Month]:
    return [Month(date(2024 + n // 12, n % 12 + 1, 1), value, **of_all) for n, value in enumerate(values)]


def drawn(of: list[Month], *, share: bool = False):
    return process.chart(of, reads=number, share=share)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(KNOWN, min_size=1, max_size=20))
def test_a_scale_holds_its_values_and_its_ticks_are_few_and_apart(values):
    scale = drawing.upright(values, top=0, bottom=100, share=False)

    assert all(scale.low - 1e-6 <= value <= scale.high + 1e-6 for value in values)
    assert min(values) < 0 or scale.low >= 0
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places, reverse=True)
    ticks = drawing.ticks(scale)
    assert 2 <= len(ticks) <= 7
    told = drawing.tick_words(ticks, share=False)
    assert len(set(told)) == len(told)


def test_a_share_is_never_drawn_above_all():
    assert drawing.upright([0.93, 0.997], top=0, bottom=100, share=True).high == 1


@pytest.mark.parametrize(
    ("values", "share", "told"),
    [
        ([0.2, 0.4, 0.6], True, ["20%", "40%", "60%"]),
        ([0.97, 0.975, 0.98], True, ["97.0%", "97.5%", "98.0%"]),
        ([0, 500, 1000], False, ["0", "500", "1,000"]),
        ([0.0, 2.5, 5.0], False, ["0.0", "2.5", "5.0"]),
    ],
)
def test_ticks_read_as_people_write_them(values, share, told):
    assert drawing.tick_words(values, share=share) == told


@pytest.mark.parametrize("theme", [shell.LIGHT_THEME, shell.DARK_THEME], ids=["light", "dark"])
@pytest.mark.parametrize("sight", ["usual", "protan", "deutan", "tritan"])
def test_signals_stand_out_and_are_told_apart_by_any_sight(theme, sight):
    style = resources.files(shell.HOUSE).joinpath("templates", "process.css").read_text(encoding="utf-8")
    kinds = [kind for kind in drawing.MARKS if kind != "range"]
    marks = [theme[re.findall(rf"\.drawn \.{kind} {{ fill: var\(--([a-z0-9-]+)\)", style)[0]] for kind in kinds]

    assert all(contrast(mark, theme["paper"]) >= 3 for mark in marks)
    seen = [lab(as_seen(mark, sight)) for mark in marks]
    assert min(math.dist(one, other) for n, one in enumerate(seen) for other in seen[:n]) > 12


LIMITS = {"centre": 10.0, "low": 7.0, "high": 13.0}


@pytest.mark.parametrize(
    ("of", "found"),
    [
        ([], Variation("few")),
        (months(9.0, 10.0), Variation("few")),  # no limits
        (months(9.0, None, **LIMITS), Variation("common")),  # of the newest month that is known
        (months(10.0, 14.0, signal="outside_limits", signal_is="concern", **LIMITS), Variation("concern", "H")),
        (months(10.0, 6.0, signal="outside_limits", signal_is="improvement", **LIMITS), Variation("improvement", "L")),
        (months(8.0, 9.0, signal="trend", signal_is="change", **LIMITS), Variation("change", "H")),  # rising, if low
    ],
    ids=["nothing", "no_limits", "newest_unknown", "high", "low", "rising_below_the_mean"],
)
def test_the_newest_month_says_what_it_says(of, found):
    said = process.variation(of)

    assert (said.kind, said.side) == (found.kind, found.side)
    assert said.words.startswith(process.VARIATION_WORDS[found.kind])
    assert bool(said.why) == bool(found.side)


@pytest.mark.parametrize(
    ("signal", "values", "why"),
    [
        ("shift", (5.0, 6.0), "seven or more in a row above the mean"),
        ("shift", (5.0, 4.0), "seven or more in a row below the mean"),
        ("outside_limits", (5.0, 9.0), "above the limits"),
        ("two_of_three", (5.0, 4.0), "two of three close to the lower limit"),
        ("trend", (9.0, 8.0), "seven or more in a row that fall"),
    ],
)
def test_the_newest_month_says_to_which_side_it_lies(signal, values, why):
    of = months(*values, centre=5.0, low=3.0, high=7.0, signal=signal, signal_is="concern")
    assert process.variation(of).why == why


def test_each_signal_has_a_mark_of_its_own_form():
    forms = {re.sub(r"[-\d.]+", "", mark(10, 10)) for mark in drawing.MARKS.values()}

    assert len(forms) == len(drawing.MARKS)
    assert set(process.VARIATION_WORDS) - {"few"} <= set(drawing.MARKS)


def test_a_control_chart_shows_points_centre_and_limits():
    made = drawn(months(10, 11, 9, 12, **LIMITS))

    assert classes(made).count("common") == 4
    assert (classes(made).count("centre"), classes(made).count("limit")) == (1, 2)
    assert titles(made)[0] == "January 2024: 10"
    assert {"Jan", "2024"} <= set(texts(made))


def test_where_limits_are_counted_anew_they_step():
    before, after = months(10, 11, 9, **LIMITS), months(10, 11, 9, 5, 6, 5, centre=5.0, low=3.0, high=7.0)[3:]

    made = drawn([*before, *after])

    assert classes(made).count("centre") == 2
    assert classes(made).count("anew") == 1
    assert "limits counted anew" in texts(made)


def test_a_signal_has_its_colour_its_form_and_its_words():
    signal = Month(date(2024, 3, 1), 15.0, signal="outside_limits", signal_is="concern", **LIMITS)

    made = drawn([*months(10, 11, **LIMITS), signal])

    assert classes(made).count("concern") == 1
    assert "March 2024: 15, concern: outside the limits" in titles(made)


def test_what_is_hidden_is_marked_and_what_is_missing_leaves_a_gap():
    hidden = Month(date(2024, 3, 1), None, is_hidden=True)
    whole, gap = drawn(months(10, 11, 12, 13)), drawn([*months(10, 11), hidden, *months(1, 2, 3, 10, 12)[3:]])

    assert classes(whole).count("run") == 1
    assert classes(gap).count("run") == 2
    assert "*" in texts(gap)
    assert "March 2024: hidden, a small number" in titles(gap)
    assert titles(gap).count("March 2024: hidden, a small number") == 1


@pytest.mark.parametrize("of", [[], months(None, None)], ids=["none", "unknown"])
def test_nothing_known_is_not_drawn(of):
    assert drawn(of) is None
    assert process.small(of) is None


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.none() | KNOWN, min_size=1, max_size=30))
def test_whatever_the_months_are_the_chart_is_sound(values):
    of = months(*values)

    for made in (drawn(of), process.small(of)):
        if made is not None:
            assert "nan" not in str(made)
            assert "inf" not in str(made)
            read(made)


def limits(size: float) -> comparison.Limits:
    apart = math.sqrt(0.25 / size)
    return 0.5 - 3 * apart, 0.5 - 2 * apart, 0.5 + 2 * apart, 0.5 + 3 * apart


def dots() -> list[Dot]:
    return [Dot(f"A8100{n}", 100.0 + 40 * n, 0.48 + 0.01 * n) for n in range(5)]


def funnel(of: list[Dot], bound=limits, *, tells: bool = True):
    return comparison.funnel(of, 0.5, bound, reads=number, share=True, across="people", tells=tells)


def test_a_funnel_has_limits_a_centre_and_names_who_is_beyond():
    beyond = Dot("A81009", 300.0, 0.7, "concern")

    made = funnel([*dots(), beyond]).drawn()

    assert (classes(made).count("limit"), classes(made).count("outer"), classes(made).count("centre")) == (4, 2, 1)
    assert classes(made).count("common") == 5
    assert "A81009" in texts(made)
    assert "A81000" not in texts(made)
    assert "A81000: 0.480" in titles(made)


def test_a_page_marks_its_own_organisation_and_names_no_other():
    own = Dot("A81003", 220.0, 0.51)

    made = funnel(dots(), tells=False).drawn(own)

    assert classes(made).count("own") == 1
    assert titles(made) == ["A81003: 0.510"]
    assert [told for told in texts(made) if told.startswith("A81")] == ["A81003"]
    assert str(made).count("h0") == 5


def test_without_limits_by_size_there_are_only_the_dots():
    made = funnel(dots(), lambda _: None).drawn()

    assert "limit" not in classes(made)
    assert classes(made).count("common") == 5


@pytest.mark.parametrize("of", [[], dots()[:1]], ids=["nobody", "one"])
def test_fewer_than_two_are_no_funnel(of):
    assert funnel(of) is None


def test_names_in_a_funnel_do_not_cover_each_other():
    crowd = [Dot(f"A8{n:04}", 300.0, 0.7 + n / 10_000, "concern") for n in range(40)]

    made = funnel([*dots(), *crowd]).drawn()

    assert sum(told.startswith("A8") for told in texts(made)) == 1


def test_intervals_have_a_row_each_and_hidden_ones_a_star():
    bars = [Bar("north", 0.5, 0.4, 0.6), Bar("south", None, None, None, is_hidden=True), Bar("east", None, None, None)]

    made = comparison.intervals(bars, 0.45, reads=number, share=True, of="whole system")

    assert {"north", "south", "east", "0.500", "*", "–", "whole system"} <= set(texts(made))
    assert classes(made).count("between") == 1
    assert comparison.intervals(bars[1:], 0.45, reads=number, share=True) is None


def test_names_are_text():
    beyond = Dot(HOSTILE, 300.0, 0.7, "concern")
    for made in (
        funnel([*dots(), beyond]).drawn(beyond),
        comparison.intervals([Bar(HOSTILE, 0.5, 0.4, 0.6)], 0.4, reads=number, share=True, of=HOSTILE),
    ):
        assert "<script" not in str(made)
        assert HOSTILE in texts(made)
