"""Small numbers: how counts of people are shown wherever figures leave the registry.

What belongs here: the rule for one count, the complementary suppression that a table with published totals needs, and
CSV files that hold nothing else. What does not: counting, and counts of things that are no people (rows, pairs, runs),
which the rule exempts.

The rule (Hospital Episode Statistics and Emergency Care Data Set, sub-national, since September 2018): 1 to 7 is
hidden, zero stays, every other count is rounded to the nearest 5, and percentages are made of rounded counts.

A hidden cell may still follow from a total and the cells beside it. What an attacker can say is a range: a shown 15 is
13 to 17, a hidden cell is 1 to 7 or was hidden to protect another. A table is safe if every hidden cell of 1 to 7 could
as well be 1 or 7 (and hence anything between) while every shown cell stays as it is shown. Totals are taken to be known
exactly here, since other tables of the same people narrow them: tables that are made one by one stay safe side by side.
What is not defended against: what totals say by themselves (of 111 people 103 are under 60 and 13 are women), three
cross-tables of three dimensions in a ring (sex by age, age by ethnicity, ethnicity by sex: make one table of all three,
or leave one out), and somebody who works back from the choice of which other cell was hidden.
"""

from __future__ import annotations

import csv
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from registry_pipeline.storage import whole_file

SMALLEST_SHOWN: Final = 8
"""Counts of people from 1 up to one less are hidden."""

ROUNDED_TO: Final = 5
"""Every other count is shown to the nearest so many."""

HIDDEN: Final = "*"
"""What stands in place of a count that is not shown."""

Hidden = Literal["*"]

STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the start of a formula (OWASP, CSV injection), the full-width forms with it."""

K = TypeVar("K")


def shown_count(people: int) -> int | Hidden:
    """A count of people as it may be shown, on its own."""
    if 0 < people < SMALLEST_SHOWN:
        return HIDDEN
    return (people + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO


def shown_share(part: int | Hidden, whole: int | Hidden) -> float | Hidden | None:
    """The share of a part in a whole, made of both as they are shown; None of nobody.

    A part that a table hides to protect another must be given as it is shown there: hidden. To show a count that is
    shown already changes nothing.
    """
    shown_part, shown_whole = _shown(part), _shown(whole)
    if isinstance(shown_part, str) or isinstance(shown_whole, str):
        return HIDDEN
    return shown_part / shown_whole if shown_whole else None


def shown_average(people: int | Hidden, value: float) -> float | Hidden | None:
    """An average over so many people as it may be shown; None of nobody."""
    if _shown(people) == HIDDEN:
        return HIDDEN
    return value if people else None


def _shown(people: int | Hidden) -> int | Hidden:
    """Also of a count that is shown already: rounding it again changes nothing."""
    return people if isinstance(people, str) else shown_count(people)


def shown_breakdown(counts: Mapping[K, int]) -> dict[K, int | Hidden]:
    """One dimension of people, each counted once, whose total (`shown_count` of the sum) is published beside it.

    Give every category, those without anybody too: a category that is listed only where somebody is in it says so.
    Fewer people than are shown are not broken down at all.
    """
    return dict(zip(counts, _shown_beside_totals([("each", "all", n) for n in counts.values()], set()), strict=True))


def shown_table(cells: Mapping[tuple[K, ...], int]) -> dict[tuple[K, ...], int | Hidden]:
    """Several dimensions of people, each counted once, whose margins are published beside it.

    The margins of each dimension are what `shown_breakdown` makes of them, and the total `shown_count` of it. Of more
    than two dimensions, every margin that leaves out the first of them may be published too, by this function.
    Combinations that are not given are nobody, and said to be. A group whose own margin is hidden is not broken down.
    """
    if not cells:
        return {}
    if any(len(key) < 2 for key in cells):
        return dict(zip(cells, shown_breakdown(cells).values(), strict=True))
    rows: dict[Any, int] = defaultdict(int)
    columns: dict[Any, int] = defaultdict(int)
    for (first, *rest), people in cells.items():
        rows[first] += people
        columns[tuple(rest)] += people
    hidden = {("row", key) for key, shown in shown_breakdown(rows).items() if shown == HIDDEN}
    hidden |= {("column", key) for key, shown in shown_table(columns).items() if shown == HIDDEN}
    between = [(("row", first), ("column", tuple(rest)), people) for (first, *rest), people in cells.items()]
    return dict(zip(cells, _shown_beside_totals(between, hidden), strict=True))


def csv_text(value: str) -> str:
    """Text for a cell of a CSV file that no spreadsheet takes for a formula."""
    return f"'{value}" if value.lstrip(" ").startswith(STARTS_A_FORMULA) else value


def write_csv(
    path: Path, columns: Sequence[str], counts: Mapping[tuple[str, ...], int], *, counted: str = "people"
) -> None:
    """Write people counted by one or several dimensions as CSV, small numbers hidden, whole or not at all.

    Args:
        path: the file.
        columns: a name for each dimension.
        counts: people by the dimensions' values.
        counted: name of the column of counts.

    Raises:
        RunFailed: the disk is full.
    """
    shown = shown_table(counts)
    write_rows(path, [*columns, counted], ([*key, people] for key, people in shown.items()))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> None:
    """Write rows whose counts are already as they may be shown as CSV, whole or not at all; no text is a formula.

    Raises:
        RunFailed: the disk is full.
    """
    with whole_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for row in ([*columns], *rows):
            writer.writerow([csv_text(cell) if isinstance(cell, str) else cell for cell in row])


# A table with totals is a network: each cell an arc from its row to its column, and people flow round it. Another world
# in which a cell is larger by one, with the same totals, is a flow along that cell and back over other cells. So what
# an attacker can conclude about a cell is how much can flow back; and to hide a cell is to widen an arc.

_ENDLESS = 10**12
_Node = Any


@dataclass
class _Arc:
    tail: _Node
    head: _Node
    people: int
    low: int
    high: int
    hidden: bool
    cost: int
    """What hiding it would lose: its people."""

    def hide(self) -> None:
        self.hidden = True
        self.low, self.high = min(self.people, 1), _ENDLESS


def _shown_beside_totals(cells: Sequence[tuple[_Node, _Node, int]], hidden: set[_Node]) -> list[int | Hidden]:
    """Cells (row, column, people), in their order, as they may be shown; `hidden`: rows and columns that are."""
    total = sum(people for _, _, people in cells)
    if 0 < total < SMALLEST_SHOWN:
        return [HIDDEN] * len(cells)
    arcs = [_arc(*cell, whole=not {cell[0], cell[1]} & hidden) for cell in cells]
    margins = _loose_margins(arcs, hidden)
    for target in [*margins, *arcs]:
        if not target.hidden or not 0 < target.people < SMALLEST_SHOWN or _protect(target, [*arcs, *margins]):
            continue
        # Nothing else is left to hide but which cells are empty: first beside this one, then everywhere.
        beside = [arc for arc in arcs if {arc.tail, arc.head} & {target.tail, target.head}]
        for part in (beside, arcs):
            for arc in part:
                arc.hidden, arc.low, arc.high = True, 0, _ENDLESS
            if _protect(target, [*arcs, *margins]):
                break
    return [HIDDEN if arc.hidden else shown_count(arc.people) for arc in arcs]


def _arc(tail: _Node, head: _Node, people: int, *, whole: bool) -> _Arc:
    shown = shown_count(people)
    if shown != HIDDEN and whole:
        slack = ROUNDED_TO // 2 if people else 0
        return _Arc(
            tail, head, people, max(shown - slack, SMALLEST_SHOWN if people else 0), shown + slack, False, people
        )
    # In a row that is not broken down a hidden cell may be nobody.
    return _Arc(tail, head, people, int(whole), _ENDLESS, True, 0)


def _meant_by(shown: int) -> tuple[int, int]:
    """The fewest and the most people that a shown count may be."""
    if not shown:
        return 0, 0
    return max(shown - ROUNDED_TO // 2, SMALLEST_SHOWN), shown + ROUNDED_TO // 2


def _loose_margins(arcs: Sequence[_Arc], hidden: set[_Node]) -> list[_Arc]:
    """An arc for each total that may be another one: those that are hidden, and as rounding goes those beside them.

    Where none of the rows (or columns) is hidden as such, their totals are fixed and need no arc.
    """
    margins = []
    for nodes, is_row in (({arc.tail for arc in arcs}, True), ({arc.head for arc in arcs}, False)):
        people: dict[_Node, int] = defaultdict(int)
        for arc in arcs if nodes & hidden else ():
            people[arc.tail if is_row else arc.head] += arc.people
        for node, count in people.items():
            tail, head = ("in", node) if is_row else (node, "out")
            shown = HIDDEN if node in hidden else shown_count(count)
            low, high = (1, _ENDLESS) if isinstance(shown, str) else _meant_by(shown)
            # What is shown of a margin is settled elsewhere: it cannot be hidden here.
            margins.append(_Arc(tail, head, count, low, high, True, 0))
    return [margin for margin in margins if margin.people]


def _protect(target: _Arc, arcs: Sequence[_Arc]) -> bool:
    """Hide as little as lets a hidden count be anything from 1 to 7; False if all that is shown is not enough."""
    return all(
        _push(target, wanted - target.people, arcs) for wanted in (1, SMALLEST_SHOWN - 1) if wanted != target.people
    )


def _push(target: _Arc, more: int, arcs: Sequence[_Arc]) -> bool:
    """Whether another world has so many more (or fewer) people in a cell; hides cells until there is one."""
    world = {id(arc): arc.people for arc in arcs}
    start, end = (target.head, target.tail) if more > 0 else (target.tail, target.head)
    left = abs(more)
    touching: dict[_Node, list[tuple[_Arc, bool]]] = defaultdict(list)
    for arc in arcs:
        if arc is not target:
            touching[arc.tail].append((arc, True))
            touching[arc.head].append((arc, False))
    while left:
        way = _cheapest_way(start, end, touching, world)
        if way is None:
            return False
        for arc, forwards in way:
            if not _room(arc, forwards=forwards, world=world):
                arc.hide()
        flow = min([left, *(_room(arc, forwards=forwards, world=world) for arc, forwards in way)])
        for arc, forwards in way:
            world[id(arc)] += flow if forwards else -flow
        left -= flow
    return True


def _room(arc: _Arc, *, forwards: bool, world: Mapping[int, int]) -> int:
    return arc.high - world[id(arc)] if forwards else world[id(arc)] - arc.low


def _cheapest_way(
    start: _Node, end: _Node, touching: Mapping[_Node, Sequence[tuple[_Arc, bool]]], world: Mapping[int, int]
) -> list[tuple[_Arc, bool]] | None:
    """Arcs from one node to another that have room, or would have if hidden, the fewest people hidden (Dijkstra).

    Where two ways are as cheap, the shorter, then the one whose nodes were met first: the same table always comes out
    the same.
    """
    reached: dict[_Node, tuple[int, int]] = {start: (0, 0)}
    came: dict[_Node, tuple[_Arc, bool]] = {}
    waiting: list[tuple[int, int, int, _Node]] = [(0, 0, 0, start)]
    met = 0
    while waiting:
        cost, steps, _, node = heapq.heappop(waiting)
        if node == end:
            break
        if (cost, steps) > reached[node]:
            continue
        for arc, forwards in touching[node]:
            if not _room(arc, forwards=forwards, world=world) and not _would_have_room(arc, forwards=forwards):
                continue
            further = arc.head if forwards else arc.tail
            price = (cost + (0 if _room(arc, forwards=forwards, world=world) else arc.cost), steps + 1)
            if further not in reached or price < reached[further]:
                reached[further], came[further] = price, (arc, forwards)
                met += 1
                heapq.heappush(waiting, (*price, met, further))
    if end not in came:
        return None
    way, node = [], end
    while node != start:
        arc, forwards = came[node]
        way.append((arc, forwards))
        node = arc.tail if forwards else arc.head
    return way


def _would_have_room(arc: _Arc, *, forwards: bool) -> bool:
    """Hiding a cell with nobody in it is no way: that zero stays is part of the rule."""
    return not arc.hidden and arc.people > 0 and (forwards or arc.people > 1)
