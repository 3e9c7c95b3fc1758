"""Figures read as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline.pages import words


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (1234567, "count", "1,234,567"),
        (0, "people", "0"),
        ("*", "people", "*"),
        (None, "share", "–"),
        (math.nan, "number", "–"),
        (math.inf, "number", "no limit"),
        (0.9642, "share", "96.4%"),
        (1, "share", "100%"),
        (0, "share", "0%"),
        (0.99996, "share", "99.996%"),  # never all, when it is not
        (0.0002, "share", "0.02%"),  # never nothing, when it is not
        (-0.014, "share", "−1.4%"),
        (0.8721, "number", "0.872"),
        (21.26, "number", "21.3"),
        (1234.5, "number", "1,234"),
        (-7.25, "number", "−7.25"),
        (0.00003, "number", "3.0 × 10⁻⁵"),
        (2.0, "number", "2"),
        (True, "words", "yes"),
        ("2026-04-01", "date", "1 April 2026"),
        ("2026-04-01T04:12:09+00:00", "date", "1 April 2026, 04:12 UTC"),
        ("last week", "date", "last week"),
        ("=cmd()", "words", "=cmd()"),
    ],
)
def test_a_figure_reads_as_people_write_it(value, kind, told):
    assert words.plain(value, kind) == told


@pytest.mark.parametrize(
    ("values", "kind", "decimals"),
    [
        ([0.5, 0.25, None], "share", 1),
        ([0.9991, 0.9995, 0.2, "*"], "share", 2),  # one decimal would not tell most of them apart
        ([1, 0, 1], "share", 1),
        ([1.0, 0.872, None], "number", 3),
        ([3, 14, 15], "number", 0),
        ([140.2, 3.1], "number", 0),
        ([None, "*"], "number", None),
        ([12, 13], "count", None),
    ],
)
def test_a_column_has_as_many_decimals_as_tell_its_values_apart(values, kind, decimals):
    assert words.decimals_of(values, kind) == decimals


@given(st.floats(min_value=0.000001, max_value=0.999999))
def test_a_share_that_is_neither_all_nor_nothing_never_reads_so(value):
    assert words.share(value) not in {"0%", "100%", "0.0%", "100.0%", "100.00%", "0.00%"}
