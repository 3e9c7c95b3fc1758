"""Fitting: the model finds the law that made-up people follow, says how good it is, and refuses to fit on too little."""

import json
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from registry_pipeline.errors import RunFailed
from registry_pipeline.risk import fit as fitting
from registry_pipeline.risk import model as risk_model
from registry_pipeline.risk import stratify
from registry_pipeline.risk.features import Feature
from tests.risk.made_people import NIGHT, population, put, reading

PEOPLE = 9_000


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fit on people whose law is known, and the table of their night."""
    folder = tmp_path_factory.mktemp("fitted")
    people = population(PEOPLE, 24, seed=3)
    with reading(folder, people.tables) as given:
        made = fitting.fit(given)
        stratify(given, folder / "out")
        scored = given.connection.sql(
            f"SELECT emergency_admission_probability AS p FROM '{folder}/out/risk_stratification.parquet' ORDER BY patient_id"
        ).to_arrow_table()["p"]
    return made, people, scored.to_numpy()


def test_people_are_told_apart_nearly_as_well_as_by_the_truth(fitted):
    made, people, scored = fitted
    # Frailty itself is hidden: only past use tells of it.
    by_rank = np.argsort(scored)
    least, most = people.truth[by_rank[: PEOPLE // 10]].mean(), people.truth[by_rank[-PEOPLE // 10 :]].mean()
    assert most > 4 * least
    assert made.figures["auc"]["low"] > 0.65
    assert np.corrcoef(scored, people.truth)[0, 1] > 0.65


def test_probabilities_are_of_the_size_of_the_truth(fitted):
    made, people, scored = fitted
    parts = np.array_split(np.argsort(scored), 5)
    expected = [scored[part].mean() for part in parts]
    true = [people.truth[part].mean() for part in parts]
    assert expected == pytest.approx(true, rel=0.3, abs=0.035)
    assert made.figures["calibration_slope"]["low"] < 1.1
    assert made.figures["calibration_slope"]["high"] > 0.9
    assert 0.85 < made.figures["observed_by_expected"]["value"] < 1.15


def test_what_raises_the_risk_has_a_weight_that_says_so(fitted):
    made, _, _ = fitted
    weights = {each["name"]: each["coefficient"] for each in json.loads(made.json_file.read_text())["columns"]}
    assert weights["condition_copd"] > 0.2
    assert weights["emergency_admissions_long"] > 0.05
    assert abs(weights["is_female"]) < 0.1  # the law does not know sex
    assert weights["condition_dementia"] == 0  # nobody has it


def test_files_can_be_read_and_say_on_what_the_model_rests(fitted):
    made, _, _ = fitted
    held = json.loads(made.json_file.read_text())
    assert held["version"] == made.version == "v0001"
    assert held["training"]["split"] == "other_people"
    assert held["training"]["train_index"] < held["training"]["test_index"] == "2025-04-01"
    card = made.card_file.read_text()
    for told in (
        "# Risk model v0001",
        "2025-04-01",
        "other people",
        "calibration slope",
        "By ethnic group",
        "emergency_admissions_30",
    ):
        assert told in card
    model = risk_model.load(made.json_file)
    assert risk_model.content(model) == held


def test_a_second_fit_takes_the_next_version_and_leaves_the_first(fitted, tmp_path):
    made, _, _ = fitted
    before = made.json_file.read_bytes(), made.card_file.read_bytes()
    again = fitting._write(fitting.Home(made.json_file.parent.parent), risk_model.load(made.json_file))
    assert again.version == "v0002"
    assert again.card_file.is_file()
    assert (made.json_file.read_bytes(), made.card_file.read_bytes()) == before


def test_three_years_of_history_learn_before_the_test_begins(tmp_path):
    people = population(5_000, 37, seed=2)
    with reading(tmp_path, people.tables) as given:
        made = fitting.fit(given)
    training = json.loads(made.json_file.read_text())["training"]
    assert training["split"] == "later_year"
    assert (training["train_index"], training["test_index"]) == ("2024-04-01", "2025-04-01")
    assert made.figures["people"] == pytest.approx(5_000, abs=40)  # everybody is tested on
    assert made.figures["auc"]["low"] > 0.65


def steady_stays(months: int, *, without: range = range(0), night: date = NIGHT) -> list[dict]:
    """A stay every second day, but in those months back from the night that are left out."""
    days = (day for day in range(0, round(months * 30.44), 2) if int(day / 30.44) not in without)
    nights = (datetime.combine(night - timedelta(days=day), datetime.min.time()) for day in days)
    return [{"activity_kind": "spell", "start_time": start} for start in nights]


@pytest.mark.parametrize(
    ("months", "without", "split", "days_apart", "longest"),
    [
        (48, range(0), "later_year", 365, 365),
        (36, range(0), "later_year", 365, 365),
        (30, range(0), "other_people", 182, 365),
        (24, range(0), "other_people", 182, 184),
        (20, range(0), "other_people", 121, 123),
        (60, range(25, 27), "other_people", 182, 184),  # what lies before a gap is no history
    ],
    ids=["four years", "three years", "30 months", "24 months", "20 months", "a gap two years ago"],
)
def test_days_that_are_learned_from_and_tested_on(tmp_path, months, without, split, days_apart, longest):
    with reading(tmp_path, {"patient_activity": steady_stays(months, without=without)}) as given:
        plan = fitting.plan_of(given.connection, NIGHT)
    assert plan.kind == split
    assert plan.test_index == date(2025, 4, 1)
    assert (plan.test_index - plan.train_index).days == pytest.approx(days_apart, abs=3)
    assert plan.longest == pytest.approx(longest, abs=31)
    assert plan.train_index - timedelta(days=plan.longest - 1) >= plan.starts - timedelta(days=31)


@pytest.mark.parametrize("months", [0, 6, 17])
def test_too_short_a_history_is_refused(tmp_path, months):
    with (
        reading(tmp_path, {"patient_activity": steady_stays(months)}) as given,
        pytest.raises(RunFailed, match="at least 545 are needed"),
    ):
        fitting.plan_of(given.connection, NIGHT)


def test_nothing_at_all_is_refused(tmp_path):
    with reading(tmp_path, {}) as given, pytest.raises(RunFailed, match="reach back 0 days"):
        fitting.fit(given)


def test_too_few_events_are_refused_without_telling_a_small_number(tmp_path):
    people = population(300, 24)
    with reading(tmp_path, people.tables) as given, pytest.raises(RunFailed) as refused:
        fitting.fit(given)
    assert "at least 200 of both are needed" in str(refused.value)
    assert not list((tmp_path / "home").glob("risk_models/*"))


def test_training_and_test_share_nobody(tmp_path):
    plan = fitting.Plan("other_people", NIGHT, NIGHT, NIGHT, 180)
    fold = np.arange(10)
    assert not (fitting._trained(plan, fold) & fitting._tested(plan, fold)).any()
    assert set(fitting.CALIBRATION_FOLDS) <= set(np.flatnonzero(fitting._trained(plan, fold)))


def test_where_nothing_tells_no_model_is_kept(tmp_path):
    people = population(4_000, 24, strength=0.0, base=-1.4, seed=6)
    with reading(tmp_path, people.tables) as given, pytest.raises(RunFailed, match="tells nothing of emergency"):
        put(given.connection, "patient_condition", [])
        fitting.fit(given)
    assert not list((tmp_path / "home").glob("risk_models/*"))


def test_a_model_that_tells_nothing_on_other_people_is_not_kept():
    rng = np.random.default_rng(1)
    matrix, outcome = rng.normal(size=(4_000, 2)).astype(np.float32), rng.random(4_000) < 0.2
    fold = np.where(np.arange(4_000) < 3_000, 5, 3)
    # What it learns on some holds the other way round on those who were held out.
    matrix[:3_000, 0] += outcome[:3_000]
    matrix[3_000:, 0] -= outcome[3_000:]
    features = [Feature(name, name, name, "number", "units", "person", None, name) for name in ("one", "two")]
    plan = fitting.Plan("later_year", NIGHT, NIGHT, NIGHT, 365)
    with pytest.raises(RunFailed, match="tells nothing of emergency admissions"):
        fitting._fit(features, fitting._People(matrix, outcome, fold), plan)


@pytest.mark.parametrize(
    ("values", "is_used"),
    [
        ([1] * 7 + [0] * 993, False),
        ([1] * 8 + [0] * 992, True),
        ([0] * 7 + [1] * 993, False),
        ([2.5] * 5 + [float("nan")] * 995, False),
        ([float("nan")] * 1000, False),
        (list(range(1000)), True),
    ],
    ids=["seven have it", "eight have it", "seven have it not", "five are known", "nobody is known", "all differ"],
)
def test_a_column_that_tells_a_small_number_is_left_out(values, is_used):
    mean, deviation = fitting._moments(np.array([values], dtype=np.float32).T, np.ones(1000, dtype=bool))
    assert ((mean[0], deviation[0]) != (0, 0)) is is_used


def test_what_is_dated_after_the_night_changes_no_plan(tmp_path):
    stays = steady_stays(24)
    days = (NIGHT + timedelta(days=day) for day in range(1, 400))
    later = [{"activity_kind": "spell", "start_time": datetime.combine(day, datetime.min.time())} for day in days]
    with reading(tmp_path, {"patient_activity": stays}) as given:
        before = fitting.plan_of(given.connection, NIGHT)
    with reading(tmp_path, {"patient_activity": [*stays, *later]}) as given:
        assert fitting.plan_of(given.connection, NIGHT) == before
