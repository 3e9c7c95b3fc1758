"""What follows a discharge: contacts of the mental health trust, and of community services, soon after a stay.

What belongs here: whom somebody sees after which stays, and after how many days. What does not: stays themselves and
all other contacts (`activity`). They are drawn from streams of their own.

The shares are made up, of the size of national figures for contact within 72 hours of discharge from mental health
wards; most people are seen in time, some late, some never.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry_pipeline.synthetic import activity
from registry_pipeline.synthetic.activity import LATER, Known
from registry_pipeline.synthetic.population import NONE
from registry_pipeline.synthetic.randomness import Floats, Ints, at_rate

IN_TIME, LATE = (1, 3), (4, 14)
"""Days from discharge to contact, first and last, on mental health wards' terms (72 hours)."""
SEEN_IN_TIME, SEEN_LATE = 0.76, 0.14

AT_HOME_IN_TIME, AT_HOME_LATE = (0, 2), (3, 10)
"""The same of community services after a stay in hospital (2 days)."""
FRAIL_SEEN, OLD_SEEN = 0.6, 0.2
"""Share of the frail, and of other people over 75, whom community services see after an emergency stay."""
AT_HOME_PROMPT = 0.65


@dataclass(frozen=True)
class Planned:
    """Contacts that will follow: one element a contact; days are day numbers."""

    persons: Ints
    day: Ints

    def joined(self, other: Planned) -> Planned:
        """These and those."""
        return Planned(np.concatenate([self.persons, other.persons]), np.concatenate([self.day, other.day]))


FOLLOWED_BY = {"RV": "RV", "RX": "RY"}
"""Kind of provider whose contacts follow the stays of another kind."""

NOTHING = Planned(np.array([], np.int64), np.array([], np.int64))


def plan(known: Known, spells: pa.Table, rng: np.random.Generator) -> Planned:
    """The contacts that will follow stays, whether they are over by now or not.

    Args:
        known: the records of the provider of the stays.
        spells: its stays, as `activity.happen` gives them.
        rng: where they are drawn from.
    """
    at_home = pc.not_equal(spells[f"{LATER}discharge_method"], "4")
    if not known.provider.startswith("RV"):
        emergency = pc.starts_with(spells["admission_method"], "2")
        at_home = pc.and_(at_home, emergency)
    spells = spells.filter(at_home)
    row = pc.index_in(spells["local_id"].combine_chunks(), value_set=known.local_id).to_numpy(zero_copy_only=False)
    end = spells[f"{LATER}end_date"].cast(pa.timestamp("s")).cast(pa.int64()).to_numpy() // 86400
    size = len(row)
    if known.provider.startswith("RV"):
        return _planned(known.persons[row], end, np.full(size, SEEN_IN_TIME + SEEN_LATE),
                        SEEN_IN_TIME / (SEEN_IN_TIME + SEEN_LATE), (IN_TIME, LATE), rng)  # fmt: skip
    chance = np.where(known.has("Frailty")[row], FRAIL_SEEN, np.where(known.age()[row] > 75, OLD_SEEN, 0.0))
    return _planned(known.persons[row], end, chance, AT_HOME_PROMPT, (AT_HOME_IN_TIME, AT_HOME_LATE), rng)


def _planned(
    persons: Ints,
    end: Ints,
    chance: Floats,
    prompt: float,
    days: tuple[tuple[int, int], tuple[int, int]],
    rng: np.random.Generator,
) -> Planned:
    size = len(persons)
    seen = at_rate(rng, size, chance)
    (early, by), (late, last) = days
    delay = np.where(at_rate(rng, size, prompt), rng.integers(early, by + 1, size), rng.integers(late, last + 1, size))
    return Planned(persons[seen], (end + delay)[seen])


def happen(known: Known, planned: Planned, window: tuple[int, int], rng: np.random.Generator, first: int) -> pa.Table:
    """The planned contacts of a window of days, with those people whom the provider knows, as rows of its contacts.

    Args:
        known: the provider's records.
        planned: contacts with anybody.
        window: first and last day, both within.
        rng: where their details are drawn from.
        first: number of the first event's id.
    """
    now = (planned.day >= window[0]) & (planned.day <= window[1])
    persons, day = planned.persons[now], planned.day[now]
    order = np.argsort(known.persons, kind="stable")
    place = np.searchsorted(known.persons[order], persons)
    place = np.minimum(place, max(len(order) - 1, 0))
    row = order[place] if len(order) else np.full(len(persons), NONE)
    theirs = known.persons[row] == persons if len(order) else np.zeros(len(persons), bool)
    row, day = row[theirs], day[theirs]
    _, details = activity.FEEDS["contact"]
    happened = activity.Happenings(known, row, day, rng, np.full(len(row), NONE)).alive()
    return pa.table({**happened.common("CO", first), **details(happened)})
