"""Small numbers: what is shown, and that nobody can work out what is not, from all tables of the same people together.

The attacker knows every rule: what each shown figure may have been, that a hidden cell is at least 1 unless a whole row
or column is hidden, that all tables count the same people. He looks for the fewest and the most people that a hidden
cell may be, over all worlds that look like what was published: an integer programme over the people themselves.
"""

import csv
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from registry_pipeline.govern.disclosure import (
    HIDDEN,
    csv_text,
    shown_average,
    shown_breakdown,
    shown_count,
    shown_share,
    shown_table,
    write_csv,
)


@pytest.mark.parametrize(
    ("people", "shown"),
    [(0, 0), (1, "*"), (7, "*"), (8, 10), (12, 10), (13, 15), (17, 15), (18, 20), (1_000_002, 1_000_000)],
)
def test_one_count(people, shown):
    assert shown_count(people) == shown


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (13, 96, 15 / 95),
        (0, 96, 0.0),
        (7, 96, "*"),
        (5, 6, "*"),
        (0, 0, None),
        (95, 95, 1.0),
        ("*", 96, "*"),
        (15, 95, 15 / 95),
    ],
)
def test_a_share_is_made_of_rounded_counts(part, whole, share):
    assert shown_share(part, whole) == share


@pytest.mark.parametrize(("people", "shown"), [(0, None), (7, "*"), (8, 4.25), ("*", "*")])
def test_an_average_of_fewer_than_eight_is_hidden(people, shown):
    assert shown_average(people, 4.25) == shown


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ((3, 20, 100, 0), ("*", 20, 100, 0)),  # rounding leaves -1 to 7, and more with the total's own
        ((3, 20, 0), ("*", "*", 0)),  # 23 - 20 could be 1 to 5 only
        ((6, 7, 90), ("*", "*", 90)),
        ((3, 0, 2), ("*", "*", "*")),  # fewer than eight people are not broken down
        ((1,) * 12, ("*",) * 12),
        ((30, 40), (30, 40)),
        ((0, 0), (0, 0)),
        ((12, 12, 3), ("*", 10, "*")),  # of two that would do, always the first
    ],
)
def test_a_total_gives_no_hidden_cell_away(counts, shown):
    names = [f"c{n}" for n in range(len(counts))]
    assert tuple(shown_breakdown(dict(zip(names, counts, strict=True))).values()) == shown


def test_a_hidden_row_is_not_broken_down():
    shown = shown_table({("a", "x"): 3, ("a", "y"): 0, ("b", "x"): 400, ("b", "y"): 500, ("c", "x"): 0, ("c", "y"): 60})
    assert (shown["a", "x"], shown["a", "y"]) == ("*", "*")
    assert shown["c", "x"] == 0


def test_the_same_counts_always_come_out_the_same():
    cells = {(a, b): (7 * a * b) % 23 for a in range(6) for b in range(5)}
    assert shown_table(cells) == shown_table(dict(cells))


@st.composite
def _people(draw) -> tuple[tuple[int, ...], dict[tuple[int, ...], int]]:
    """Three dimensions, and how many people there are of each combination: from few to some thousand."""
    sizes = (draw(st.integers(2, 3)), draw(st.integers(2, 4)), draw(st.integers(2, 4)))
    most = draw(st.sampled_from([5, 20, 80, 300]))
    several = st.one_of(st.just(0), st.integers(0, 9), st.integers(0, most))
    return sizes, {key: draw(several) for key in itertools.product(*map(range, sizes))}


PUBLISHED = [(), (0,), (1,), (2,), (0, 1), (0, 2)]
"""The total, each dimension, and two cross-tables that share one."""


FEWEST_PEOPLE = 100
"""Of fewer the totals alone, rounded as they are, may say something of a cell: nobody publishes three dimensions of them."""


def _counted(people, sizes, by):
    counts = dict.fromkeys(itertools.product(*(range(sizes[d]) for d in by)), 0)
    for key, n in people.items():
        counts[tuple(key[d] for d in by)] += n
    return counts


def _as_published(counts, *, complementary):
    if not complementary or () in counts:
        return {key: shown_count(n) for key, n in counts.items()}
    return shown_breakdown(counts) if len(next(iter(counts))) == 1 else shown_table(counts)


