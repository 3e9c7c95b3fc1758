"""The people of the made-up care system and how they live: the truth that every record is about.

What belongs here: households, ages, sexes, twins, names after their tradition, addresses, NHS numbers, practices,
long-term conditions, deaths. What does not: who is seen where, and any mistake in writing it down (`recording.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from registry_pipeline.synthetic import identifiers
from registry_pipeline.synthetic.clinical import CONDITIONS
from registry_pipeline.synthetic.names import Pools, composed, pools, read_pool, words
from registry_pipeline.synthetic.randomness import Floats, Ints, Mask, at_rate, pick, stream

YEAR = 365.25
NONE = -1
"""A code, a day or a number that is not there."""

HOUSEHOLDS = {"single": 0.30, "couple": 0.31, "family": 0.24, "lone_parent": 0.09, "sharers": 0.058, "care_home": 0.002}
"""Kinds of household by share (after the Census 2021 of England and Wales, TS003, rounded)."""

PEOPLE_PER_HOUSEHOLD = 2.3
CARE_HOME_RESIDENTS = 30
TWIN_SIBLING = 0.03
"""Share of younger siblings who are the twin of the one before; about 1.5% of all births are multiple (ONS)."""
TWINS_OF_ONE_SEX = 0.65
MIXED_COUPLES = 0.1
MIDDLE_NAME = 0.65
HYPHENATED = 0.025
NAMED_AFTER_PARENT = 0.03
"""Children who bear the given name of the parent of their sex: one name, one address, two people."""
MARRIED_NAME_KNOWN = 0.6
WITHOUT_NHS_NUMBER = 0.008
"""Overseas, armed forces and not registered."""
SUPERSEDED_NUMBER = 0.006
"""People whose NHS number replaced an earlier one."""
NOT_REGISTERED = 0.015
NEIGHBOURING_PRACTICE = 0.12
MOVED_WITHIN_MEMORY = 0.35
"""People with an earlier address that some provider may still hold."""
HAS_MOBILE, HAS_HOME_PHONE, HAS_EMAIL = 0.88, 0.45, 0.62
PEOPLE_PER_POSTCODE, PEOPLE_PER_PRACTICE = 35, 9_000
SENSITIVE = 0.003
USE_SHAPE = 0.9
"""Shape of how people differ in their use of emergency care: the smaller, the more."""
USE_OF_DEPRIVED = 0.3
"""How much more the most deprived tenth uses than the average, and the least deprived less (made up; in England the
most deprived fifth has about twice the emergency admissions of the least)."""
HISTORY_DAYS = 730
"""Deaths of the last two years are still on the registers."""


@dataclass
class Population:
    """One array element a person; days are days since 1970-01-01, codes point into `pools()` or the address arrays.

    `first_night` is the number of the night on which the person first appears (0 the first); `emergency_use` how many
    times as often as usual the person needs emergency care.
    """

    household: Ints
    tradition: Ints
    sex: Ints
    birth_day: Ints
    death_day: Ints
    given: Ints
    middle: Ints
    family: Ints
    family_second: Ints
    hyphen: Ints
    previous_family: Ints
    ethnicity: Ints
    twin: Ints
    address: Ints
    previous_address: Ints
    practice: Ints
    nhs_number: Ints
    old_nhs_number: Ints
    mobile: Ints
    home_phone: Ints
    email: Ints
    conditions: Ints
    sensitive: Ints
    first_night: Ints
    mother: Ints
    emergency_use: Floats

    def __len__(self) -> int:
        return len(self.household)

    def ages(self, persons: Ints, day: int) -> Floats:
        """Ages in years on a day."""
        return np.asarray((day - self.birth_day[persons]) / YEAR)

    def has(self, persons: Ints, condition: int) -> Mask:
        """Whether people have a long-term condition."""
        return np.asarray((self.conditions[persons] >> condition) & 1 == 1)


@dataclass
class Places:
    """Addresses (one element each) and the postcodes and practices that they point to."""

    number: Ints
    street: Ints
    house_name: Ints
    postcode: Ints
    postcodes: np.ndarray[tuple[int], np.dtype[np.object_]]
    towns: np.ndarray[tuple[int], np.dtype[np.object_]]
    streets: np.ndarray[tuple[int], np.dtype[np.object_]]
    house_names: np.ndarray[tuple[int], np.dtype[np.object_]]
    practices: np.ndarray[tuple[int], np.dtype[np.object_]]
    spare_numbers: Ints

    def decile(self, addresses: Ints) -> Ints:
        """Deprivation decile of the postcode, 1 the most deprived: every tenth postcode of a street's length."""
        return np.asarray(self.postcode[addresses] % 10 + 1)

    def practice_of(self, addresses: Ints) -> Ints:
        """The practice whose area an address lies in."""
        return np.asarray(self.postcode[addresses] * len(self.practices) // len(self.postcodes))

    def is_west(self, addresses: Ints) -> Mask:
        """Whether the west's hospital and services are the nearer ones."""
        return np.asarray(self.postcode[addresses] < len(self.postcodes) * 0.53)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - date(1970, 1, 1)).days


