"""What is measured, examined and reviewed: observations of the made-up people, by practice, hospital and trust.

What belongs here: which care process is due to whom, how often it is done, what is measured, and how it is written
down. What does not: codes and usual values (`clinical.OBSERVED`), and all other events (`activity`).

How often processes are done is of the size that the National Diabetes Audit 2015-16 gives for the eight processes; the
other shares are made up. Practices differ, and so do people: whoever misses one process is likelier to miss others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry_pipeline.synthetic import activity, identifiers
from registry_pipeline.synthetic.activity import Known
from registry_pipeline.synthetic.clinical import BREATHLESSNESS, OBSERVED
from registry_pipeline.synthetic.population import NONE, YEAR
from registry_pipeline.synthetic.randomness import Floats, Ints, Mask, at_rate

PRACTICE_CARE = (0.2, -0.1, 0.3, -1.1, 0.1, 0.0, -0.7, 0.4, -0.2, 0.1, 0.2)
"""How well each practice, in turn, keeps up with care processes: added to the log odds that one is done. Two in eleven
are visibly worse. Eleven shares no factor with the number of `recording.SUPPLIERS`: no supplier has them all."""

PEOPLE_DIFFER = 0.8
"""Standard deviation of the same between people."""

BETTER_A_YEAR = 0.08
"""How much better it became from year to year."""

ON_THE_DAY = 0.7
"""Share of the processes of a review that are done on its day; the others on any day of the year."""

WITHOUT_VALUE = 0.015
"""Share of measurements that were coded without their value."""

NO_NUMBER = {"below": 0.004, "comma": 0.001, "text": 0.001}
"""Shares of values that are no number: below what the method measures, with a decimal comma, a remark."""

REMARK = "see letter"
EFI_DEFICITS, SEVERE = 36, 0.36 * 36
"""Deficits that the electronic frailty index counts (Clegg 2016), whose value is the share of them; severe above."""

Who = Callable[[Known], Mask]


@dataclass(frozen=True)
class Group:
    """Whom processes are due to, and the share of these people for whom each is done within a year."""

    who: Who
    shares: Mapping[str, float]


def _is(term: str) -> Who:
    return lambda known: known.has(term)


def _carers_are_known(known: Known) -> Mask:
    return np.asarray(known.has("Dementia") | known.has("Frailty") | known.has("Intellectual disability"))


def _high_need(known: Known) -> Mask:
    """People whom a case conference would choose: many conditions and frail, or in hospital again and again."""
    often = known.population.emergency_use[known.persons] > 2.5
    return np.asarray((known.burden() >= 6) | ((known.burden() >= 4) & often))


def _near_the_end(known: Known) -> Mask:
    old = (known.age() > 85) & (known.burden() >= 6)
    return np.asarray(old | (known.has("Malignant neoplastic disease") & (known.burden() >= 5)))


DIABETES = {
    "hba1c": 0.95, "blood_pressure": 0.96, "cholesterol": 0.93, "creatinine": 0.95, "urine_acr": 0.67,
    "foot_examination": 0.87, "bmi": 0.82, "smoking_status": 0.85, "retinal_screening": 0.78,
}  # fmt: skip
"""National Diabetes Audit 2015-16, England, type 2; smoking and retinal screening: made up."""

AT_THE_PRACTICE = (
    Group(_is("Type 2 diabetes mellitus"), DIABETES),
    Group(
        _is("Chronic obstructive pulmonary disease"),
        {"copd_review": 0.74, "mrc_breathlessness": 0.73, "spirometry": 0.5, "inhaler_check": 0.7},
    ),
    Group(_is("Heart failure"), {"heart_failure_review": 0.68, "creatinine": 0.8}),
    Group(_is("Frailty"), {"frailty_review": 0.5, "medication_review": 0.65}),
    Group(_is("Schizophrenia"), {"smi_health_check": 0.55, "cholesterol": 0.5, "hba1c": 0.5}),
    Group(lambda known: known.burden() >= 3, {"medication_review": 0.45}),
    Group(_is("Essential hypertension"), {"blood_pressure": 0.72}),
    Group(lambda known: known.age() >= 18, {"blood_pressure": 0.2, "smoking_status": 0.22, "bmi": 0.16}),
    Group(lambda known: known.age() >= 65, {"electronic_frailty_index": 0.93}),
    Group(_carers_are_known, {"carers_assessment": 0.2, "emergency_contact": 0.3}),
    Group(lambda known: (known.age() >= 65) & (_deficits(known) > SEVERE), {"severe_frailty": 0.5}),
    Group(_near_the_end, {"palliative_care": 0.25}),
)
IN_HOSPITAL = (
    Group(_is("Type 2 diabetes mellitus"), {"hba1c": 0.3}),
    Group(lambda known: known.burden() >= 2, {"creatinine": 0.4, "cholesterol": 0.12}),
)
"""What the hospital's laboratory tells: small beside what it does, for most of its requests come from practices."""
IN_THE_COMMUNITY = (
    Group(_is("Type 2 diabetes mellitus"), {"foot_examination": 0.25}),
    Group(_is("Frailty"), {"frailty_review": 0.2}),
    Group(_carers_are_known, {"carers_assessment": 0.12}),
)
OF_THE_MIND = (
    Group(_is("Schizophrenia"), {"smi_health_check": 0.5, "bmi": 0.5, "blood_pressure": 0.5, "smoking_status": 0.5}),
    Group(_is("Dementia"), {"carers_assessment": 0.2}),
)
GROUPS = {"GP": AT_THE_PRACTICE, "RX": IN_HOSPITAL, "RY": IN_THE_COMMUNITY, "RV": OF_THE_MIND}
"""What each kind of provider does; of a person in several groups each counts."""