def _may_be(shown, key, whole, *, complementary):
    """The fewest and most that a published cell may have been, from its figure or its percentage alike."""
    if shown[key] == HIDDEN:
        beside = [{k: v for k, v in shown.items() if k[d] == key[d]} for d in range(len(key) if len(key) > 1 else 0)]
        all_hidden = any(set(each.values()) == {HIDDEN} for each in [*beside, shown]) and key != ()
        return (0 if all_hidden and complementary else 1), (math.inf if complementary else 7)
    share = shown_share(shown[key], whole)
    figure = round(share * whole) if isinstance(share, float) else shown[key]
    assert figure == shown[key], "a percentage says what the figure says, no more"
    return (0, 0) if figure == 0 else (max(8, figure - 2), figure + 2)


def _pinned(people, sizes, *, complementary):
    """Hidden cells of 1 to 7 of which the attacker can say more than that, and how many were hidden.

    What two totals say of a cell by themselves (more people are old than are not women) no table can take back: a cell
    of a cross-table counts if it is narrowed further than by the breakdowns, where every hidden cell must stay free.
    """
    combinations, sums, ranges, targets = list(people), [], [], []
    for by in PUBLISHED:
        counts = _counted(people, sizes, by)
        shown = _as_published(counts, complementary=complementary)
        for key, n in counts.items():
            sums.append([float(tuple(each[d] for d in by) == key) for each in combinations])
            fewest, most = _may_be(shown, key, shown_count(sum(people.values())), complementary=complementary)
            assert fewest <= n <= most, "what the attacker believes is true"
            ranges.append((fewest, most))
            if shown[key] == HIDDEN and 1 <= n <= 7:
                targets.append((by, sums[-1]))
    totals = sum(len(_counted(people, sizes, by)) for by in PUBLISHED if len(by) < 2)
    pinned = 0
    for by, target in targets:
        found = _within(target, sums, ranges)
        pinned += found != (1, 7) and (len(by) < 2 or found != _within(target, sums[:totals], ranges[:totals]))
    return pinned, len(targets)


def _within(target, sums, ranges):
    """The part of 1 to 7 that a cell may be in some world of people that looks like what was published."""
    low, high = zip(*ranges, strict=True)
    worlds = {
        "constraints": LinearConstraint(np.array(sums), low, high),
        "integrality": np.ones(len(target)),
        "bounds": Bounds(0, math.inf),
    }
    fewest, most = (milp(sign * np.array(target), **worlds) for sign in (1, -1))
    assert fewest.success
    assert most.success or "unbounded" in most.message.lower()
    return max(round(fewest.fun), 1), min(round(-most.fun), 7) if most.success else 7


@settings(max_examples=60, deadline=None)
@given(_people())
def test_no_hidden_cell_is_recovered_from_all_tables_together(made):
    sizes, people = made
    assume(sum(people.values()) >= FEWEST_PEOPLE)
    assert _pinned(people, sizes, complementary=True)[0] == 0


def test_without_complementary_suppression_the_same_attacker_succeeds():
    people = {key: 40 + sum(key) for key in itertools.product(range(2), range(2), range(2))} | {
        (0, 0, 0): 2,
        (0, 1, 0): 0,
    }
    assert _pinned(people, (2, 2, 2), complementary=False)[0] > 0
    pinned, hidden = _pinned(people, (2, 2, 2), complementary=True)
    assert pinned == 0
    assert hidden > 0


@pytest.mark.parametrize("harm", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1"])
def test_no_text_is_a_formula(harm):
    assert csv_text(harm) == f"'{harm}"
    assert csv_text("St Elsewhere - A&E") == "St Elsewhere - A&E"


def test_a_csv_file_holds_no_small_number_and_no_formula(tmp_path):
    write_csv(
        tmp_path / "counts.csv",
        ["name", "sex"],
        {("=cmd()", "F"): 3, ("=cmd()", "M"): 700, ("b", "F"): 900, ("b", "M"): 800, ("c", "F"): 0, ("c", "M"): 60},
    )
    with (tmp_path / "counts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "sex", "people"]
    assert rows[1] == ["'=cmd()", "F", "*"]
    assert [row[2] for row in rows[1:]].count("0") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["counts.csv"]
