"""What changes from one night to the next: in people's lives, and in what a provider holds about them.

What belongs here: moves, marriages, deaths and new NHS numbers; a provider's records as they appear, change, merge and
go. What does not: how often a record is wrong (`recording.py`), and how the night is delivered (`delivery.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry_pipeline.synthetic import recording
from registry_pipeline.synthetic.population import NONE, YEAR, Places, Population, yearly_death
from registry_pipeline.synthetic.randomness import Ints, Mask, at_rate

# In people's lives, a year (ONS: about 10% of households move, 8 in 1,000 adults marry).
HOUSEHOLDS_MOVE = 0.10
MARRY = 0.008
NUMBERS_REPLACED = 0.0003
# In a provider's records, a night.
RECORDS_CHANGE = 0.011
KNOWN_CHANGE_REACHES = {"gp": 0.9, "other": 0.4}
FIRST_SEEN = 0.0006
RECORDS_GO = 0.0003
DUPLICATES_MERGED = 0.04

GROUPS = {
    ("phone", "email"): 0.42,
    ("address", "postcode", "phone"): 0.2,
    ("given_name", "middle_names", "family_name", "previous_family_name", "title"): 0.13,
    ("nhs_number", "nhs_number_status"): 0.1,
    ("gp_practice", "ethnicity"): 0.1,
    ("birth_date", "sex"): 0.05,
}
"""What staff write anew when they touch a record, and how often."""

LIFE_EVENT = (
    "given_name", "middle_names", "family_name", "previous_family_name", "address", "postcode", "death_date",
    "nhs_number", "nhs_number_status",
)  # fmt: skip
"""What is written anew after a move, a marriage, a death, a naming or a new NHS number."""


@dataclass
class Holding:
    """What one provider holds: one element a record.

    Attributes:
        rows: canonical patient rows.
        persons: who each is about; NONE for a test patient.
        issued: local ids given out so far.
        changed: which rows are new or changed tonight.
        gone: rows that left tonight.
        first_seen, ended: nights; `ended` holds (local_id, person, first, last) of records that left.
    """

    provider: str
    rows: pa.Table
    persons: Ints
    issued: int
    changed: Mask
    gone: pa.Table
    first_seen: Ints
    ended: list[pa.Table] = field(default_factory=list)


def open_books(population: Population, places: Places, provider: str, rng: np.random.Generator, today: int) -> Holding:
    """A provider's records on the first night, duplicates and test patients among them."""
    known = recording.seen_by(rng, provider, population, places, today) & (population.first_night == 0)
    persons = np.flatnonzero(known)
    twice = persons[at_rate(rng, len(persons), recording.HABITS[provider].duplicates)]
    tests = max(2, int(len(persons) * recording.TEST_PATIENTS))
    total = len(persons) + len(twice) + tests
    ids = recording.local_ids(provider, 0, total, rng)
    once = recording.record(population, places, provider, persons, ids[: len(persons)], rng, today)
    again = ids[len(persons) : total - tests]
    second = recording.record(population, places, provider, twice, again, rng, today, care=2.0)
    test = recording.test_patients(once, ids[total - tests :], rng)
    rows = pa.concat_tables([once, second, test]).combine_chunks()
    who = np.concatenate([persons, twice, np.full(tests, NONE)])
    return Holding(provider, rows, who, total, np.ones(total, bool), rows.slice(0, 0), np.zeros(total, np.int64))


def live_on(
    population: Population, places: Places, rng: np.random.Generator, today: int, night: int
) -> tuple[Ints, Ints]:
    """One day in everybody's life.

    Returns:
        The people about whom something changed, and those whose NHS number was replaced.
    """
    size = len(population)
    here = (population.first_night < night) & (population.death_day == NONE)
    households = int(population.household.max()) + 1
    moving = at_rate(rng, households, HOUSEHOLDS_MOVE / YEAR)
    moving[rng.integers(0, households)] = True
    movers = np.flatnonzero(moving[population.household] & here)
    population.previous_address[movers] = population.address[movers]
    target = rng.integers(households, len(places.number), households)
    population.address[movers] = target[population.household[movers]]
    age = population.ages(np.arange(size), today)
    brides = np.flatnonzero(
        here & (population.sex == 0) & (age > 20) & (age < 60) & at_rate(rng, size, 2 * MARRY / YEAR)
    )
    population.previous_family[brides] = population.family[brides]
    population.family[brides] = population.family[rng.integers(0, size, len(brides))]
    dying = np.flatnonzero(here & at_rate(rng, size, yearly_death(age) / YEAR))
    population.death_day[dying] = np.maximum(today - rng.integers(0, 3, len(dying)), population.birth_day[dying])
    replaced = np.flatnonzero(here & (population.nhs_number != NONE) & (population.old_nhs_number == NONE)
                              & at_rate(rng, size, NUMBERS_REPLACED / YEAR))  # fmt: skip
    replaced = replaced[: len(places.spare_numbers)]
    population.old_nhs_number[replaced] = population.nhs_number[replaced]
    population.nhs_number[replaced] = places.spare_numbers[: len(replaced)]
    places.spare_numbers = places.spare_numbers[len(replaced) :]
    named = np.flatnonzero((population.birth_day == today - recording.UNNAMED_DAYS) & here)
    return np.unique(np.concatenate([movers, brides, dying, replaced, named])), replaced