def populate(seed: int, people: int, arrivals: Ints, first_night: date) -> tuple[Population, Places]:
    """Make the people of the first night, and those who are born or move in on later nights.

    Args:
        seed: of the whole care system.
        people: how many on the first night, the dead of the last two years included.
        arrivals: how many appear on each later night.
        first_night: the first night.
    """
    rng = stream(seed, "population")
    today = day_number(first_night)
    total = people + int(arrivals.sum())
    kind, household, position = _households(rng, total, people)
    birth_day, sex, twin = _ages(rng, kind, household, position, today)
    columns = {f.name: np.full(total, NONE, dtype=np.int64) for f in fields(Population) if f.name != "emergency_use"}
    population = Population(**columns, emergency_use=np.ones(total))
    population.household, population.birth_day, population.sex, population.twin = household, birth_day, sex, twin
    population.first_night = np.zeros(total, dtype=np.int64)
    population.first_night[people:] = np.repeat(np.arange(1, len(arrivals) + 1), arrivals)
    head = np.searchsorted(household, household)
    population.mother = _mothers(population, kind, head, position)
    _name(rng, population, kind, head, position)
    places = _settle(rng, population, kind, head)
    _newborn(rng, population, today, people)
    places.spare_numbers = _number(rng, population)
    _contact(rng, population)
    _fall_ill(rng, population, places, today)
    population.emergency_use = _emergency_use(stream(seed, "emergency use"), places.decile(population.address))
    return population, places


def _households(rng: np.random.Generator, total: int, people: int) -> tuple[Ints, Ints, Ints]:
    """Kind (per person), household and place in it; whoever comes later lives alone at first."""
    count = int(people / PEOPLE_PER_HOUSEHOLD * 1.3) + 20
    names = list(HOUSEHOLDS)
    kinds = pick(rng, count, {i: HOUSEHOLDS[name] for i, name in enumerate(names)})
    children = 1 + np.minimum(rng.poisson(0.8, count), 5)
    sizes = np.select(
        [kinds == 0, kinds == 1, kinds == 2, kinds == 3, kinds == 4],
        [1, 2, 2 + children, 1 + children, 2 + rng.integers(0, 4, count)],
        CARE_HOME_RESIDENTS,
    )
    household = np.repeat(np.arange(count), sizes)[:people]
    household = np.concatenate([household, household[-1] + 1 + np.arange(total - people)])
    kind = np.concatenate([kinds[household[:people]], np.zeros(total - people, dtype=np.int64)])
    position = np.arange(total) - np.searchsorted(household, household)
    return kind, household, position


def _ages(rng: np.random.Generator, kind: Ints, household: Ints, position: Ints, today: int) -> tuple[Ints, Ints, Ints]:
    """Birth days, sexes (0 female, 1 male) and the code of the twin."""
    size = len(kind)
    head = np.searchsorted(household, household)
    band = rng.random(size)
    lone = np.where(band < 0.3, rng.uniform(20, 40, size), rng.uniform(40, 92, size))
    pair = np.where(band < 0.25, rng.uniform(22, 42, size), rng.uniform(42, 88, size))
    parent = np.clip(rng.normal(39, 7, size), 19, 58)
    age = np.select(
        [kind == 0, kind == 1, (kind == 2) | (kind == 3), kind == 4],
        [lone, pair, parent, np.clip(rng.normal(27, 6, size), 18, 64)],
        np.clip(rng.normal(86, 7, size), 62, 104),
    )
    partner = (position == 1) & ((kind == 1) | (kind == 2))
    age = np.where(partner, np.clip(age[head] + rng.normal(-0.5, 4, size), 18, 101), age)
    child = ((kind == 2) & (position >= 2)) | ((kind == 3) & (position >= 1))
    second_adult = np.where(kind == 2, np.minimum(head + 1, size - 1), head)
    younger = np.minimum(age[head], age[second_adult])
    age = np.where(child, rng.uniform(0, np.clip(younger - 18, 0.5, 19)), age)
    birth_day = np.asarray(today - age * YEAR).astype(np.int64)
    sex = (rng.random(size) < np.select([child, kind == 3, kind == 5], [0.512, 0.15, 0.3], 0.5)).astype(np.int64)
    sex = np.where(partner & (rng.random(size) < 0.97), 1 - sex[head], sex)
    twin = np.full(size, NONE)
    second = np.flatnonzero(child[1:] & child[:-1] & (household[1:] == household[:-1])) + 1
    second = second[at_rate(rng, len(second), TWIN_SIBLING)]
    second = second[~np.isin(second - 1, second)]
    birth_day[second] = birth_day[second - 1]
    alike = second[at_rate(rng, len(second), TWINS_OF_ONE_SEX)]
    sex[alike] = sex[alike - 1]
    twin[second], twin[second - 1] = second - 1, second
    return birth_day, sex, twin


