"""What follows a discharge, and how past use of emergency care tells of the use to come."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from registry_pipeline.synthetic import activity, aftercare, clinical
from registry_pipeline.synthetic import population as p
from registry_pipeline.synthetic.randomness import stream
from registry_pipeline.tables import FEEDS

TODAY = p.day_number(date(2026, 4, 1))
PEOPLE = 20_000
YEARS = (TODAY - 729, TODAY)


@pytest.fixture(scope="module")
def made():
    return p.populate(4, PEOPLE, np.array([], dtype=np.int64), date(2026, 4, 1))


def known_to(made, provider, people=PEOPLE):
    ids = pa.array(np.arange(people)).cast(pa.string())
    return activity.Known(made[0], np.arange(people), ids, provider, TODAY)


def spells_of(known, window=YEARS):
    return activity.happen(known, "spell", window, stream(1, known.provider), 1)


def persons(events):
    return events["local_id"].cast(pa.int64()).to_numpy()


def days(events, name="start_date"):
    return events[name].cast(pa.timestamp("s")).cast(pa.int64()).to_numpy() // 86400


@pytest.fixture(scope="module")
def wards(made):
    """Two years of stays on mental health wards, and the contacts planned after them."""
    known = known_to(made, "RV1")
    spells = spells_of(known)
    return known, spells, aftercare.plan(known, spells, stream(1, "after"))


def test_mental_health_stays_are_long_and_of_the_mind(wards):
    _, spells, _ = wards
    assert {d[0] for d in spells["diagnoses"].to_pylist()} == {"F"}
    over = spells.filter(spells["end_date"].is_valid())
    stay = days(over, "end_date") - days(over)
    assert 14 < np.median(stay) < 40
    assert pc.mean(pc.starts_with(spells["admission_method"], "2")).as_py() > 0.8
    assert 0.0005 < len(spells) / PEOPLE / 2 < 0.03


def test_most_but_not_all_are_seen_within_72_hours(wards):
    _, spells, planned = wards
    alive = spells.filter(pc.not_equal(spells["later_discharge_method"], "4"))
    end = {}
    for person, day in zip(persons(alive), days(alive, "later_end_date"), strict=True):
        end.setdefault(person, []).append(day)
    delay = [
        min(day - left for left in end[who] if left <= day)
        for who, day in zip(planned.persons, planned.day, strict=True)
    ]
    assert min(delay) >= 1
    assert max(delay) <= 14
    in_time = sum(one <= 3 for one in delay) / len(alive)
    assert 0.6 < in_time < 0.9
    assert len(planned.persons) < len(alive)


def test_planned_contacts_are_told_on_their_day_by_who_knows_the_person(wards):
    known, _, planned = wards
    first = aftercare.happen(known, planned, YEARS, stream(1), 7)
    assert set(first.column_names) <= set(FEEDS["contact"].column_names)
    assert first["event_id"][0].as_py() == "CO7"
    assert days(first).max() <= TODAY
    later = aftercare.happen(known, planned, (TODAY + 1, TODAY + 400), stream(1), 1)
    dead = known.population.death_day[planned.persons]
    lives = (dead == p.NONE) | (planned.day <= dead)
    assert len(first) + len(later) == lives.sum()
    assert sorted(zip(persons(first), days(first), strict=True)) == sorted(
        zip(planned.persons[lives & (planned.day <= TODAY)], planned.day[lives & (planned.day <= TODAY)], strict=True)
    )
    few = activity.Known(known.population, known.persons[:100], known.local_id[:100], "RV1", TODAY)
    assert (persons(aftercare.happen(few, planned, YEARS, stream(1), 1)) < 100).all()
    nobody = activity.Known(known.population, known.persons[:0], known.local_id[:0], "RV1", TODAY)
    assert len(aftercare.happen(nobody, planned, YEARS, stream(1), 1)) == 0


def test_community_services_see_the_frail_after_emergencies(made):
    known = known_to(made, "RX1")
    spells = spells_of(known)
    planned = aftercare.plan(known, spells, stream(1, "after"))
    emergency = spells.filter(pc.starts_with(spells["admission_method"], "2"))
    frail, old = known.has("Frailty"), known.age() > 75
    assert (frail | old)[planned.persons].all()
    stays = np.bincount(persons(emergency), minlength=PEOPLE)
    seen = np.bincount(planned.persons, minlength=PEOPLE)
    assert 0.4 < seen[frail].sum() / stays[frail].sum() < 0.7
    assert 0.1 < seen[old & ~frail].sum() / stays[old & ~frail].sum() < 0.3


def test_who_was_an_emergency_before_is_likelier_to_be_one_again(made):
    known = known_to(made, "RX1")
    spells = spells_of(known)
    emergency = pc.starts_with(spells["admission_method"], "2").to_numpy(zero_copy_only=False)
    recent = days(spells) > TODAY - 365
    before = np.bincount(persons(spells)[emergency & ~recent], minlength=PEOPLE)
    after = np.bincount(persons(spells)[emergency & recent], minlength=PEOPLE)
    planned = np.bincount(persons(spells)[~emergency], minlength=PEOPLE)
    assert after[before >= 2].mean() > 3 * after[before == 0].mean()
    often, hardly = (known.emergency_use() > 2), (known.emergency_use() < 0.3)
    assert planned[often].mean() < 1.3 * planned[hardly].mean()


def test_the_deprived_use_more_emergency_care_and_all_together_as_much_as_before(made):
    population, places = made
    decile = places.decile(population.address)
    use = population.emergency_use
    assert 0.95 < use.mean() < 1.1
    assert use[decile <= 2].mean() > 1.3 * use[decile >= 9].mean()
    assert use.min() > 0


def test_emergencies_have_a_season_and_grow_a_little(made):
    known = known_to(made, "RX1")
    spells = [activity.happen(known, "attendance", YEARS, stream(seed, "season"), 1) for seed in range(6)]
    day = np.concatenate([days(events) for events in spells])
    month = np.array([(date(1970, 1, 1).toordinal() + d) for d in day])
    winter = np.isin([date.fromordinal(int(d)).month for d in month], (12, 1, 2)).mean() / (90 / 365)
    assert 1.03 < winter < 1.12
    assert 1.005 < (day > TODAY - 365).sum() / (day <= TODAY - 365).sum() < 1.06


def test_some_care_plans_name_no_coordinator(made):
    for provider, least, most in (("GP1", 0.25, 0.45), ("RY1", 0.05, 0.2)):
        plans = activity.happen(known_to(made, provider), "care_plan", YEARS, stream(1), 1)
        assert least < plans["coordinator_id"].null_count / len(plans) < most
        assert pc.all(pc.match_substring_regex(plans["coordinator_id"].drop_null(), r"^CP[0-9]{4}$")).as_py()


def test_mental_illness_has_more_stays_than_health(made):
    known = known_to(made, "RV1")
    stays = np.bincount(persons(spells_of(known)), minlength=PEOPLE)
    ill = made[0].has(np.arange(PEOPLE), clinical.NUMBER["Schizophrenia"])
    assert stays[ill].mean() > 5 * stays[~ill].mean()