CONFERENCES = {"GP": 0.1, "RY": 0.04, "RV": 0.03}
"""Chance that one of a provider's people of high need is discussed at a month's case conference."""


def happen(known: Known, window: tuple[int, int], rng: np.random.Generator, first: int) -> pa.Table:
    """The observations of a provider in a window of days.

    Args:
        known: the provider's records.
        window: first and last day, both within.
        rng: where they are drawn from.
        first: number of the first event's id.

    Returns:
        One row an observation, under the canonical columns of its feed.
    """
    names, row, day = _drawn(known, window, rng)
    happened = activity.Happenings(known, row, day, rng, names).alive()
    what = happened.condition
    listed = list(OBSERVED.values())
    coded = [*((o.code, o.term) for o in listed), *BREATHLESSNESS]
    is_grade = what == list(OBSERVED).index("mrc_breathlessness")
    grade = np.clip(np.round(2.6 + _normal(known.persons[happened.row], 40)), 1, len(BREATHLESSNESS)).astype(np.int64)
    code = np.where(is_grade, len(listed) + grade - 1, what)
    value = _values(known, what, happened.row, happened.ages(), rng)
    return pa.table({
        **happened.common("OB", first),
        "start_date": pa.array(happened.day.astype(np.int32)).cast(pa.date32()),
        "code": pa.array([c for c, _ in coded]).take(pa.array(code)),
        "coding_system": pa.array(np.full(len(what), "snomed")),
        "description": pa.array([term for _, term in coded]).take(pa.array(code)),
        "value": value,
        "unit": pa.array([o.unit for o in listed], pa.string()).take(pa.array(what)),
    })  # fmt: skip


