"""Observations of the made-up people: whose, how often, how well each practice keeps up, and what is written down."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from registry_pipeline import codes
from registry_pipeline.config import REPOSITORY, load_configuration
from registry_pipeline.synthetic import activity, care_processes, clinical
from registry_pipeline.synthetic import population as p
from registry_pipeline.synthetic.clinical import OBSERVED
from registry_pipeline.synthetic.randomness import stream
from registry_pipeline.tables import FEEDS
from tests.synthetic.test_activity import verhoeff

TODAY = p.day_number(date(2026, 4, 1))
PEOPLE = 20_000
YEARS = (TODAY - 729, TODAY)


@pytest.fixture(scope="module")
def population():
    made, _ = p.populate(4, PEOPLE, np.array([], dtype=np.int64), date(2026, 4, 1))
    return made


def known_to(population, provider):
    ids = pa.array(np.arange(PEOPLE)).cast(pa.string())
    return activity.Known(population, np.arange(PEOPLE), ids, provider, TODAY)


@pytest.fixture(scope="module")
def observed(population):
    """Two years of a practice system that knows everybody, with the person and the day of each row."""
    return happened(known_to(population, "GP1"))


def happened(known, window=YEARS, seed=1):
    events = care_processes.happen(known, window, stream(seed, known.provider), 1)
    day = events["start_date"].cast(pa.int32()).to_numpy().astype(np.int64)
    return events.append_column("person", events["local_id"].cast(pa.int64())).append_column("day", pa.array(day))


def of(events, name):
    """The rows of one process."""
    wanted = [code for code, _ in clinical.BREATHLESSNESS] if name == "mrc_breathlessness" else [OBSERVED[name].code]
    return events.filter(pc.is_in(events["code"], value_set=pa.array(wanted)))


def had(events, name, since):
    """The people for whom a process was done since a day."""
    rows = of(events, name)
    return np.isin(np.arange(PEOPLE), rows.filter(pc.greater(rows["day"], since))["person"].to_numpy())


def test_observations_have_canonical_columns_and_fall_into_life_and_window(population, observed):
    own = set(observed.column_names) - {"person", "day"}
    assert set(FEEDS["observation"].required) <= own <= set(FEEDS["observation"].column_names)
    assert pc.count_distinct(observed["event_id"]).as_py() == len(observed)
    who, day = observed["person"].to_numpy(), observed["day"].to_numpy()
    assert YEARS[0] <= day.min() <= day.max() <= TODAY
    dead = population.death_day[who]
    assert (day >= population.birth_day[who]).all()
    assert (day[dead != p.NONE] <= dead[dead != p.NONE]).all()
    assert 2 < len(observed) / PEOPLE < 6


def test_codes_are_the_first_of_the_code_lists():
    configuration = load_configuration(REPOSITORY / "dagster_home")
    for name, one in OBSERVED.items():
        first = next(entry for entry in codes.load(configuration, name).codes if entry.coding_system == "snomed")
        assert (one.code, one.term) == (first.code, first.term), name
    listed = codes.load(configuration, "mrc_breathlessness").codes
    assert {(e.code, e.term) for e in listed if e.coding_system == "snomed"} == set(clinical.BREATHLESSNESS)
    assert [one.code for one in OBSERVED.values() if not verhoeff(one.code)] == []


DONE_IN_A_YEAR = [
    ("Type 2 diabetes mellitus", "hba1c", 0.85, 0.98),
    ("Type 2 diabetes mellitus", "blood_pressure", 0.87, 1.0),
    ("Type 2 diabetes mellitus", "urine_acr", 0.5, 0.75),
    ("Type 2 diabetes mellitus", "foot_examination", 0.72, 0.9),
    ("Chronic obstructive pulmonary disease", "copd_review", 0.55, 0.85),
    ("Chronic obstructive pulmonary disease", "mrc_breathlessness", 0.55, 0.85),
    ("Heart failure", "heart_failure_review", 0.5, 0.8),
    ("Frailty", "frailty_review", 0.35, 0.6),
    ("Schizophrenia", "smi_health_check", 0.35, 0.75),
]


@pytest.mark.parametrize(("condition", "name", "least", "most"), DONE_IN_A_YEAR, ids=str)
def test_processes_are_done_about_as_often_as_audits_find(population, observed, condition, name, least, most):
    alive = (population.death_day == p.NONE) & (population.practice != p.NONE)
    due = alive & population.has(np.arange(PEOPLE), clinical.NUMBER[condition])
    assert least < had(observed, name, TODAY - 365)[due].mean() < most


def test_who_has_no_diabetes_has_no_diabetic_foot(population, observed):
    for name in ("foot_examination", "retinal_screening", "urine_acr"):
        assert population.has(
            of(observed, name)["person"].to_numpy(), clinical.NUMBER["Type 2 diabetes mellitus"]
        ).all()


def test_some_practices_are_visibly_worse(population, observed):
    due = population.has(np.arange(PEOPLE), clinical.NUMBER["Type 2 diabetes mellitus"])
    due &= population.death_day == p.NONE
    complete = np.logical_and.reduce([had(observed, name, TODAY - 365) for name in list(care_processes.DIABETES)[:8]])
    share = [complete[due & (population.practice == practice)].mean() for practice in range(8)]
    assert sorted(np.argsort(share)[:2].tolist()) == [3, 6]
    assert share[3] < 0.6 * max(share)


def test_frailty_indices_are_shares_of_36_deficits_of_people_over_65(population, observed):
    index = of(observed, "electronic_frailty_index")
    assert (population.ages(index["person"].to_numpy(), TODAY) >= 65).all()
    value = pc.filter(index["value"], pc.match_substring_regex(index["value"], r"^[0-9.]+$")).cast(pa.float64())
    numbers = value.to_numpy()
    assert np.abs(numbers * 36 - np.round(numbers * 36)).max() < 0.02
    assert 0 <= numbers.min() < 0.12 < numbers.mean() < 0.24 < numbers.max() <= 0.7
    older = population.ages(np.arange(PEOPLE), TODAY) >= 67
    older &= population.death_day == p.NONE
    assert had(observed, "electronic_frailty_index", TODAY - 365)[older].mean() > 0.85


@pytest.mark.parametrize("name", [name for name, one in OBSERVED.items() if one.unit])
def test_values_are_plausible_and_a_few_are_missing_or_no_number(observed, name):
    rows, one = of(observed, name), OBSERVED[name]
    assert set(rows["unit"].to_pylist()) == {one.unit}
    number = pc.match_substring_regex(rows["value"], r"^[0-9]+(\.[0-9]+)?$")
    values = rows["value"].filter(number).cast(pa.float64()).to_numpy()
    assert one.low <= values.min() < values.max() <= one.high
    assert 0 <= rows["value"].null_count / len(rows) < 0.05
    assert pc.sum(pc.invert(number)).as_py() <= max(5, 0.02 * len(rows))


def test_odd_values_occur_as_laboratories_write_them(observed):
    texts = set(observed["value"].drop_null().to_pylist())
    assert any(text.startswith("<") for text in texts)
    assert any("," in text for text in texts)
    assert care_processes.REMARK in texts
    reviews = of(observed, "medication_review")
    assert reviews["value"].null_count == reviews["unit"].null_count == len(reviews)


def test_values_stay_the_person_s_own(observed):
    rows = of(observed, "bmi")
    rows = rows.filter(pc.match_substring_regex(rows["value"], r"^[0-9.]+$"))
    person, value = rows["person"].to_numpy(), rows["value"].cast(pa.float64()).to_numpy()
    order = np.lexsort((rows["day"].to_numpy(), person))
    again = person[order][1:] == person[order][:-1]
    assert again.sum() > 300
    assert np.corrcoef(value[order][1:][again], value[order][:-1][again])[0, 1] > 0.5


def test_people_of_high_need_are_discussed_month_after_month(population, observed):
    discussed = of(observed, "case_conference")
    burden = known_to(population, "GP1").burden()
    assert burden[discussed["person"].to_numpy()].min() >= 4
    times = np.bincount(discussed["person"].to_numpy())
    assert (times > 1).sum() > 20


@pytest.mark.parametrize(
    ("provider", "processes"),
    [
        ("RX1", {"hba1c", "creatinine", "cholesterol"}),
        ("RY1", {"foot_examination", "frailty_review", "carers_assessment", "case_conference"}),
        (
            "RV1",
            {"smi_health_check", "bmi", "blood_pressure", "smoking_status", "carers_assessment", "case_conference"},
        ),
    ],
)
def test_every_setting_does_its_own(population, provider, processes):
    found = set(happened(known_to(population, provider))["code"].to_pylist())
    assert found == {OBSERVED[name].code for name in processes}


def test_a_usual_night_is_a_day_of_the_history_and_the_seed_decides(population, observed):
    known = known_to(population, "GP1")
    night = happened(known, (TODAY, TODAY))
    assert len(observed) / 1100 < len(night) < len(observed) / 500
    assert happened(known, (TODAY, TODAY)).equals(night)
    assert not happened(known, (TODAY, TODAY), seed=2).equals(night)