def _mothers(population: Population, kind: Ints, head: Ints, position: Ints) -> Ints:
    """For a child the woman (else the first adult) of the household, else none."""
    second = np.minimum(head + 1, len(head) - 1)
    mother = np.where((kind == 2) & (population.sex[head] == 1), second, head)
    child = ((kind == 2) & (position >= 2)) | ((kind == 3) & (position >= 1))
    return np.asarray(np.where(child, mother, NONE))


def _name(rng: np.random.Generator, population: Population, kind: Ints, head: Ints, position: Ints) -> None:
    """Names and ethnic categories after the tradition of the household, or of a partner from another one."""
    pool, size = pools(), len(population)
    shares = {i: t.share for i, t in enumerate(pool.traditions)}
    own = pick(rng, size, shares)
    partner = (position == 1) & ((kind == 1) | (kind == 2))
    related = ((kind == 1) | (kind == 2) | (kind == 3)) & (position > 0)
    tradition = np.where(related & ~(partner & at_rate(rng, size, MIXED_COUPLES)), own[head], own)
    population.tradition = tradition
    for code, one in enumerate(pool.traditions):
        rows = np.flatnonzero(tradition == code)
        older = population.birth_day[rows] < -5 * YEAR
        for sex in (0, 1):
            for is_older in (False, True):
                these = rows[(population.sex[rows] == sex) & (older == is_older)]
                population.given[these] = one.given[sex, is_older](rng, len(these))
                population.middle[these] = one.given[sex, is_older](rng, len(these))
        population.family[rows] = one.family(rng, len(rows))
        population.family_second[rows] = one.family(rng, len(rows))
        population.ethnicity[rows] = np.array([ord(e) for e in one.ethnicities])[
            rng.integers(0, len(one.ethnicities), len(rows))
        ]
    population.middle[~at_rate(rng, size, MIDDLE_NAME) | (population.middle == population.given)] = NONE
    _marry(rng, population, pool, head, partner)
    _apply_rules(rng, population, pool, head, related & ~partner)


def _marry(rng: np.random.Generator, population: Population, pool: Pools, head: Ints, partner: Mask) -> None:
    shared = np.array([t.shared for t in pool.traditions])[population.tradition]
    rows = np.flatnonzero(partner & at_rate(rng, len(partner), shared))
    taker = np.where(population.sex[rows] == 0, rows, head[rows])
    giver = np.where(population.sex[rows] == 0, head[rows], rows)
    known = at_rate(rng, len(rows), MARRIED_NAME_KNOWN)
    population.previous_family[taker[known]] = population.family[taker[known]]
    population.family[taker] = population.family[giver]