def _drawn(known: Known, window: tuple[int, int], rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """What was done (its place in OBSERVED), for which record, on which day."""
    place = {name: number for number, name in enumerate(OBSERVED)}
    kind = known.provider[:2]
    inclined = _inclined(known)
    found: list[tuple[Ints, Ints, Ints]] = []
    for group in GROUPS[kind]:
        due = np.flatnonzero(group.who(known))
        for begin, end in _years(window):
            days = end - begin + 1
            later = inclined[due] - BETTER_A_YEAR * (window[1] - end) / YEAR
            review = rng.integers(begin, end + 1, len(due))
            for name, share in group.shares.items():
                odds = np.log(share / (1 - share)) + later
                done = at_rate(rng, len(due), days / YEAR / (1 + np.exp(-odds)))
                row = due[done]
                on_the_day = at_rate(rng, len(row), ON_THE_DAY)
                day = np.where(on_the_day, review[done], rng.integers(begin, end + 1, len(row)))
                found.append((np.full(len(row), place[name]), row, day))
    if kind in CONFERENCES:
        row, day = _conferences(known, window, inclined, rng)
        found.append((np.full(len(row), place["case_conference"]), row, day))
    parts = list(zip(*found, strict=True))
    what, row, day = (np.concatenate(part) for part in parts)
    return what, row, day


def _inclined(known: Known) -> Floats:
    """What practice and person add to the log odds that a process is done."""
    practice = known.population.practice[known.persons]
    of_practice = np.where(practice == NONE, -1.0, np.array(PRACTICE_CARE)[practice % len(PRACTICE_CARE)])
    return np.asarray(of_practice + PEOPLE_DIFFER * _normal(known.persons, 1))


def _years(window: tuple[int, int]) -> list[tuple[int, int]]:
    """The window in years, from its end."""
    found, end = [], window[1]
    while end >= window[0]:
        found.append((max(window[0], end - 364), end))
        end -= 365
    return found


def _conferences(
    known: Known, window: tuple[int, int], inclined: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """People of high need, discussed month by month; where care is worse fewer meetings are held."""
    people = np.flatnonzero(_high_need(known))
    months = (window[1] - window[0] + 1) * 12 / YEAR
    chance = CONFERENCES[known.provider[:2]] * np.exp(np.clip(inclined[people], -2, 0.5))
    times = rng.poisson(chance * months)
    row = np.repeat(people, times)
    return row, rng.integers(window[0], window[1] + 1, len(row))


def _values(known: Known, what: Ints, row: Ints, age: Floats, rng: np.random.Generator) -> pa.Array:
    """What was measured, as the system writes it; null where nothing is measured, or it was not written down."""
    size = len(what)
    pieces: list[pa.Array] = []
    places: list[Ints] = []
    for number, (name, observed) in enumerate(OBSERVED.items()):
        these = np.flatnonzero(what == number)
        places.append(these)
        if observed.unit is None:
            pieces.append(pa.nulls(len(these), pa.string()))
            continue
        value = np.clip(_measured(known, name, row[these], age[these], rng), observed.low, observed.high)
        pieces.append(_written(value, observed.decimals))
    order = np.empty(size, np.int64)
    order[np.concatenate(places)] = np.arange(size)
    values = pa.concat_arrays(pieces).take(pa.array(order))
    told = ~at_rate(rng, size, WITHOUT_VALUE)
    dice = rng.random(size)
    below, comma, text = np.cumsum(list(NO_NUMBER.values()))
    values = pc.if_else(pa.array(told), values, None)
    values = pc.if_else(pa.array(dice < below), pc.binary_join_element_wise("<", values, ""), values)
    values = pc.if_else(pa.array((dice >= below) & (dice < comma)), pc.replace_substring(values, ".", ","), values)
    remark = pc.if_else(values.is_valid(), REMARK, None)
    return pc.if_else(pa.array((dice >= comma) & (dice < text)), remark, values)


def _deficits(known: Known) -> Floats:
    """How many of the deficits of the electronic frailty index each person has."""
    older = 0.1 * np.maximum(known.age() - 70, 0)
    deficits = 1.6 + known.burden() + 5 * known.has("Frailty") + older + 1.5 * _normal(known.persons, 7)
    return np.asarray(np.round(np.maximum(deficits, 0)))


def _written(value: Floats, decimals: int) -> pa.Array:
    """Figures as text with so many decimals."""
    whole = np.round(value * 10**decimals).astype(np.int64)
    if not decimals:
        return pa.array(whole).cast(pa.string())
    before = pa.array(whole // 10**decimals).cast(pa.string())
    return identifiers.joined(before, ".", identifiers.padded(whole % 10**decimals, decimals))


def _measured(known: Known, name: str, row: Ints, age: Floats, rng: np.random.Generator) -> Floats:
    """Values of one measurement: mostly the person's own, a little the day's."""
    observed, persons = OBSERVED[name], known.persons[row]

    def has(term: str) -> Mask:
        return known.has(term)[row]

    if name == "electronic_frailty_index":
        return _deficits(known)[row] / EFI_DEFICITS
    salt = list(OBSERVED).index(name) + 2
    shift: Floats = np.zeros(len(row))
    if name == "hba1c":
        shift = has("Type 2 diabetes mellitus") * (17.0 + 11 * np.maximum(_normal(persons, 30), -0.9))
    elif name == "blood_pressure":
        shift = np.where(age < 40, -8.0, 0.0) + 7 * has("Essential hypertension")
    elif name == "creatinine":
        shift = 55.0 * has("Chronic kidney disease") * (1 + 0.5 * np.maximum(_normal(persons, 31), -0.8))
    elif name == "urine_acr":
        shift = 8.0 * has("Chronic kidney disease")
    elif name == "bmi":
        shift = 3.5 * has("Type 2 diabetes mellitus") - np.where(age > 85, 2.0, 0.0)
    own = 0.85 * _normal(persons, salt) + 0.5 * rng.standard_normal(len(row))
    return np.asarray(observed.centre + shift + observed.spread * own)


def _normal(persons: Ints, salt: int) -> Floats:
    """A figure of each person that stays the same, spread like a standard normal one."""
    total = np.zeros(len(persons))
    for step in range(3):
        mixed = (persons.astype(np.uint64) + np.uint64(1 + 7919 * salt + 104_729 * step)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed ^= mixed >> np.uint64(31)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        total += (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return np.asarray((total - 1.5) * 2)
