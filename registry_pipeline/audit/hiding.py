"""Small numbers in a table of many breakdowns: which cells are hidden so that none of 1 to 7 can be worked out.

What belongs here: hiding over whole columns. What does not: the rule for one count (`govern.disclosure`, whose sizes
these are), and rounding.

A line is a set of cells that add up to a total shown beside them: the months of a year, the practices of a
neighbourhood, the groups of a dimension in one period. In each line every hidden cell of 1 to 7 must be able to be 1 or
7 as far as the line tells, with the total and all shown cells taken as known exactly (rounding makes it safer still).
Else the smallest shown cell is hidden as well: it has 8 or more, so one is always enough; and where there is none, all
of the line, the empty cells too. A cell whose own total is hidden is hidden. Lines are gone over until nothing more has
to be hidden.

Not defended against: conclusions from several lines taken together (a cell's month, practice and ethnicity at once; the
exact network of `govern.disclosure` does that for small tables and takes hours for these), what two measures of the
same people say side by side, differences between tables of two nights, and somebody who works back from the choice of
the second hidden cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_pipeline.govern.disclosure import ROUNDED_TO, SMALLEST_SHOWN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

NO_LINE = -1
"""Of a cell that is in no line of a kind."""


@dataclass(frozen=True)
class Lines:
    """One kind of line.

    Attributes:
        of: the line that each cell is in, numbered from 0; NO_LINE where it is in none.
        total: the cell that is the total of each cell's line; NO_LINE where the total is no cell.
    """

    of: Ints
    total: Ints


def is_small(counts: Floats) -> Flags:
    """Counts of 1 to 7."""
    import numpy as np

    small: Flags = (np.round(counts) > 0) & (np.round(counts) < SMALLEST_SHOWN)
    return small


def rounded(counts: Floats) -> Floats:
    """Counts to the nearest 5, as `disclosure.shown_count` has them."""
    import numpy as np

    return np.asarray(np.floor((counts + ROUNDED_TO // 2) / ROUNDED_TO) * ROUNDED_TO)


def hidden_cells(counts: Floats, lines: Sequence[Lines], *, also: Flags | None = None) -> Flags:
    """Which cells are hidden.

    Args:
        counts: people (or stays) of each cell.
        lines: the lines that they are in.
        also: cells that are hidden for another reason.
    """
    small = is_small(counts)
    hidden = small.copy() if also is None else small | also
    while True:
        before = int(hidden.sum())
        for each in lines:
            _hide_below(hidden, each)
            _protect(counts, small, hidden, each)
        if int(hidden.sum()) == before:
            return hidden


def _hide_below(hidden: Flags, lines: Lines) -> None:
    """What adds up to a hidden total is hidden."""
    rows = lines.total != NO_LINE
    hidden[rows] |= hidden[lines.total[rows]]


def _protect(counts: Floats, small: Flags, hidden: Flags, lines: Lines) -> None:
    import numpy as np

    rows = np.flatnonzero(lines.of != NO_LINE)
    if not len(rows):
        return
    line, size = lines.of[rows], int(lines.of.max()) + 1
    people, is_hidden = np.round(counts[rows]), hidden[rows] & (np.round(counts[rows]) > 0)
    is_target = small[rows]
    total = lines.total[rows]
    is_told = (total == NO_LINE) | ~hidden[np.maximum(total, 0)]
    many = np.bincount(line, is_hidden, size)
    spare = np.bincount(line, np.where(is_hidden, people - 1, 0), size)
    # The others must be able to give what it would take for the cell to be 7, and one of them to take what it would
    # leave.
    needs = SMALLEST_SHOWN - 1 - people
    in_danger = is_target & is_told & ((many[line] < 2) | (spare[line] - (people - 1) < needs))
    lines_in_danger = np.bincount(line, in_danger, size) > 0
    if not lines_in_danger.any():
        return
    can_help = ~is_hidden & (people >= SMALLEST_SHOWN) & lines_in_danger[line]
    order = np.flatnonzero(can_help)
    order = order[np.lexsort((order, people[order], line[order]))]
    helped, first = np.unique(line[order], return_index=True)
    hidden[rows[order[first]]] = True
    nobody_helps = lines_in_danger.copy()
    nobody_helps[helped] = False
    hidden[rows[nobody_helps[line]]] = True