def _apply_rules(rng: np.random.Generator, population: Population, pool: Pools, head: Ints, child: Mask) -> None:
    """What a tradition makes of the drawn names: family names of children, double, gendered and honorific ones."""
    size = len(population)
    rule = np.array([t.rule for t in pool.traditions])[population.tradition]
    woman = population.sex == 0
    double = np.isin(rule, ("double_first", "double_last"))
    kids = np.flatnonzero(child)
    father, mother = head[kids], population.mother[kids]
    father = np.where(population.mother[kids] == head[kids], np.minimum(head[kids] + 1, size - 1), father)
    father = np.where(population.household[father] == population.household[kids], father, head[kids])
    father = np.where(father == kids, head[kids], father)
    mothers_name = population.family[np.where(mother >= 0, mother, head[kids])].copy()
    population.family[kids] = population.family[father]
    population.family_second[kids] = np.where(double[kids], mothers_name, population.family_second[kids])
    namesakes = np.flatnonzero(child & at_rate(rng, size, NAMED_AFTER_PARENT))
    namesakes = namesakes[population.sex[namesakes] == population.sex[head[namesakes]]]
    population.given[namesakes] = population.given[head[namesakes]]
    named_after_father = np.flatnonzero(child & (rule == "patronymic"))
    population.middle[named_after_father] = population.given[head[named_after_father]]
    hyphenated = at_rate(rng, size, HYPHENATED) & np.isin(rule, ("plain", "slavic")) & (woman | child)
    population.hyphen = hyphenated.astype(np.int64)
    keeps = (double & ((rule == "double_first") | at_rate(rng, size, 0.6))) | hyphenated
    population.family_second[~keeps] = NONE
    singh = np.where(woman, pool.kaur, pool.singh)
    sikh = rule == "sikh"
    population.middle[sikh] = singh[sikh]
    only = sikh & at_rate(rng, size, 0.4)
    population.family[only] = singh[only]
    viet = (rule == "vietnamese") & at_rate(rng, size, 0.7)
    population.middle[viet] = np.where(woman, pool.thi, pool.van)[viet]
    honoured = np.flatnonzero((rule == "muslim") & woman & at_rate(rng, size, 0.45))
    population.family[honoured] = pool.womens_last[rng.integers(0, len(pool.womens_last), len(honoured))]
    called = (rule == "muslim") & ~woman & at_rate(rng, size, 0.3)
    population.middle[called] = population.given[called]
    population.given[called] = pool.mohammed
    slavic = (rule == "slavic") & woman
    population.family[slavic] = pool.feminine[population.family[slavic]]


