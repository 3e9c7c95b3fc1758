"""Who is seen by which provider, and what a provider's system makes of a person: the errors that systems make.

What belongs here: coverage, habits and error rates as named constants with their reason, and writing a person down
with them. What does not: the truth (`population.py`), and how a record is delivered (`delivery.py`).

Rates follow the published studies that the project's notes list (nhs-facts 3.4) in order of size: identifiers are in
error or missing in 0.11% of records for sex and birth date and in 53% for postcode at one year's distance (Harron
2017); one record in 100 to 20 cannot be traced (HES 2021/22 1.23%, MPS guide 4.7%); NHS numbers are missed more often
for minority ethnic groups, deprived areas and people of no fixed abode (Hagger-Johnson 2015 and 2017, Libuy 2021).

A rate is that of a White British or Irish adult in a less deprived area, at a provider whose `worse` is 1; over the
whole population the rates come out about 1.35 times as high.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry_pipeline.synthetic import clinical, identifiers
from registry_pipeline.synthetic.names import fold, pools
from registry_pipeline.synthetic.population import NONE, Places, Population
from registry_pipeline.synthetic.randomness import Floats, Ints, Mask, at_rate

# How much worse some people are recorded (Hagger-Johnson 2015, 2017: two to three times for the groups at the edge).
HARDER_MINORITY = 0.7
HARDER_DEPRIVED = 0.4
HARDER_INFANT = 0.6
DEPRIVED_DECILES = 2

# NHS number, shares of records that have one.
MISTYPED_NUMBER = 0.003
MISTYPED_BUT_VALID = 0.0003
SWAPPED_DIGITS = 0.001
SOMEBODY_ELSES = 0.0008
OF_THE_HOUSEHOLD = 0.7
STILL_SUPERSEDED = 0.45
NUMBER_WITH_SPACES = 0.004
# Names.
NICKNAME = 0.03
INITIAL_ONLY = 0.006
SWAPPED_NAMES = 0.003
MISTYPED_GIVEN = 0.006
MISTYPED_FAMILY = 0.006
PREFIX_WRITTEN_OTHERWISE = 0.35
DOUBLE_WRITTEN_OTHERWISE = 0.3
STILL_PREVIOUS_FAMILY = 0.12
MIDDLE_NAME_RECORDED = 0.6
ALIAS_NOTED = 0.002
UNNAMED_INFANT = 0.85
UNNAMED_DAYS = 42
# Birth date and sex (Harron 2017: 0.11% each in linked hospital records; more in councils' systems).
PLACEHOLDER_BIRTH = 0.0008
SWAPPED_DAY_MONTH = 0.0008
BIRTH_ONE_DIGIT = 0.0012
WRONG_SEX, UNKNOWN_SEX = 0.0006, 0.003
PLACEHOLDERS = ("1900-01-01", "1900-01-01", "1901-01-01", "1970-01-01", "1899-12-30")
# Address.
PREVIOUS_ADDRESS = 0.12
PSEUDO_POSTCODE = 0.004
MISSING_POSTCODE = 0.006
MISTYPED_POSTCODE = 0.003
PSEUDO_POSTCODES = ("ZZ99 3VZ", "ZZ99 3VZ", "ZZ99 3WZ", "ZZ99 3CZ", "ZZ99 6CZ")
ETHNICITY_NOT_STATED, ETHNICITY_OTHERWISE = 0.08, 0.04
# Records that are no person's, or no longer.
TEST_PATIENTS = 0.0004
DELETED = 0.002
# Blemishes that row rules find.
UNREADABLE_DATE = 0.0004
FUTURE_BIRTH = 0.0002
DEATH_BEFORE_BIRTH = 0.0002
MISSING_LOCAL_ID = 0.0001
REPEATED_ROW = 0.0003
TEXT_IN_CODE = 0.0003
BLEMISHES = {
    "unreadable_date": UNREADABLE_DATE,
    "text_in_code": TEXT_IN_CODE,
    "missing_local_id": MISSING_LOCAL_ID,
    "repeated_row": REPEATED_ROW,
}
"""Shares of delivered patient rows that get each of these."""

UNREADABLE = ("not known", "31.02.1985", "00/00/0000", "c. 1960", "??")


@dataclass(frozen=True)
class Habits:
    """How one provider's system and staff write people down.

    Attributes:
        local_ids: form of the local ids.
        missing_number: share of its records without an NHS number; `worse` is no factor on it.
        verified: share of its numbers that were traced.
        worse: factor on every error rate.
        duplicates: share of its people who have a second local id.
        diacritics: kept, kept as far as Windows-1252 has them, or lost.
        upper: names and addresses in capitals.
        keeps_merged, keeps_deleted: whether merged and deleted records stay in the extract, marked.
        contact: share of the people's phone numbers and e-mail addresses that it holds.
        postcode: as written: one blank, padded to eight, or without a blank.
    """

    local_ids: Literal["row", "guid", "hospital", "number", "client"]
    missing_number: float
    verified: float
    worse: float = 1.0
    duplicates: float = 0.0
    diacritics: Literal["kept", "cp1252", "lost"] = "kept"
    upper: bool = False
    keeps_merged: bool = False
    keeps_deleted: bool = True
    contact: float = 0.7
    postcode: Literal["blank", "padded", "joined"] = "blank"


HABITS: dict[str, Habits] = {
    "GP1": Habits("row", 0.004, 0.99, worse=0.5, duplicates=0.002, diacritics="cp1252", contact=0.95),
    "GP2": Habits("guid", 0.004, 0.99, worse=0.5, duplicates=0.002, contact=0.95),
    "GP3": Habits("guid", 0.006, 0.985, worse=0.6, duplicates=0.002, contact=0.95),
    "RX1": Habits(
        "hospital", 0.045, 0.94, worse=1.4, duplicates=0.03, diacritics="lost", upper=True, keeps_merged=True,
        postcode="padded",
    ),
    "RX2": Habits("number", 0.04, 0.95, worse=1.2, duplicates=0.025, keeps_merged=True),
    "RY1": Habits("client", 0.03, 0.93, worse=1.1, duplicates=0.01, postcode="joined"),
    "RY2": Habits("client", 0.035, 0.92, worse=1.2, duplicates=0.01, diacritics="lost"),
    "RV1": Habits("client", 0.055, 0.9, worse=1.5, duplicates=0.015, keeps_merged=True),
    "LA1": Habits("client", 0.22, 0.7, worse=2.0, duplicates=0.02, diacritics="lost", contact=0.5),
}  # fmt: skip

CARER_ASSESSED = 0.3
"""Share of people living with somebody whom the council supports, who are on its books as the carer."""

SUPPLIERS = ("GP1", "GP2", "GP1", "GP3", "GP2", "GP1", "GP2", "GP3")
"""GP system of each practice, in turn."""


def seen_by(rng: np.random.Generator, provider: str, population: Population, places: Places, today: int) -> Mask:
    """Who is known to a provider: by practice, by hospital catchment, by age and by conditions."""
    everybody = np.arange(len(population))
    age = population.ages(everybody, today)
    if provider.startswith("GP"):
        supplier = np.array(SUPPLIERS)[population.practice % len(SUPPLIERS)]
        left = at_rate(rng, len(population), 0.012)
        return np.asarray(((supplier == provider) & (population.practice != NONE)) | (left & (supplier != provider)))
    ill = sum(population.has(everybody, bit) for bit in range(len(clinical.CONDITIONS)))
    need = np.clip(0.44 + 0.06 * np.asarray(ill) + np.maximum(age - 60, 0) * 0.004 + (age < 2) * 0.3, 0, 0.95)
    west = places.is_west(population.address)
    mind = population.has(everybody, clinical.NUMBER["Schizophrenia"]) * 0.75
    mind = mind + population.has(everybody, clinical.NUMBER["Depressive disorder"]) * 0.16
    mind = mind + population.has(everybody, clinical.NUMBER["Dementia"]) * 0.3 + 0.03
    frail = population.has(everybody, clinical.NUMBER["Frailty"])
    support = frail * 0.2 + population.has(everybody, clinical.NUMBER["Intellectual disability"]) * 0.55
    support = support + population.has(everybody, clinical.NUMBER["Dementia"]) * 0.3 + (age > 80) * 0.12 + 0.014
    community = np.clip(0.055 + 0.04 * np.asarray(ill) + frail * 0.25 + (age < 5) * 0.35, 0, 0.9)
    chance = {
        "RX1": np.where(west, need * 0.97, need * 0.13),
        "RX2": np.where(west, need * 0.11, need * 0.97),
        "RY1": np.where(west, community, community * 0.03),
        "RY2": np.where(west, community * 0.03, community),
        "RV1": np.where(age > 8, mind, 0.0),
        "LA1": np.where(age >= 18, support, 0.0),
    }[provider]
    known = at_rate(rng, len(population), np.clip(chance, 0, 0.97))
    if provider == "LA1":
        beside = np.minimum(everybody + 1, len(everybody) - 1)
        cared_for = known[beside] & (population.household[beside] == population.household) & (age > 16)
        known |= cared_for & at_rate(rng, len(population), CARER_ASSESSED)
    return known


def record(
    population: Population,
    places: Places,
    provider: str,
    persons: Ints,
    local_id: pa.Array,
    rng: np.random.Generator,
    today: int,
    *,
    care: float = 1.0,
) -> pa.Table:
    """Write people down as a provider does, under the canonical columns of the patient feed.

    Args:
        population: the truth.
        places: where people live.
        provider: its code.
        persons: one person a record; a person may come twice.
        local_id: the records' local ids.
        rng: where the errors are drawn from.
        today: day number of the night.
        care: factor on the error rates; below 1 when a record is corrected.
    """
    habits = HABITS[provider]
    harder = _harder(population, places, persons, today) * habits.worse * care
    desk = _Desk(population, places, persons, habits, rng, today, harder)
    number, status = desk.nhs_number()
    given, middle, family, previous = desk.names()
    address, postcode = desk.address()
    phone, email = desk.contact()
    born, died = desk.birth_and_death()
    gone = at_rate(rng, len(persons), DELETED) if habits.keeps_deleted else np.zeros(len(persons), bool)
    practice = population.practice[persons]
    return pa.table({
        "local_id": local_id,
        "nhs_number": number,
        "nhs_number_status": status,
        "title": desk.title(),
        "given_name": given,
        "middle_names": middle,
        "family_name": family,
        "previous_family_name": previous,
        "birth_date": born,
        "death_date": died,
        "sex": desk.sex(),
        "ethnicity": desk.ethnicity(),
        "address": address,
        "postcode": postcode,
        "phone": phone,
        "email": email,
        "gp_practice": pc.if_else(practice != NONE, pa.array(places.practices).take(np.maximum(practice, 0)), "V81997"),
        "sensitive": pa.array(population.sensitive[persons] == 1),
        "test_patient": pa.array(np.zeros(len(persons), bool)),
        "deleted": pa.array(gone),
        "merged_into": pa.nulls(len(persons), pa.string()),
    })  # fmt: skip


def test_patients(like: pa.Table, local_id: pa.Array, rng: np.random.Generator) -> pa.Table:
    """Test patients of a system: rows with the marks that such records have, and nobody behind them."""
    size = len(local_id)
    number = rng.integers(1, 99, size).astype(str)
    made = {name: pa.nulls(size, like.schema.field(name).type) for name in like.column_names}
    made["local_id"] = local_id
    made["given_name"] = pa.array(rng.choice(["ZZZTEST", "Test", "XXTESTPATIENT", "Donotuse"], size))
    made["family_name"] = identifiers.joined("ZZTEST", pa.array(number))
    made["birth_date"] = _days(rng.integers(-9000, 15000, size), np.ones(size, bool))
    made["sex"] = pa.array(rng.choice(["M", "F"], size))
    made["nhs_number_status"] = pa.array(np.full(size, "07"))
    made["test_patient"] = pa.array(np.ones(size, bool))
    made["deleted"] = made["sensitive"] = pa.array(np.zeros(size, bool))
    return pa.table(made, schema=like.schema)


def local_ids(provider: str, first: int, size: int, rng: np.random.Generator) -> pa.Array:
    """New local ids of a provider; `first` is how many it has given out before."""
    form = HABITS[provider].local_ids
    if form == "guid":
        return identifiers.guids(rng, size)
    numbers = first + rng.permutation(size)
    if form == "row":
        return pa.array(4_000_000 + numbers).cast(pa.string())
    if form == "hospital":
        return identifiers.joined("H", identifiers.padded(numbers + 1_000_000, 7))
    if form == "number":
        return pa.array(70_000_000 + numbers * 3).cast(pa.string())
    return identifiers.joined(f"{provider[0]}{provider[-1]}-", identifiers.padded(numbers, 7))


def _harder(population: Population, places: Places, persons: Ints, today: int) -> Floats:
    minority = ~np.isin(population.ethnicity[persons], [ord("A"), ord("B")])
    deprived = places.decile(population.address[persons]) <= DEPRIVED_DECILES
    infant = population.ages(persons, today) < 1
    return np.asarray(1 + HARDER_MINORITY * minority + HARDER_DEPRIVED * deprived + HARDER_INFANT * infant)


def put(column: Any, mask: Mask, values: Any) -> pa.Array:
    """The column with `values` (one each, or one for all) where the mask is true."""
    if not mask.any():
        return column
    return pc.replace_with_mask(column, pa.array(mask), values)


def edit(column: Any, mask: Mask, change: Callable[[str, int], str], rng: np.random.Generator) -> pa.Array:
    """The column with single texts changed where the mask is true; only those few rows become Python objects."""
    rows = np.flatnonzero(mask)
    if not len(rows):
        return column
    dice = rng.integers(0, 1 << 30, len(rows))
    texts = column.take(pa.array(rows)).to_pylist()
    values = [None if t is None else change(t, int(d)) for t, d in zip(texts, dice, strict=True)]
    return put(column, mask, pa.array(values, pa.string()))


def mistype(text: str, dice: int) -> str:
    """One slip of the keyboard: a letter changed, left out, doubled, or two swapped."""
    if len(text) < 3:
        return text
    place = 1 + (dice >> 3) % (len(text) - 2)
    before, letter, after = text[:place], text[place], text[place + 1 :]
    slip = dice % 4
    if slip == 0:
        near = "qwertyuiopasdfghjklzxcvbnm"
        other = near[(near.find(letter.lower()) + 1) % 26]
        return before + (other.upper() if letter.isupper() else other) + after
    return (before + after, before + letter + letter + after, before + after[0] + letter + after[1:])[slip - 1]


def change_digit(text: str, dice: int) -> str:
    """One digit of a number read wrongly."""
    place = (dice >> 4) % len(text)
    if not text[place].isdigit() or place == 0:
        place = len(text) - 1
    other = (int(text[place]) + 1 + dice % 8) % 10 if text[place].isdigit() else 0
    return f"{text[:place]}{other}{text[place + 1 :]}"


def swap_digits(text: str, dice: int) -> str:
    """Two neighbouring digits that differ, swapped."""
    places = [i for i in range(1, len(text) - 1) if text[i] != text[i + 1]] or [1]
    i = places[dice % len(places)]
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def valid_slip(text: str, dice: int) -> str:
    """Digits changed so that Modulus 11 still holds: two of them, as when a number is read out."""
    for extra in range(1, 10):
        body = int(text[:9])
        place = 10 ** ((dice >> 5) % 6)
        digit = body // place % 10
        other = body + ((digit + extra + dice) % 10 - digit) * place
        check = int(identifiers.check_digits(np.array([other]))[0])
        if check != 10 and other != body:
            return f"{other}{check}"
    return text


def write_prefix_otherwise(text: str, dice: int) -> str:
    """Mc, Mac and O' names as another desk spells them."""
    for prefix, others in (("Mc", ("Mac", "Mc ", "M'")), ("Mac", ("Mc", "Mac ")), ("O'", ("O ", "O", "O'"))):
        if text.startswith(prefix) and len(text) > len(prefix) + 2 and text[len(prefix)].isupper():
            return others[dice % len(others)] + text[len(prefix) :]
    return text


