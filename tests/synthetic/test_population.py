from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from registry_pipeline.synthetic import population as p
from registry_pipeline.synthetic.clinical import CONDITIONS
from registry_pipeline.synthetic.names import pools

TODAY = p.day_number(date(2026, 4, 1))


@pytest.fixture(scope="module")
def people():
    return p.populate(3, 30_000, np.array([4, 4]), date(2026, 4, 1))


def test_a_household_shares_an_address_and_a_practice(people):
    population, _ = people
    registered = population.practice != p.NONE
    for array, rows in ((population.address, slice(None)), (population.practice, registered)):
        household, value = population.household[rows], array[rows]
        pairs = np.unique(np.stack([household, value]), axis=1)
        assert len(pairs[0]) == len(np.unique(household))


def test_twins_share_birth_date_and_household_and_point_at_each_other(people):
    population, _ = people
    twins = np.flatnonzero(population.twin != p.NONE)
    mates = population.twin[twins]
    assert 0.003 < len(twins) / len(population) < 0.012
    assert (population.twin[mates] == twins).all()
    assert (population.birth_day[twins] == population.birth_day[mates]).all()
    assert (population.household[twins] == population.household[mates]).all()


def test_a_mother_is_old_enough_and_lives_with_the_child(people):
    population, _ = people
    children = np.flatnonzero(population.mother != p.NONE)
    mothers = population.mother[children]
    assert (population.household[children] == population.household[mothers]).all()
    assert ((population.birth_day[children] - population.birth_day[mothers]) / p.YEAR > 12).all()


def test_nobody_shares_an_nhs_number_and_old_numbers_are_nobodys(people):
    population, places = people
    current = population.nhs_number[population.nhs_number != p.NONE]
    old = population.old_nhs_number[population.old_nhs_number != p.NONE]
    everything = np.concatenate([current, old, places.spare_numbers])
    assert len(np.unique(everything)) == len(everything)
    assert len(old) == pytest.approx(p.SUPERSEDED_NUMBER * len(population), rel=0.3)


def test_ages_and_families_look_like_a_population(people):
    population, _ = people
    age = population.ages(np.arange(30_000), TODAY)
    assert 0.18 < (age < 18).mean() < 0.28
    assert 0.12 < (age > 65).mean() < 0.24
    size = np.bincount(population.household)
    assert 2.1 < size[size > 0].mean() < 2.6
    children = np.flatnonzero(population.mother != p.NONE)
    shared = population.family[children] == population.family[population.mother[children]]
    assert 0.6 < shared.mean() < 0.95


def test_illness_rises_with_age_and_death_with_it(people):
    population, _ = people
    age = population.ages(np.arange(len(population)), TODAY)
    burden = sum(population.has(np.arange(len(population)), i) for i in range(len(CONDITIONS)))
    assert burden[age > 75].mean() > 5 * burden[age < 30].mean()
    dead = population.death_day != p.NONE
    assert 0.01 < dead.mean() < 0.04
    assert age[dead].mean() > 60
    assert (population.death_day[dead] > population.birth_day[dead]).all()


def test_every_tradition_is_there_and_rules_of_naming_hold(people):
    population, _ = people
    pool = pools()
    rule = np.array([t.rule for t in pool.traditions])[population.tradition]
    assert len(np.unique(population.tradition)) == len(pool.traditions)
    assert set(population.middle[rule == "sikh"].tolist()) <= {pool.singh, pool.kaur}
    assert (population.family_second[rule == "double_first"] != p.NONE).all()
    women = (rule == "slavic") & (population.sex == 0)
    assert not any(text.endswith("ski") for text in pool.texts[population.family[women]])


def test_those_who_come_later_are_born_that_night_or_move_in(people):
    population, _ = people
    later = np.flatnonzero(population.first_night > 0)
    assert population.first_night[later].tolist() == [1] * 4 + [2] * 4
    born = population.birth_day[later] == TODAY + population.first_night[later]
    assert born.sum() == 4
    assert (population.mother[later[born]] != p.NONE).all()


def test_the_truth_holds_every_person_and_number_once(made):
    person = pq.read_table(made.out / "truth" / "person.parquet")
    assert person.num_rows == made.truth["person"] == len(set(person["person_id"].to_pylist()))
    assert {"ethnicity", "deprivation_decile", "household", "is_twin"} <= set(person.column_names)
    numbers = pq.read_table(made.out / "truth" / "nhs_number.parquet")["nhs_number"].to_pylist()
    assert len(numbers) == len(set(numbers))