def _settle(rng: np.random.Generator, population: Population, kind: Ints, head: Ints) -> Places:
    """Addresses: one a household, earlier ones besides; poorer areas hold more people of minorities, as in England."""
    size = len(population)
    households = int(population.household[-1]) + 1
    spare = int(size * MOVED_WITHIN_MEMORY) + size // 20 + 100
    total = households + spare
    place, tail = read_pool("places"), max(size // PEOPLE_PER_POSTCODE, 40)
    streets = composed(place["streets"]["stems"], place["streets"]["endings"], between=" ")
    towns = composed(place["towns"]["stems"], place["towns"]["endings"])
    codes = tail - tail % 10
    skew = np.ones(total)
    first_of = np.searchsorted(population.household, np.arange(households))
    minority = ~np.isin(population.ethnicity[first_of], [ord("A"), ord("B")])
    skew[:households][minority] = 1.6
    decile = np.minimum((10 * rng.random(total) ** skew).astype(np.int64), 9)
    postcode = rng.integers(0, codes // 10, total) * 10 + decile
    house_names = words(place["houses"]["names"])
    homes = words(place["homes"]["names"])
    named = np.where(at_rate(rng, total, 0.03), rng.integers(0, len(house_names), total), NONE)
    home = kind[first_of] == list(HOUSEHOLDS).index("care_home")
    named[:households][home] = len(house_names) + rng.integers(0, len(homes), int(home.sum()))
    places = Places(
        number=1 + (rng.random(total) ** 1.6 * 180).astype(np.int64),
        street=(postcode * 7 + rng.integers(0, 3, total)) % len(streets),
        house_name=named,
        postcode=postcode,
        postcodes=identifiers.postcodes(rng, place["postcodes"]["areas"].split(), codes),
        towns=np.array(towns, dtype=object),
        streets=np.array(streets, dtype=object),
        house_names=np.array(house_names + [f"{name} Care Home" for name in homes], dtype=object),
        practices=identifiers.practice_codes(max(size // PEOPLE_PER_PRACTICE, 8)),
        spare_numbers=np.array([], dtype=np.int64),
    )
    population.address = population.household.copy()
    moved = at_rate(rng, size, MOVED_WITHIN_MEMORY)
    earlier = np.full(households, NONE)
    earlier[population.household[head[moved]]] = households + np.arange(int(moved.sum()))
    population.previous_address = np.where(moved, earlier[population.household], NONE)
    practice = places.practice_of(population.address)
    away = at_rate(rng, size, NEIGHBOURING_PRACTICE)
    shift = np.where(away, rng.integers(1, len(places.practices), size), 0)
    practice = (practice + shift[head]) % len(places.practices)
    population.practice = np.where(at_rate(rng, size, NOT_REGISTERED), NONE, practice)
    return places


def _newborn(rng: np.random.Generator, population: Population, today: int, people: int) -> None:
    """Half of those who appear later are born that night, to a woman of the first night; the others move in."""
    later = np.arange(people, len(population))
    born = later[::2]
    age = population.ages(np.arange(people), today)
    women = np.flatnonzero((population.sex[:people] == 0) & (age > 18) & (age < 43))
    if not len(women) or not len(born):
        return
    mother = rng.choice(women, len(born))
    population.birth_day[born] = today + population.first_night[born]
    population.mother[born] = mother
    for name in ("household", "tradition", "ethnicity", "family", "family_second", "hyphen", "address", "practice"):
        array = getattr(population, name)
        array[born] = array[mother]
    for name in ("previous_address", "previous_family", "middle"):
        getattr(population, name)[born] = NONE
    pool = pools()
    for code in np.unique(population.tradition[born]):
        for sex in (0, 1):
            these = born[(population.tradition[born] == code) & (population.sex[born] == sex)]
            population.given[these] = pool.traditions[code].given[sex, False](rng, len(these))
            if pool.traditions[code].rule == "sikh":
                population.middle[these] = (pool.kaur, pool.singh)[sex]


def _number(rng: np.random.Generator, population: Population) -> Ints:
    """Give out NHS numbers; returns some that nobody has yet."""
    size = len(population)
    numbers = identifiers.nhs_numbers(rng, size + int(size * SUPERSEDED_NUMBER * 1.5) + 200)
    population.nhs_number = numbers[:size].copy()
    replaced = np.flatnonzero(at_rate(rng, size, SUPERSEDED_NUMBER))
    population.old_nhs_number[replaced] = numbers[size : size + len(replaced)]
    without = at_rate(rng, size, WITHOUT_NHS_NUMBER)
    population.nhs_number[without] = NONE
    population.old_nhs_number[without] = NONE
    return numbers[size + len(replaced) :]


def _contact(rng: np.random.Generator, population: Population) -> None:
    size = len(population)
    adult = population.mother == NONE
    population.mobile = np.where(adult & at_rate(rng, size, HAS_MOBILE), rng.integers(0, 1000, size), NONE)
    homes = rng.integers(0, 1000 * len(identifiers.HOME_PHONES), int(population.household.max()) + 1)
    at_home = at_rate(rng, len(homes), HAS_HOME_PHONE)[population.household]
    population.home_phone = np.where(at_home, homes[population.household], NONE)
    population.email = np.where(adult & at_rate(rng, size, HAS_EMAIL), rng.integers(0, 3000, size), NONE)
    population.sensitive = at_rate(rng, size, SENSITIVE).astype(np.int64)


def _emergency_use(rng: np.random.Generator, decile: Ints) -> Floats:
    """How many times as often as usual each person needs emergency care: some hardly ever, a few again and again.

    A gamma distribution makes counts negative binomial, as counts of admissions are; its mean is 1, so that rates stay
    what they are.
    """
    own = rng.gamma(USE_SHAPE, 1 / USE_SHAPE, len(decile))
    return np.asarray(own * (1 + USE_OF_DEPRIVED * (5.5 - decile) / 4.5))


def yearly_death(age: Floats) -> Floats:
    """Chance of dying within a year: Gompertz's law, near the national life tables from 30 to 100."""
    return np.asarray(np.minimum(3.5e-5 * np.exp(0.095 * np.maximum(age, 0)), 0.7))


def _fall_ill(rng: np.random.Generator, population: Population, places: Places, today: int) -> None:
    """Long-term conditions by age and deprivation, and the deaths of the last two years."""
    size = len(population)
    everybody = np.arange(size)
    age = population.ages(everybody, today)
    poorer = 1.25 - 0.05 * places.decile(population.address)
    bits = np.zeros(size, dtype=np.int64)
    for number, condition in enumerate(CONDITIONS):
        chance = condition.most / (1 + np.exp(-(age - condition.middle) / condition.spread)) * poorer
        bits |= at_rate(rng, size, chance).astype(np.int64) << number
    population.conditions = bits
    dead = at_rate(rng, size, yearly_death(age) * HISTORY_DAYS / YEAR) & (population.first_night == 0)
    day = today - rng.integers(1, HISTORY_DAYS, size)
    population.death_day = np.where(dead & (day > population.birth_day), day, NONE)