def write_double_otherwise(text: str, dice: int) -> str:
    """A double name with the other joiner, joined, or only one half of it."""
    first, _, second = text.replace("-", " ", 1).partition(" ")
    forms = (f"{first} {second}", f"{first}-{second}", first, second, f"{first}{second.lower()}", f"{second}-{first}")
    return forms[dice % len(forms)]


def _days(days: Ints, filled: Mask) -> pa.Array:
    return pa.array(days.astype(np.int32), mask=~filled).cast(pa.date32())


@cache
def _written(diacritics: str) -> pa.Array:
    """Every name of the pools as a system holds it."""
    pool = pools()
    return pa.array({"kept": pool.texts, "cp1252": pool.cp1252, "lost": pool.folded}[diacritics], pa.string())


@dataclass
class _Desk:
    """A registration desk with the people in front of it: one method a group of fields."""

    population: Population
    places: Places
    persons: Ints
    habits: Habits
    rng: np.random.Generator
    today: int
    harder: Floats

    def _at(self, rate: float) -> Mask:
        return at_rate(self.rng, len(self.persons), np.minimum(rate * self.harder, 0.95))

    def _infant(self) -> Mask:
        days = self.today - self.population.birth_day[self.persons]
        return np.asarray((days >= 0) & (days < UNNAMED_DAYS))

    def nhs_number(self) -> tuple[pa.Array, pa.Array]:
        """The number and its status code."""
        people, persons, size = self.population, self.persons, len(self.persons)
        held = people.nhs_number[persons].copy()
        old = people.old_nhs_number[persons]
        held = np.where((old != NONE) & self._at(STILL_SUPERSEDED), old, held)
        other = self._at(SOMEBODY_ELSES) & (held != NONE)
        near = np.clip(persons + 1, 0, len(people) - 1)
        near = np.where(people.household[near] == people.household[persons], near, np.maximum(persons - 1, 0))
        far = self.rng.integers(0, len(people), size)
        whose = np.where(
            at_rate(self.rng, size, OF_THE_HOUSEHOLD) & (people.household[near] == people.household[persons]), near, far
        )
        held = np.where(other & (people.nhs_number[whose] != NONE), people.nhs_number[whose], held)
        missing = (held == NONE) | self._at(self.habits.missing_number / self.habits.worse)
        missing |= self._infant() & at_rate(self.rng, size, 0.3)
        number = pa.array(held, mask=missing).cast(pa.string())
        there = ~missing
        number = edit(number, there & self._at(MISTYPED_NUMBER), change_digit, self.rng)
        number = edit(number, there & self._at(SWAPPED_DIGITS), swap_digits, self.rng)
        number = edit(number, there & self._at(MISTYPED_BUT_VALID), valid_slip, self.rng)
        spaced = there & self._at(NUMBER_WITH_SPACES)
        number = edit(number, spaced, lambda t, _: f"{t[:3]} {t[3:6]} {t[6:]}", self.rng)
        verified = at_rate(self.rng, size, self.habits.verified)
        without = np.array(["03", "04", "07"])[self.rng.integers(0, 3, size)]
        without = np.where(self._infant(), "08", without)
        return number, pa.array(np.where(missing, without, np.where(verified, "01", "02")))

    def names(self) -> tuple[pa.Array, pa.Array, pa.Array, pa.Array]:
        """Given, middle, family and previous family names."""
        people, persons, rng = self.population, self.persons, self.rng
        pool, text = pools(), _written(self.habits.diacritics)
        code = people.given[persons].copy()
        everyday = pool.everyday[0][code], pool.everyday[1][code]
        short = self._at(NICKNAME) & (everyday[0] >= 0)
        which = np.where(rng.random(len(code)) < 0.6, everyday[0], everyday[1])
        given = text.take(np.where(short, which, code))
        given = edit(given, self._at(MISTYPED_GIVEN), mistype, rng)
        given = edit(given, self._at(INITIAL_ONLY), lambda t, _: t[0], rng)
        noted = self._at(ALIAS_NOTED) & (everyday[0] >= 0) & ~short
        given = put(given, noted, identifiers.joined(
            given.filter(pa.array(noted)), " (known as ", text.take(everyday[0][noted]), ")"))  # fmt: skip
        family, second = text.take(people.family[persons]), people.family_second[persons]
        double = second != NONE
        joiner = pa.array(np.where(people.hyphen[persons] == 1, "-", " "))
        family = pc.if_else(double, identifiers.joined(family, joiner, text.take(np.maximum(second, 0))), family)
        family = edit(family, double & self._at(DOUBLE_WRITTEN_OTHERWISE), write_double_otherwise, rng)
        prefixed = pc.match_substring_regex(family, "^(Mc|Mac|O')").to_numpy(zero_copy_only=False)
        family = edit(family, prefixed & self._at(PREFIX_WRITTEN_OTHERWISE), write_prefix_otherwise, rng)
        earlier = people.previous_family[persons]
        still = (earlier != NONE) & self._at(STILL_PREVIOUS_FAMILY)
        family = put(family, still, text.take(earlier[still]))
        family = edit(family, self._at(MISTYPED_FAMILY), mistype, rng)
        told = (earlier != NONE) & ~still & at_rate(rng, len(code), 0.5)
        previous = pc.if_else(told, text.take(np.maximum(earlier, 0)), None)
        middle_code = people.middle[persons]
        has_middle = (middle_code != NONE) & at_rate(rng, len(code), MIDDLE_NAME_RECORDED)
        middle = pc.if_else(has_middle, text.take(np.maximum(middle_code, 0)), None)
        swapped = self._at(SWAPPED_NAMES)
        given, family = pc.if_else(swapped, family, given), pc.if_else(swapped, given, family)
        given, middle, family = self._unnamed(given, middle, family, text)
        if self.habits.upper:
            given, middle, family, previous = (pc.utf8_upper(t) for t in (given, middle, family, previous))
        return given, middle, family, previous

    def _unnamed(self, given: Any, middle: Any, family: Any, text: pa.Array) -> tuple[Any, Any, Any]:
        """Infants whom nobody has named yet: Baby, Baby of, Twin 1, under the mother's family name."""
        people, persons = self.population, self.persons
        infant = self._infant() & at_rate(self.rng, len(persons), UNNAMED_INFANT)
        rows = np.flatnonzero(infant)
        if not len(rows):
            return given, middle, family
        babies = persons[rows]
        mother, twin = people.mother[babies], people.twin[babies]
        forms = []
        for baby, mum, mate, dice in zip(babies, mother, twin, self.rng.integers(0, 4, len(rows)), strict=True):
            boy = people.sex[baby] == 1
            if mate != NONE:
                forms.append(f"Twin {1 if baby < mate else 2}")
            elif dice == 0 and mum != NONE:
                forms.append(f"Baby of {fold(pools().texts[people.given[mum]])}")
            else:
                forms.append(("Baby", "Baby", f"Baby {'Boy' if boy else 'Girl'}", "Infant")[dice])
        given = put(given, infant, pa.array(forms, pa.string()))
        middle = pc.if_else(infant, None, middle)
        bearer = np.where(mother != NONE, mother, babies)
        return given, middle, put(family, infant, text.take(people.family[bearer]))

    def title(self) -> pa.Array:
        """A title that fits sex and age; a third have none."""
        man = self.population.sex[self.persons] == 1
        age = self.population.ages(self.persons, self.today)
        dice = self.rng.random(len(self.persons))
        woman = np.select([dice < 0.45, dice < 0.75, dice < 0.98], ["Mrs", "Miss", "Ms"], "Dr")
        title = np.where(man, np.where(age < 16, "Master", np.where(dice < 0.97, "Mr", "Dr")), woman)
        title = np.where(~man & (age < 18), "Miss", title)
        return pa.array(title, mask=self.rng.random(len(dice)) < 0.33)

    def birth_and_death(self) -> tuple[pa.Array, pa.Array]:
        """Both dates, with placeholders, swapped day and month, digits read wrongly, and what cannot be."""
        born = self.population.birth_day[self.persons].astype("datetime64[D]")
        month = born.astype("datetime64[M]")
        day_of_month = (born - month.astype("datetime64[D]")).astype(np.int64)
        year = month.astype("datetime64[Y]")
        month_of_year = (month - year.astype("datetime64[M]")).astype(np.int64)
        swapped = self._at(SWAPPED_DAY_MONTH) & (day_of_month < 12)
        other = (year.astype("datetime64[M]") + day_of_month).astype("datetime64[D]") + month_of_year
        born = np.where(swapped, other, born)
        slip = self._at(BIRTH_ONE_DIGIT)
        earlier = self._one_digit_off(born, month, day_of_month)
        latest = np.datetime64(self.today, "D")
        born = np.where(slip & (earlier <= latest), earlier, born)
        empty = self._at(PLACEHOLDER_BIRTH)
        born[empty] = self.rng.choice(np.array(PLACEHOLDERS, dtype="datetime64[D]"), int(empty.sum()))
        born = np.where(self._at(FUTURE_BIRTH), latest + 400, born)
        dead = self.population.death_day[self.persons]
        impossible = self._at(DEATH_BEFORE_BIRTH)
        died = np.where(impossible, born - 30, np.maximum(dead, 0).astype("datetime64[D]"))
        return pa.array(born), pa.array(died, mask=(dead == NONE) & ~impossible)

    def _one_digit_off(self, born: Any, month: Any, day_of_month: Ints) -> Any:
        """Dates with one digit of the year or of the day read as its neighbour."""
        size = len(born)
        years = self.rng.choice(np.array([1, -1, 10, -10]), size)
        by_year = (month + 12 * years).astype("datetime64[D]") + day_of_month
        days = np.where(self.rng.random(size) < 0.5, np.where(day_of_month < 18, 10, -10), 1)
        days = np.where((days == 1) & (day_of_month % 10 == 8), -1, days)  # 9 to 10 would change both digits
        return np.where(self.rng.random(size) < 0.5, by_year, born + days)

    def sex(self) -> pa.Array:
        """M, F or U."""
        sex = self.population.sex[self.persons]
        sex = np.where(self._at(WRONG_SEX), 1 - sex, sex)
        return pa.array(np.where(self._at(UNKNOWN_SEX), "U", np.where(sex == 1, "M", "F")))

    def ethnicity(self) -> pa.Array:
        """Ethnic category 2001, where stated."""
        code = self.population.ethnicity[self.persons]
        code = np.where(self._at(ETHNICITY_OTHERWISE), self.rng.choice([ord(c) for c in "CGLPS"], len(code)), code)
        code = np.where(self._at(ETHNICITY_NOT_STATED), ord("Z"), code)
        text = code.astype(np.uint8).view("S1").astype("U1")
        return pa.array(np.where(self._at(0.01), "99", text))

    def address(self) -> tuple[pa.Array, pa.Array]:
        """Address and postcode, current or still the previous one."""
        people, places, rng = self.population, self.places, self.rng
        where = people.address[self.persons]
        earlier = people.previous_address[self.persons]
        where = np.where((earlier != NONE) & self._at(PREVIOUS_ADDRESS / 0.35 * 0.5), earlier, where)
        postcode = places.postcode[where]
        name = places.house_name[where]
        house = pa.array(places.number[where]).cast(pa.string())
        named = pa.array(places.house_names).take(np.maximum(name, 0))
        street = pa.array(places.streets).take(places.street[where])
        town = pa.array(places.towns).take(postcode // 40 % len(places.towns))
        line = pc.if_else(name != NONE, pc.binary_join_element_wise(named, street, ", "),
                          pc.binary_join_element_wise(house, street, " "))  # fmt: skip
        address = pc.binary_join_element_wise(line, town, ", ")
        code = pa.array(places.postcodes, pa.string()).take(postcode)
        code = edit(code, self._at(MISTYPED_POSTCODE), mistype, rng)
        if self.habits.postcode == "joined":
            code = pc.replace_substring(code, " ", "")
        elif self.habits.postcode == "padded":
            outward = pc.utf8_rpad(pc.utf8_slice_codeunits(code, 0, -4), 5, " ")
            code = identifiers.joined(outward, pc.utf8_slice_codeunits(code, -3))
        code = pc.if_else(self._at(MISSING_POSTCODE), None, code)
        nowhere = self._at(PSEUDO_POSTCODE)
        code = put(code, nowhere, pa.array(rng.choice(PSEUDO_POSTCODES, int(nowhere.sum()))))
        address = pc.if_else(nowhere, "No fixed abode", address)
        return (pc.utf8_upper(address) if self.habits.upper else address), code

    def contact(self) -> tuple[pa.Array, pa.Array]:
        """Telephone and e-mail; children's are their parent's."""
        people, rng = self.population, self.rng
        mother = people.mother[self.persons]
        whose = np.where(mother != NONE, mother, self.persons)
        mobile, home = people.mobile[whose], people.home_phone[whose]
        prefix, last = np.divmod(np.maximum(home, 0), 1000)
        mobile_text = identifiers.joined(identifiers.MOBILE_PHONES, identifiers.padded(np.maximum(mobile, 0), 3))
        home_text = identifiers.joined(
            pa.array(np.array(identifiers.HOME_PHONES)).take(prefix), identifiers.padded(last, 3)
        )
        use_mobile = (mobile != NONE) & ((home == NONE) | at_rate(rng, len(whose), 0.75))
        phone = pc.if_else(use_mobile, mobile_text, pc.if_else(home != NONE, home_text, None))
        known = at_rate(rng, len(whose), self.habits.contact)
        plain = _written("lost")
        email = people.email[self.persons]
        host = pa.array(np.array(["example.org", "example.net", "example.com"])).take(np.maximum(email, 0) % 3)
        name = pc.utf8_lower(pc.binary_join_element_wise(
            plain.take(people.given[self.persons]), plain.take(people.family[self.persons]), "."))  # fmt: skip
        name = pc.replace_substring_regex(name, "[^a-z.]", "")
        mail = identifiers.joined(name, pa.array(np.maximum(email, 0) // 30).cast(pa.string()), "@", host)
        has_mail = (email != NONE) & known & at_rate(rng, len(whose), self.habits.contact)
        return pc.if_else(known, phone, None), pc.if_else(has_mail, mail, None)
