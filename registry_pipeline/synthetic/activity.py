"""What happens to people: spells, attendances, contacts, referrals, conditions, medicines, plans, services, carers.

What belongs here: how often each kind of event befalls a record's person, given age and conditions, and its details,
under the canonical columns of its feed. What does not: which provider delivers which feed (its YAML says so) and in
what form (`delivery.py`).

Yearly rates are made up, of the size of national activity per head of the people known to such a provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry_pipeline.synthetic import clinical, identifiers
from registry_pipeline.synthetic.clinical import CONDITIONS, NUMBER
from registry_pipeline.synthetic.population import NONE, YEAR, Population
from registry_pipeline.synthetic.randomness import Floats, Ints, Mask, at_rate, pick

MINUTES = 24 * 60
EVENT_DELETED = 0.001
READY_BEFORE_LEAVING = 0.12
"""Share of long emergency stays in which the person was ready to leave before they could."""

IN_WINTER, MID_JANUARY = 0.08, 14
"""How much more emergency care there is in the middle of winter than on average, and its day number in 1970."""
GROWTH = 0.025
"""How much more of it there is from year to year (about that of England's emergency admissions before 2020)."""
MENTAL_STAY = (1.3, 24.0)
"""Shape and scale (days) of stays on mental health wards: a month on average."""

ADMISSION_METHODS = {"21": 0.62, "22": 0.08, "24": 0.05, "25": 0.01, "2A": 0.08, "2B": 0.03, "2D": 0.13}
PLANNED_METHODS = {"11": 0.55, "12": 0.33, "13": 0.12}
ATTENDED = {"5": 0.86, "6": 0.02, "3": 0.06, "2": 0.04, "4": 0.01, "7": 0.01}
MECHANISM = {"01": 0.66, "02": 0.29, "11": 0.05}
CONTACT_REASONS = (
    {"review": 0.35, "symptoms": 0.35, "medication": 0.15, "wound care": 0.1, "screening": 0.05},
    {"Request": 0.5, "Assessment": 0.3, "Review": 0.2},
)
"""What a contact is about: in health care, and in a council's events."""
CONTACTS = {"GP": (2.6, 0.9), "RX": (1.6, 0.3), "RY": (5.6, 0.3), "RV": (7.6, 0.3), "LA": (0.5, 0.1)}
"""Contacts a year by kind of provider: of anybody whom it knows, and for each long-term condition besides."""
WITHOUT_COORDINATOR = {"GP": 0.35, "other": 0.12}
"""Share of care plans that name no coordinator. Each organisation names one of its own people, so where several have a
plan for somebody they name different ones."""
RELATIONSHIPS = {"spouse": 0.4, "child": 0.32, "parent": 0.16, "sibling": 0.05, "friend": 0.07}
SERVICE_KINDS = {
    ("Long Term Support: Community", "Home Support", "CASSR Managed Personal Budget"): 0.4,
    ("Long Term Support: Community", "Direct Payment", "Direct Payment"): 0.15,
    ("Long Term Support: Community", "Day Support", "CASSR Managed Personal Budget"): 0.08,
    ("Long Term Support: Residential Care", "Residential Care", "CASSR Commissioned Support"): 0.13,
    ("Long Term Support: Nursing Care", "Nursing Care", "CASSR Commissioned Support"): 0.06,
    ("Short Term Support: ST-Max", "Reablement", "CASSR Commissioned Support"): 0.12,
    ("Short Term Support: Ongoing Low Level", "Equipment", "CASSR Commissioned Support"): 0.06,
}
SUPPORT_REASONS = {
    "Physical Support: Personal care support": 0.5,
    "Physical Support: Access and mobility only": 0.14,
    "Support with Memory and Cognition": 0.14,
    "Learning Disability Support": 0.1,
    "Mental Health Support": 0.08,
    "Sensory Support: Support for visual impairment": 0.02,
    "Social Support: Support for Social Isolation/Other": 0.02,
}


@dataclass
class Known:
    """The records of one provider about whose people things happen: one element a record."""

    population: Population
    persons: Ints
    local_id: pa.Array
    provider: str
    today: int

    def __len__(self) -> int:
        return len(self.persons)

    def age(self) -> Floats:
        """Age in years tonight."""
        return self.population.ages(self.persons, self.today)

    def has(self, term: str) -> Mask:
        """Whether the person has a condition."""
        return self.population.has(self.persons, NUMBER[term])

    def emergency_use(self) -> Floats:
        """How many times as often as usual the person needs emergency care."""
        return self.population.emergency_use[self.persons]

    def burden(self) -> Ints:
        """Long-term conditions of the person."""
        bits = self.population.conditions[self.persons]
        return np.asarray(sum((bits >> i) & 1 for i in range(len(CONDITIONS))))

    def slice(self, start: int, stop: int) -> Known:
        """A run of records."""
        return Known(self.population, self.persons[start:stop], self.local_id[start:stop], self.provider, self.today)


@dataclass
class Happenings:
    """Where and when events of one feed happen: `row` points into `Known`; `day` is a day number.

    `condition` is the number of the long-term condition that an event records, where it records one.
    """

    known: Known
    row: Ints
    day: Ints
    rng: np.random.Generator
    condition: Ints

    def __len__(self) -> int:
        return len(self.row)

    def alive(self) -> Happenings:
        """Only what happens between birth and death."""
        people, persons = self.known.population, self.known.persons[self.row]
        dead = people.death_day[persons]
        lives = (self.day >= people.birth_day[persons]) & ((dead == NONE) | (self.day <= dead))
        return Happenings(self.known, self.row[lives], self.day[lives], self.rng, self.condition[lives])

    def ages(self) -> Floats:
        """Ages at the events."""
        return np.asarray((self.day - self.known.population.birth_day[self.known.persons[self.row]]) / YEAR)

    def at(self, minute: Ints) -> pa.Array:
        """Times of the events."""
        return _times(self.day, minute)

    def common(self, prefix: str, first: int) -> dict[str, Any]:
        """The columns that every event has."""
        number = pa.array(first + np.arange(len(self))).cast(pa.string())
        return {
            "event_id": identifiers.joined(prefix, number),
            "local_id": self.known.local_id.take(pa.array(self.row)),
            "deleted": pa.array(at_rate(self.rng, len(self), EVENT_DELETED)),
        }

    def choose(self, weights: dict[str, float]) -> pa.Array:
        """A code for each event."""
        return pa.array(pick(self.rng, len(self), weights))


LATER = "later_"
"""What an event's column will hold once it is over; no provider delivers such a column."""

Details = Callable[[Happenings], dict[str, Any]]


def happen(known: Known, feed: str, window: tuple[int, int], rng: np.random.Generator, first: int) -> pa.Table:
    """The events of a feed in a window of days.

    Args:
        known: the provider's records.
        feed: the feed.
        window: first and last day, both within.
        rng: where they are drawn from.
        first: number of the first event's id.

    Returns:
        One row an event, under the canonical columns that this feed fills.
    """
    rate, details = FEEDS[feed]
    if feed == "condition" and window[1] - window[0] > 300:
        happenings = _history_of_conditions(known, window, rng)
    elif feed in ONCE:
        happenings = _once(known, rate(known), window, rng)
    else:
        draw = _by_season if feed in SEASONAL else _often
        happenings = draw(known, rate(known), window, rng)
    return pa.table({**happenings.common(f"{feed[:2].upper()}", first), **details(happenings)})


def now_over(events: pa.Table, today: int) -> tuple[pa.Table, pa.Table]:
    """Part stays that were not over into those that are by now, told in full, and the rest."""
    later = [name.removeprefix(LATER) for name in events.column_names if name.startswith(LATER)]
    over = pc.less(events[f"{LATER}end_date"], _times(np.array([today + 1]), 0)[0])
    told = events.filter(over)
    for name in later:
        told = told.set_column(told.column_names.index(name), name, told[LATER + name])
    return told, events.filter(pc.invert(over))


def _often(known: Known, yearly: Floats, window: tuple[int, int], rng: np.random.Generator) -> Happenings:
    days = window[1] - window[0] + 1
    counts = rng.poisson(np.maximum(yearly, 0) * days / YEAR)
    row = np.repeat(np.arange(len(known)), counts)
    day = rng.integers(window[0], window[1] + 1, len(row))
    return _alive(known, row, day, rng)


def _by_season(known: Known, yearly: Floats, window: tuple[int, int], rng: np.random.Generator) -> Happenings:
    """As `_often`, but more in winter, and a little more from year to year."""
    days = np.arange(window[0], window[1] + 1)
    winter = 1 + IN_WINTER * np.cos((days - MID_JANUARY) / YEAR * 2 * np.pi)
    weight = winter * np.maximum(1 - GROWTH * (known.today - days) / YEAR, 0.5)
    counts = rng.poisson(np.maximum(yearly, 0) * weight.sum() / YEAR)
    row = np.repeat(np.arange(len(known)), counts)
    share = np.cumsum(weight) / weight.sum()
    day = window[0] + np.minimum(np.searchsorted(share, rng.random(len(row)), side="right"), len(days) - 1)
    return _alive(known, row, day, rng)


def _once(known: Known, share: Floats, window: tuple[int, int], rng: np.random.Generator) -> Happenings:
    """Things that a person has or has not; recorded at some day of the last two years, or only tonight's new ones."""
    days = window[1] - window[0] + 1
    row = np.flatnonzero(at_rate(rng, len(known), np.clip(share, 0, 1) * min(1.0, days / 730)))
    return _alive(known, row, rng.integers(window[0], window[1] + 1, len(row)), rng)


def _history_of_conditions(known: Known, window: tuple[int, int], rng: np.random.Generator) -> Happenings:
    """Every long-term condition once, and a minor illness for some."""
    bits = known.population.conditions[known.persons]
    pairs = [np.flatnonzero((bits >> number) & 1 == 1) for number in range(len(CONDITIONS))]
    minor = np.flatnonzero(at_rate(rng, len(known), 0.4))
    row = np.concatenate([*pairs, minor])
    number = np.repeat([*range(len(CONDITIONS)), NONE], [*map(len, pairs), len(minor)])
    happenings = Happenings(known, row, rng.integers(window[0], window[1] + 1, len(row)), rng, number)
    return happenings.alive()


def _alive(known: Known, row: Ints, day: Ints, rng: np.random.Generator) -> Happenings:
    return Happenings(known, row, day, rng, np.full(len(row), NONE)).alive()


def _times(day: Ints, minute: Ints | int, missing: Mask | None = None) -> pa.Array:
    seconds = (day * MINUTES + minute) * 60
    return pa.array(seconds, mask=missing).cast(pa.timestamp("s"))


def _dates(day: Ints, missing: Mask | None = None) -> pa.Array:
    return pa.array(day.astype(np.int32), mask=missing).cast(pa.date32())


def _by_age(h: Happenings, tables: dict[str, tuple[str, ...]]) -> Any:
    age = h.ages()
    band = np.where(age < 17, 0, np.where(age < 70, 1, 2))
    dice = h.rng.random(len(h))
    codes = [np.array(table) for table in tables.values()]
    chosen = [table[(dice * len(table)).astype(int)] for table in codes]
    return np.choose(band, chosen)


def _condition_of(h: Happenings) -> Ints:
    """One of the person's long-term conditions, or none."""
    bits = h.known.population.conditions[h.known.persons[h.row]]
    turn = h.rng.integers(0, len(CONDITIONS), len(bits))
    found = np.full(len(bits), NONE)
    for step in range(len(CONDITIONS)):
        number = (turn + step) % len(CONDITIONS)
        found = np.where((found == NONE) & ((bits >> number) & 1 == 1), number, found)
    return found


ICD10 = pa.array([c.icd10 for c in CONDITIONS])
SNOMED = pa.array([c.snomed for c in CONDITIONS])
TERMS = pa.array([c.term for c in CONDITIONS])


def _spells(h: Happenings) -> dict[str, Any]:
    rng, size, age = h.rng, len(h), h.ages()
    born = (age < 2 / YEAR) & (age >= 0)
    mind = h.known.provider.startswith("RV")
    emergency = at_rate(rng, size, 0.9 if mind else _emergency_share(age, h.known.emergency_use()[h.row]))
    method = np.where(emergency, pick(rng, size, ADMISSION_METHODS), pick(rng, size, PLANNED_METHODS))
    method = np.where(born, "82", method)
    planned = rng.integers(0, len(clinical.ELECTIVE), size)
    main = np.where(emergency, _by_age(h, clinical.EMERGENCY_REASONS), np.array(clinical.ELECTIVE)[planned, 0])
    main = np.where(born, "Z380", main)
    main = rng.choice(clinical.MENTAL_REASONS, size) if mind else main
    day_case = ~emergency & ~born & at_rate(rng, size, 0.0 if mind else 0.7)
    shape, scale = MENTAL_STAY if mind else (1.1, 2.2 + np.maximum(age, 0) * 0.045)
    stay = np.where(day_case, 0, rng.gamma(shape, scale, size).astype(int))
    end = h.day + stay
    dead = h.known.population.death_day[h.known.persons[h.row]]
    died = (dead != NONE) & (end >= dead)
    end = np.where(died, dead, end)
    still_in = end > h.known.today
    late = emergency & (stay > 3) & at_rate(rng, size, READY_BEFORE_LEAVING + 0.2 * (age > 75))
    ready = np.maximum(end - rng.integers(1, 6, size), h.day)
    other = _condition_of(h)
    second = ICD10.take(np.maximum(other, 0))
    diagnoses = pc.if_else(other != NONE, pc.binary_join_element_wise(pa.array(main), second, ";"), pa.array(main))
    minute = rng.integers(0, MINUTES, size)
    way_out = np.where(died, "4", "1")
    home = np.where(age > 85, rng.choice(["19", "19", "54", "65"], size), "19")
    return {
        "start_date": _times(h.day, minute),
        "end_date": _times(end, np.maximum(minute, 600), still_in),
        "admission_method": pa.array(method),
        "admission_source": pa.array(home),
        "discharge_method": pa.array(way_out, mask=still_in),
        "discharge_destination": pa.array(np.where(died, "79", home), mask=still_in),
        "patient_classification": pa.array(np.where(day_case, "2", "1")),
        "specialty": pa.array(np.full(size, "710") if mind else rng.choice(clinical.SPECIALTIES, size)),
        "diagnoses": diagnoses,
        "procedures": pa.array(np.array(clinical.ELECTIVE)[planned, 1], mask=emergency | born),
        "clinically_ready_date": _dates(ready, ~late),
        "site": pa.array(np.char.add(h.known.provider, rng.choice(["01", "02", "03"], size))),
        f"{LATER}end_date": _times(end, np.maximum(minute, 600)),
        f"{LATER}discharge_method": pa.array(way_out),
        f"{LATER}discharge_destination": pa.array(np.where(died, "79", home)),
    }


def _usual_emergency_share(age: Floats) -> Floats:
    """Share of emergencies among the admissions of people of an age whose use of emergency care is usual."""
    return np.asarray(0.42 + 0.2 * (age > 75) + 0.15 * (age < 5))


def _emergency_share(age: Floats, use: Floats) -> Floats:
    """The same of people who need emergency care `use` times as often as usual."""
    emergencies = _usual_emergency_share(age) * use
    return np.asarray(emergencies / (1 - _usual_emergency_share(age) + emergencies))


def _admissions(known: Known) -> Floats:
    """Admissions a year: on mental health wards by illness; elsewhere emergencies by the person's use besides."""
    if known.provider.startswith("RV"):
        return 0.015 + 0.25 * known.has("Schizophrenia") + 0.03 * known.has("Depressive disorder")
    share = _usual_emergency_share(known.age())
    usual = 0.25 + 0.12 * known.burden() + (known.age() > 75) * 0.2
    return np.asarray(usual * (1 - share + share * known.emergency_use()))


def _attendances(h: Happenings) -> dict[str, Any]:
    rng, size = h.rng, len(h)
    minute = rng.integers(0, MINUTES, size)
    stay = rng.gamma(2.2, 95, size).astype(int) + 10
    return {
        "start_date": h.at(minute),
        "end_date": _times(h.day, minute + stay),
        "department_type": h.choose({"01": 0.68, "02": 0.02, "03": 0.25, "05": 0.05}),
        "arrival_mode": h.choose({"1048031000000100": 0.28, "1047991000000102": 0.7, "1048071000000103": 0.02}),
        "reason": pa.array(rng.choice(clinical.COMPLAINTS, size)),
        "diagnoses": pa.array(_by_age(h, clinical.EMERGENCY_REASONS)),
        "discharge_destination": h.choose({"306689006": 0.7, "306706006": 0.26, "306691003": 0.04}),
        "site": pa.array(np.char.add(h.known.provider, rng.choice(["01", "02"], size))),
    }


def _contacts(h: Happenings) -> dict[str, Any]:
    rng, size = h.rng, len(h)
    return {
        "start_date": h.at(8 * 60 + 5 * rng.integers(0, 120, size)),
        "duration_minutes": pa.array(5 * rng.integers(1, 10, size)).cast(pa.string()),
        "attendance_status": h.choose(ATTENDED),
        "consultation_mechanism": h.choose(MECHANISM),
        "team_type": h.choose({"A01": 0.3, "A02": 0.2, "A06": 0.2, "B02": 0.1, "C02": 0.1, "D03": 0.1}),
        "staff_group": h.choose({"S08": 0.4, "S06": 0.35, "S05": 0.15, "S03": 0.1}),
        "reason": h.choose(CONTACT_REASONS[h.known.provider == "LA1"]),
    }


def _referrals(h: Happenings) -> dict[str, Any]:
    rng, size = h.rng, len(h)
    end = h.day + rng.gamma(1.5, 60, size).astype(int)
    return {
        "start_date": _dates(h.day),
        "end_date": _dates(end, end > h.known.today),
        "referral_source": h.choose({"01": 0.62, "04": 0.12, "03": 0.1, "08": 0.08, "16": 0.08}),
        "team_type": h.choose({"A01": 0.3, "A02": 0.2, "A06": 0.2, "B02": 0.1, "C02": 0.1, "D03": 0.1}),
        "priority": h.choose({"1": 0.82, "2": 0.16, "3": 0.02}),
        "reason": h.choose({"01": 0.3, "02": 0.25, "05": 0.2, "10": 0.15, "18": 0.1}),
    }


def _medications(h: Happenings) -> dict[str, Any]:
    rng, size = h.rng, len(h)
    condition = _condition_of(h)
    all_lists = [list(c.medicines) for c in CONDITIONS]
    acute = list(clinical.ACUTE_MEDICINES)
    flat = [m for medicines in (*all_lists, acute) for m in medicines]
    sizes = np.array([len(m) for m in (*all_lists, acute)])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    which = np.where((condition == NONE) | (sizes[condition] == 0), len(CONDITIONS), condition)
    code = starts[which] + (rng.random(size) * sizes[which]).astype(int)
    repeat = which < len(CONDITIONS)
    end = h.day + np.where(repeat, 182, 7)
    return {
        "start_date": _dates(h.day),
        "end_date": _dates(end, end > h.known.today),
        "code": pa.array([m[0] for m in flat]).take(code),
        "description": pa.array([m[1] for m in flat]).take(code),
        "repeat": pa.array(repeat),
    }


def _conditions(h: Happenings) -> dict[str, Any]:
    """Each of the person's long-term conditions: onset lies years back for most."""
    rng, size = h.rng, len(h)
    number = h.condition
    rows = number != NONE
    born = h.known.population.birth_day[h.known.persons[h.row]]
    onset = np.maximum(h.day - (rng.gamma(1.2, 5.5, size) * YEAR).astype(int), born)
    minor = rng.choice(["J069", "M545", "L309", "H669", "R51X"], size)
    gp = h.known.provider.startswith("GP")
    minor_snomed = {"J069": "54150009", "M545": "279039007", "L309": "43116000", "H669": "65363002", "R51X": "25064002"}
    codes, minors = (SNOMED, np.array([minor_snomed[m] for m in minor_snomed])) if gp else (ICD10, minor)
    if gp:
        minors = minors[rng.integers(0, len(minors), size)]
    end = h.day + rng.integers(7, 60, size)
    return {
        "start_date": _dates(np.where(rows, onset, h.day)),
        "end_date": _dates(end, rows | (end > h.known.today)),
        "code": pc.if_else(rows, codes.take(np.maximum(number, 0)), pa.array(minors)),
        "coding_system": pa.array(np.full(size, "snomed" if gp else "icd10")),
        "description": pc.if_else(rows, TERMS.take(np.maximum(number, 0)), "Minor illness"),
    }


def _care_plans(h: Happenings) -> dict[str, Any]:
    rng, size = h.rng, len(h)
    updated = np.minimum(h.day + rng.integers(0, 400, size), h.known.today)
    ended = at_rate(rng, size, 0.1)
    kinds = {"10": 0.4, "11": 0.3, "12": 0.2, "13": 0.1}
    unnamed = at_rate(rng, size, WITHOUT_COORDINATOR["GP" if _gp(h.known) else "other"])
    coordinator = pa.array(np.char.mod("CP%04d", rng.integers(0, 400, size)), mask=unnamed)
    return {
        "plan_type": h.choose(kinds),
        "start_date": _dates(h.day),
        "updated_date": _dates(updated),
        "review_date": _dates(updated + 182),
        "end_date": _dates(updated, ~ended),
        "coordinator_id": coordinator,
        "agreed": pa.array(at_rate(rng, size, 0.85)),
    }


def _services(h: Happenings) -> dict[str, Any]:
    rng, size = h.rng, len(h)
    kinds = np.array(list(SERVICE_KINDS))
    share = np.cumsum(list(SERVICE_KINDS.values()))
    kind = np.searchsorted(share / share[-1], rng.random(size), side="right")
    short = np.char.startswith(kinds[kind, 0], "Short")
    end = h.day + np.where(short, rng.integers(14, 60, size), rng.integers(60, 3000, size))
    dead = h.known.population.death_day[h.known.persons[h.row]]
    end = np.where(dead != NONE, np.minimum(end, dead), end)
    return {
        "start_date": _dates(h.day),
        "end_date": _dates(end, end > h.known.today),
        "service_type": pa.array(kinds[kind, 0]),
        "service_component": pa.array(kinds[kind, 1]),
        "delivery_mechanism": pa.array(kinds[kind, 2]),
        "primary_support_reason": h.choose(SUPPORT_REASONS),
        "accommodation_status": h.choose({"Tenant": 0.4, "Owner occupier": 0.4, "Registered care home": 0.2}),
    }


def _companion(known: Known) -> Ints:
    """For each record, the record of somebody else in the household beside it in the list; NONE where there is none."""
    size = len(known)
    household = known.population.household[known.persons]
    here = np.arange(size)
    after, before = np.minimum(here + 1, size - 1), np.maximum(here - 1, 0)
    found = np.full(size, NONE)
    for other in (before, after):
        same = (household[other] == household) & (known.persons[other] != known.persons)
        found = np.where(same, other, found)
    return found


def _carers(h: Happenings) -> dict[str, Any]:
    """A carer is known to the provider where another record of the household is."""
    rng, size = h.rng, len(h)
    other = _companion(h.known)[h.row] if size else h.row
    ended = at_rate(rng, size, 0.08)
    today = h.known.today
    return {
        "carer_local_id": h.known.local_id.take(pa.array(other, mask=other == NONE)),
        "relationship": h.choose(RELATIONSHIPS),
        "start_date": _dates(h.day),
        "end_date": _dates(np.minimum(h.day + 300, today), ~ended),
        "assessment_date": _dates(np.minimum(h.day + rng.integers(0, 200, size), today), at_rate(rng, size, 0.3)),
    }


def _gp(known: Known) -> bool:
    return known.provider.startswith("GP")


FEEDS: dict[str, tuple[Callable[[Known], Floats], Details]] = {
    "spell": (_admissions, _spells),
    "attendance": (
        lambda k: (0.4 + 0.08 * k.burden() + (k.age() < 5) * 0.3 + (k.age() > 75) * 0.3) * k.emergency_use(),
        _attendances,
    ),
    "contact": (lambda k: CONTACTS[k.provider[:2]][0] + CONTACTS[k.provider[:2]][1] * k.burden(), _contacts),
    "referral": (lambda k: 0.5 + 0.05 * k.burden(), _referrals),
    "medication": (lambda k: 0.35 + 1.3 * k.burden(), _medications),
    "condition": (lambda k: np.full(len(k), 0.2), _conditions),
    "care_plan": (
        lambda k: 0.02 + 0.12 * k.has("Frailty") + 0.1 * k.has("Type 2 diabetes mellitus") if _gp(k)
        else 0.25 + 0.5 * k.has("Schizophrenia") + 0.3 * k.has("Frailty"), _care_plans,
    ),
    "service": (lambda k: 0.55 + 0.3 * k.has("Frailty"), _services),
    "carer": (
        lambda k: 0.01 + (_companion(k) != NONE)
        * (0.2 + 0.4 * (k.age() > 75) + 0.3 * k.has("Intellectual disability")),
        _carers,
    ),
}  # fmt: skip
"""How often (a year, or as a share of people for what is in `ONCE`), and the details."""

ONCE = ("care_plan", "carer", "service")
SEASONAL = ("spell", "attendance")
