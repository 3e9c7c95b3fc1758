"""Nobody can work out a hidden number of a group from what else the report says of groups."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.govern.disclosure import SMALLEST_SHOWN, shown_count
from registry_pipeline.reports.figures import groups

ENDLESS = 10**6
Range = tuple[int, int]


def meant_by(cell: Any) -> Range:
    """The fewest and the most people that a cell may stand for."""
    if cell == "*":
        return 0, ENDLESS
    return (0, 0) if cell == 0 else (max(cell - 2, SMALLEST_SHOWN), cell + 2)


def narrowed(parts: list[Range], total: Range) -> tuple[list[Range], Range]:
    """What parts and their total can be, by each other."""
    total = max(total[0], sum(low for low, _ in parts)), min(total[1], sum(high for _, high in parts))
    lows, highs = sum(low for low, _ in parts), sum(high for _, high in parts)
    made = [(max(low, total[0] - (highs - high)), min(high, total[1] - (lows - low))) for low, high in parts]
    return made, total


def worked_out(people: list[Range], linked: list[Range], all_people: Range, all_linked: Range) -> list[list[Range]]:
    """What somebody knows of each group's linked, other and all people, from the groups and the totals as shown."""
    alone = [(0, ENDLESS)] * len(people)
    for _ in range(30):
        linked, all_linked = narrowed(linked, all_linked)
        people, all_people = narrowed(people, all_people)
        for place, whole in enumerate(people):
            (linked[place], alone[place]), people[place] = narrowed([linked[place], alone[place]], whole)
    return [list(each) for each in zip(linked, alone, people, strict=True)]


LARGE = [(211, 198), (302, 147), (95, 60)]
"""Groups as any registry has some. Where a handful of people is all there is, totals alone say much of them, and a table
can hide every cell without being safe (`govern.disclosure` says so)."""

counts = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=6)


@given(counts)
@settings(max_examples=300, deadline=None)
def test_a_small_number_of_a_group_stays_anything_from_1_to_7(both):
    both = [*both, *LARGE]
    of_groups = {f"group {place}": each for place, each in enumerate(both)}
    made, _ = groups._table(None, "ethnicity", "Ethnicity", of_groups, {})  # type: ignore[arg-type]  # only providers' names are asked of it
    shown = {row[0]: row[1:3] for row in made.rows}
    all_people = meant_by(shown_count(sum(map(sum, both))))
    all_linked = meant_by(shown_count(sum(linked for linked, _ in both)))
    people = [meant_by(shown[name][0]) for name in of_groups]
    linked = [meant_by(shown[name][1]) for name in of_groups]
    known = worked_out(people, linked, all_people, all_linked)
    for (name, (own, alone)), (of_linked, _, of_people) in zip(of_groups.items(), known, strict=True):
        for true, cell, (low, high) in ((own, shown[name][1], of_linked), (own + alone, shown[name][0], of_people)):
            if 0 < true < SMALLEST_SHOWN:
                assert cell == "*"
                assert low <= 1, (both, name, low, high)
                assert high >= SMALLEST_SHOWN - 1, (both, name, low, high)
