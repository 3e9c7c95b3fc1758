"""Small numbers in a table of many breakdowns: which cells are hidden so that none of 1 to 7 can be worked out.

What belongs here: hiding over whole columns. What does not: the rule for one count (`govern.disclosure`, whose sizes
these are), and rounding.

A line is a set of cells that add up to a total shown beside them: the months of a year, the practices of a
neighbourhood, the groups of a dimension in one period. In each line every hidden cell of 1 to 7 must be able to be 1 or
7 as far as the line tells: with the total taken as known exactly, hidden cells at least one, and shown cells anything
that is rounded to what is shown of them (exactly what they are, where values are shown that are not made of rounded
counts). Else the smallest shown cell is hidden as well: it has 8 or more, so one is always enough; and where there is
none, all of the line, the empty cells too. Below a hidden total of 1 to 7 everything is hidden; below one that is
hidden to protect another, as much that the total stays open by as many. Lines are gone over until nothing more has to
be hidden. Within a line this is the rule of `govern.disclosure` for one dimension.

Not defended against: conclusions from several lines taken together (a cell's month, practice and ethnicity at once; the
network of `govern.disclosure` does that, and is made for tables of hundreds of cells), what two measures of the same
people say side by side, differences between tables of two nights or between successive months of a state, and
somebody who works back from the choice of the second hidden cell.
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

MOST_MOVED = SMALLEST_SHOWN - 2
"""By how much a hidden cell of 1 to 7 may have to be another number."""

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


def could_be(shown: Floats) -> tuple[Floats, Floats]:
    """The smallest and the largest count that is shown as each of these: what is shown is nothing, or 8 and more."""
    import numpy as np

    slack = ROUNDED_TO // 2
    return np.where(shown > 0, np.maximum(shown - slack, SMALLEST_SHOWN), 0.0), np.where(shown > 0, shown + slack, 0.0)


def hidden_cells(
    counts: Floats, lines: Sequence[Lines], *, also: Flags | None = None, is_rounded: Flags | None = None
) -> Flags:
    """Which cells are hidden.

    Args:
        counts: people (or stays) of each cell.
        lines: the lines that they are in.
        also: cells that are hidden for another reason.
        is_rounded: cells of which no more is shown than a count to the nearest 5; None: of all, more is.
    """
    import numpy as np

    small = is_small(counts)
    hidden = small.copy() if also is None else small | also
    people = np.round(counts)
    loose: Flags = np.zeros(len(counts), dtype=bool) if is_rounded is None else is_rounded & (people > 0)
    middle, slack = rounded(people), ROUNDED_TO // 2
    fewer = np.where(loose, people - np.maximum(middle - slack, SMALLEST_SHOWN), 0.0)
    more = np.where(loose, middle + slack - people, 0.0)
    while True:
        before = int(hidden.sum())
        for each in lines:
            _hide_below(small, hidden, each)
            _protect(people, small, hidden, each, fewer=fewer, more=more)
        if int(hidden.sum()) == before:
            return hidden


def _hide_below(small: Flags, hidden: Flags, lines: Lines) -> None:
    """What adds up to a total of 1 to 7 is hidden."""
    rows = lines.total != NO_LINE
    hidden[rows] |= small[lines.total[rows]]


def _protect(people: Floats, small: Flags, hidden: Flags, lines: Lines, *, fewer: Floats, more: Floats) -> None:
    """Hide one cell more (or all) of each line that gives a small one away.

    Args:
        people: of each cell.
        small: cells of 1 to 7.
        hidden: cells that are hidden; changed.
        lines: of one kind.
        fewer: by how much less than it is each shown cell might be.
        more: by how much more.
    """
    import numpy as np

    rows = np.flatnonzero(lines.of != NO_LINE)
    if not len(rows):
        return
    line, size = lines.of[rows], int(lines.of.max()) + 1
    count, is_filled = people[rows], people[rows] > 0
    is_hidden = hidden[rows] & is_filled
    total = lines.total[rows]
    is_told = (total == NO_LINE) | ~hidden[np.maximum(total, 0)]
    many = np.bincount(line, is_hidden, size)
    # What the others could give for the cell to be 7, and take for it to be 1.
    give = np.bincount(line, np.where(is_hidden, count - 1, np.where(hidden[rows], 0, fewer[rows])), size)
    take = np.bincount(line, np.where(hidden[rows], 0, more[rows]), size)
    is_bound = (give[line] - (count - 1) < SMALLEST_SHOWN - 1 - count) | ((many[line] < 2) & (take[line] < count - 1))
    in_danger = small[rows] & is_told & is_bound
    # A total that is hidden to protect another must be open by as much as the other.
    is_closed = (give < MOST_MOVED) | ((many < 1) & (take < MOST_MOVED))
    in_danger |= ~is_told & ~small[np.maximum(total, 0)] & is_closed[line] & ~hidden[rows]
    lines_in_danger = np.bincount(line, in_danger, size) > 0
    if not lines_in_danger.any():
        return
    can_help = ~is_hidden & (count >= SMALLEST_SHOWN) & lines_in_danger[line]
    order = np.flatnonzero(can_help)
    order = order[np.lexsort((order, count[order], line[order]))]
    helped, first = np.unique(line[order], return_index=True)
    hidden[rows[order[first]]] = True
    nobody_helps = lines_in_danger.copy()
    nobody_helps[helped] = False
    hidden[rows[nobody_helps[line]]] = True