def turn_page(
    holding: Holding,
    population: Population,
    places: Places,
    touched: Ints,
    rng: np.random.Generator,
    today: int,
    night: int,
) -> Holding:
    """A provider's records on the next night: some appear, change, merge and go.

    Args:
        holding: the night before.
        population: the truth tonight.
        places: where people live.
        touched: people about whom something changed.
        rng: where it is drawn from.
        today: day number of the night.
        night: number of the night, from 1.
    """
    rows, changed = _rewrite(holding, population, places, touched, rng, today)
    rows, merged, gone = _merge(holding, rows, rng)
    leaves = at_rate(rng, len(rows), RECORDS_GO) & (holding.persons != NONE)
    leaves |= gone
    changed |= merged
    stays = ~leaves
    fresh = _newcomers(holding, population, places, rng, today, night)
    ids = recording.local_ids(holding.provider, holding.issued, len(fresh), rng)
    new = recording.record(population, places, holding.provider, fresh, ids, rng, today)
    left = rows.filter(pa.array(leaves))
    keep = pa.array(stays)
    ended = pa.table({
        "local_id": left["local_id"], "person": holding.persons[leaves], "first_seen": holding.first_seen[leaves],
        "last_seen": np.full(int(leaves.sum()), night - 1),
    })  # fmt: skip
    return Holding(
        holding.provider,
        pa.concat_tables([rows.filter(keep), new]).combine_chunks(),
        np.concatenate([holding.persons[stays], fresh]),
        holding.issued + len(fresh),
        np.concatenate([changed[stays], np.ones(len(fresh), bool)]),
        left,
        np.concatenate([holding.first_seen[stays], np.full(len(fresh), night)]),
        [*holding.ended, ended],
    )


def _rewrite(
    holding: Holding, population: Population, places: Places, touched: Ints, rng: np.random.Generator, today: int
) -> tuple[pa.Table, Mask]:
    size = len(holding.rows)
    real = holding.persons != NONE
    chance = KNOWN_CHANGE_REACHES["gp" if holding.provider.startswith("GP") else "other"]
    life = real & np.isin(holding.persons, touched) & at_rate(rng, size, chance)
    routine = real & ~life & at_rate(rng, size, RECORDS_CHANGE)
    changed = life | routine
    where = np.flatnonzero(changed)
    if not len(where):
        return holding.rows, changed
    fresh = recording.record(
        population, places, holding.provider, holding.persons[where], holding.rows["local_id"].take(where), rng, today,
        care=0.7,
    )  # fmt: skip
    share = np.cumsum(list(GROUPS.values()))
    group = np.searchsorted(share / share[-1], rng.random(len(where)), side="right")
    columns = {name: holding.rows[name].combine_chunks() for name in holding.rows.column_names}
    lives = life[where]
    written = dict(columns)
    for name, column in columns.items():
        mine = np.isin(group, [i for i, names in enumerate(GROUPS) if name in names]) & ~lives
        if name in LIFE_EVENT:
            mine |= lives
        mask = np.zeros(size, bool)
        mask[where[mine]] = True
        written[name] = recording.put(column, mask, fresh[name].combine_chunks().filter(pa.array(mine)))
    return pa.table(written, schema=holding.rows.schema), changed


def _merge(holding: Holding, rows: pa.Table, rng: np.random.Generator) -> tuple[pa.Table, Mask, Mask]:
    """Merge some pairs of local ids of one person; returns the rows, which changed and which go."""
    size = len(rows)
    nothing = np.zeros(size, bool)
    order = np.argsort(holding.persons, kind="stable")
    who = holding.persons[order]
    unmerged = rows["merged_into"].is_null().to_numpy()
    pair = np.flatnonzero((who[1:] == who[:-1]) & (who[1:] != NONE))
    keeper, loser = order[pair], order[pair + 1]
    open_pair = unmerged[keeper] & unmerged[loser]
    keeper, loser = keeper[open_pair], loser[open_pair]
    if not len(loser):
        return rows, nothing, nothing
    chosen = at_rate(rng, len(loser), DUPLICATES_MERGED)
    chosen[rng.integers(0, len(loser))] = True
    mask = np.zeros(size, bool)
    mask[loser[chosen]] = True
    if not recording.HABITS[holding.provider].keeps_merged:
        return rows, nothing, mask
    target = keeper[chosen][np.argsort(loser[chosen])]
    into = recording.put(rows["merged_into"].combine_chunks(), mask, rows["local_id"].take(target).combine_chunks())
    return rows.set_column(rows.column_names.index("merged_into"), "merged_into", into), mask, nothing


def _newcomers(
    holding: Holding, population: Population, places: Places, rng: np.random.Generator, today: int, night: int
) -> Ints:
    """People who are new to the provider: born or moved in tonight, or seen for the first time."""
    size = len(population)
    known = np.zeros(size, bool)
    known[holding.persons[holding.persons != NONE]] = True
    would = recording.seen_by(rng, holding.provider, population, places, today)
    arrived = (population.first_night == night) & would
    if holding.provider in {"RX1", "RX2"}:
        west = places.is_west(population.address) == (holding.provider == "RX1")
        arrived |= (population.first_night == night) & (population.birth_day >= today - 1) & west
    candidates = np.flatnonzero(~known & (population.first_night < night) & would)
    count = min(len(candidates), max(1, int(len(holding.rows) * FIRST_SEEN)))
    first_time = rng.choice(candidates, count, replace=False) if count else candidates
    return np.concatenate([np.flatnonzero(arrived), np.sort(first_time)])


def marked_deleted(rows: pa.Table) -> pa.Table:
    """Rows that left, as a delta tells of them."""
    return rows.set_column(rows.column_names.index("deleted"), "deleted", pa.array(np.ones(len(rows), bool)))


def active(holding: Holding) -> Mask:
    """Records about whose people events are recorded: no test patients, none deleted or merged away."""
    rows = holding.rows
    left = pc.or_(rows["deleted"], rows["merged_into"].is_valid())
    return np.asarray((holding.persons != NONE) & ~left.to_numpy())
