"""The table of a night: probabilities by a model written by hand, levels, segments, and what stands where inputs miss."""

import json
import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from registry_pipeline.errors import BadInput
from registry_pipeline.risk import check, stratify
from registry_pipeline.risk import features as risk_features
from registry_pipeline.risk import model as risk_model
from registry_pipeline.risk.calibration import Calibration
from registry_pipeline.tables import CONSUMER_TABLES
from tests.risk.made_people import (
    CANCER,
    COPD,
    DEMENTIA,
    FRAILTY,
    HYPERTENSION,
    LEARNING,
    NIGHT,
    PALLIATIVE,
    SCHIZOPHRENIA,
    ago,
    condition,
    configuration,
    contact,
    person,
    put,
    reading,
    record,
    spell,
)

NO_MODEL = "no model is fitted for this registry yet"
SCORED = {"patient_activity": [spell(999, 10)]}
"""A stay of somebody else: a registry without any is not scored."""


def write_model(folder, version: str = "v0001", intercept: float = -2.0, without: str | None = None, **coefficients):
    """A model in the home of a folder's deployment, with these log odds for one unit of a feature; all others 0."""
    made = configuration(folder)
    features = risk_features.features_of(made).features
    definitions = [each.definition(365) for each in features if each.name != without]
    columns = tuple(
        risk_model.ModelColumn(name, feature, 0.0, 1.0, coefficients.get(name, 0.0))
        for name, feature in risk_model.column_names([each for each in features if each.name != without])
    )
    told = {
        "feature_code_version": risk_features.FEATURE_CODE_VERSION,
        "features_digest": risk_features.digest(definitions),
        "training": {
            "inputs": ["acute:spell"], "night": "2026-04-01", "snapshot": "2026-04-01.1", "split": "other_people",
            "train_index": "2024-10-01", "test_index": "2025-04-01",
        },
        "evaluation": {"share_admitted": 0.1},
    }  # fmt: skip
    file = made.home / "risk_models" / f"{version}.json"
    model = risk_model.RiskModel(version, tuple(definitions), 365, columns, intercept, Calibration(), file, told)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(risk_model.content(model)))
    return file


def table(folder, tables, **deployment) -> list[dict]:
    """The rows of a night, in the order of patient_id."""
    with reading(folder, tables, **deployment) as given:
        made = stratify(given, folder / "out")
        rows = given.connection.sql(f"FROM '{folder}/out/risk_stratification.parquet' ORDER BY patient_id")
        found = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    assert made.rows == {"risk_stratification": len(found)}
    assert list(found[0]) == list(CONSUMER_TABLES["risk_stratification"].column_names) if found else True
    return found


def people(*numbers: int, **columns) -> list[dict]:
    return [{"patient_id": person(n), "birth_date": ago(70 * 365), **columns} for n in numbers]


# The model in use ---------------------------------------------------------------------------------------------------


def test_without_a_model_all_else_stands(tmp_path):
    tables = {
        "patient": people(1),
        "patient_record": [record(1)],
        "patient_condition": [condition(1, 900, COPD)],
    }
    (row,) = table(tmp_path, tables)
    assert row["emergency_admission_missing"] == NO_MODEL
    assert [
        row[name] for name in ("emergency_admission_probability", "risk_rank", "risk_level", "reasons", "model_version")
    ] == [None] * 5
    assert (row["person_segment"], row["long_term_conditions"]) == ("long_term_conditions", 1)
    assert row["cambridge_multimorbidity_score"] == pytest.approx(1.41)


def test_probability_rank_and_reasons_are_the_models(tmp_path):
    write_model(tmp_path, intercept=-2.0, condition_copd=1.0, emergency_admissions_long=0.5)
    tables = {
        "patient": people(1, 2, 3),
        "patient_activity": [spell(2, 40), spell(2, 200)],
        "patient_condition": [condition(1, 900, COPD)],
    }
    rows = table(tmp_path, tables)
    odds = [-2.0 + 1.0, -2.0 + 0.5 * math.log(3), -2.0]
    assert [row["emergency_admission_probability"] for row in rows] == pytest.approx(
        [1 / (1 + math.exp(-o)) for o in odds], abs=1e-6
    )
    assert [row["risk_rank"] for row in rows] == [1, 2, 3]
    assert [row["reasons"] for row in rows] == [
        ["chronic obstructive pulmonary disease"],
        ["two emergency admissions in the last year, one of them in the last 90 days"],
        [],
    ]
    assert {row["model_version"] for row in rows} == {"v0001"}
    assert {row["emergency_admission_missing"] for row in rows} == {None}


def test_people_are_scored_alike_however_many_are_held_at_once(tmp_path, monkeypatch):
    write_model(tmp_path, condition_copd=1.0, age=0.3)
    tables = {
        **SCORED,
        "patient": [row for n in range(23) for row in people(n, birth_date=ago(1000 * n + 400))],
        "patient_condition": [condition(n, 900, COPD) for n in range(0, 23, 3)],
    }
    at_once = table(tmp_path, tables)
    monkeypatch.setattr(risk_model, "CHUNK", 5)
    assert table(tmp_path, tables) == at_once
    assert len({row["emergency_admission_probability"] for row in at_once}) > 10


def test_shares_of_the_columns_add_up_to_the_log_odds(tmp_path):
    write_model(tmp_path, condition_copd=1.0, age=0.3, emergency_admissions_long=0.5)
    model = risk_model.load(tmp_path / "home" / "risk_models" / "v0001.json")
    matrix = np.random.default_rng(1).random((20, len(model.columns))).astype(np.float32)
    odds, added = risk_model.log_odds(model, matrix)
    assert odds == pytest.approx(model.intercept + added.sum(axis=1), abs=1e-5)


@pytest.mark.parametrize(
    ("prepare", "deployment", "said"),
    [
        (lambda f: write_model(f, without="gp_contacts_90"), {}, "the model v0001 was fitted on other features than this registry has: the first that differs is gp_contacts_90; fit a new one"),
        (lambda f: write_model(f).write_text("{"), {}, "v0001.json is no fitted risk model, or damaged"),
        (lambda f: write_model(f).write_text('{"version": "v0001"}'), {}, "v0001.json is no fitted risk model, or damaged"),
        (lambda f: write_model(f).write_text(write_model(f).read_text().replace(f'"feature_code_version": {risk_features.FEATURE_CODE_VERSION}', '"feature_code_version": 0')), {}, "v0001.json was fitted with version 0 of the features' code"),
        (lambda f: write_model(f).write_text(write_model(f).read_text().replace("tenths from", "tenth from")), {}, "v0001.json does not hold the features that its digest says"),
        (lambda f: write_model(f).write_text(write_model(f).read_text().replace('"intercept": -2.0', '"intercept": 2.0')), {}, "v0001.json is not as it was fitted, something in it was changed"),
        (lambda f: write_model(f).write_text(write_model(f).read_text().replace('"evaluation"', '"evaluated"')), {}, "v0001.json is not as it was fitted, something in it was changed"),
        (lambda f: write_model(f).rename(f / "home" / "risk_models" / "v0009.json"), {}, "v0009.json holds the model v0001"),
        (write_model, {"risk": {"model": "v0007"}}, "There is no model v0007 in the risk models"),
    ],
    ids=["other features", "no JSON", "lacks keys", "older code", "changed features", "changed number", "lacks its evaluation", "another name", "named version is missing"],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_said_and_all_else_stands(tmp_path, prepare, deployment, said):
    prepare(tmp_path)
    (row,) = table(
        tmp_path, {**SCORED, "patient": people(1), "patient_condition": [condition(1, 900, DEMENTIA)]}, **deployment
    )
    assert row["emergency_admission_missing"].startswith(said)
    assert str(tmp_path) not in row["emergency_admission_missing"]
    assert row["emergency_admission_probability"] is None
    assert row["person_segment"] == "dementia"


def test_the_newest_model_that_fits_is_used_unless_one_is_named(tmp_path):
    write_model(tmp_path, "v0001", intercept=-1.0)
    write_model(tmp_path, "v0002", intercept=-2.0)
    write_model(tmp_path, "v0003", without="age")
    tables = {**SCORED, "patient": people(1)}
    assert table(tmp_path, tables)[0]["model_version"] == "v0002"
    assert table(tmp_path, tables, risk={"model": "v0001"})[0]["model_version"] == "v0001"


def test_a_newer_model_that_cannot_be_used_is_told(tmp_path):
    write_model(tmp_path, "v0001")
    write_model(tmp_path, "v0002").write_text("{")
    with reading(tmp_path, {**SCORED, "patient": people(1)}) as given:
        made = stratify(given, tmp_path / "out")
    (found,) = (each for each in made.checks if each.name == "risk_model_is_in_use")
    assert not found.passed
    assert found.observed.startswith("v0001; v0002.json is no fitted risk model, or damaged")


def test_a_configuration_that_names_a_model_that_is_not_there(tmp_path):
    check(configuration(tmp_path, risk={"model": "v0007"}))
    write_model(tmp_path)
    check(configuration(tmp_path))
    check(configuration(tmp_path, risk={"model": "v0001"}))
    with pytest.raises(BadInput, match=r"The model v0007 that risk.model of registry.yaml names cannot be used"):
        check(configuration(tmp_path, risk={"model": "v0007"}))


def test_a_registry_without_hospital_stays_is_not_scored(tmp_path):
    write_model(tmp_path)
    (row,) = table(tmp_path, {"patient": people(1), "patient_activity": [contact(1, 5)]})
    assert row["emergency_admission_missing"] == (
        "the model v0001 rests on hospital stays, and none within 365 days is in this registry"
    )


def test_what_is_to_be_seen_to_is_among_the_checks(tmp_path):
    write_model(tmp_path, intercept=2.0)
    with reading(tmp_path, {"patient": people(1), "patient_activity": [spell(1, 5, setting="mental_health")]}) as given:
        made = stratify(given, tmp_path / "out")
    assert {check.name: check.passed for check in made.checks} == {
        "risk_model_is_in_use": True, "risk_model_has_its_inputs": False, "risk_expected_as_when_tested": False,
    }  # fmt: skip
    assert made.about["model"]["version"] == "v0001"
    assert set(made.about) == {"scores", "model", "levels", "segments"}


# Odd people and registries ------------------------------------------------------------------------------------------


def test_the_dead_have_a_row_and_nothing_else(tmp_path):
    write_model(tmp_path)
    tables = {
        "patient": [*people(1, death_date=ago(0)), *people(2)],
        "patient_activity": [spell(1, 5), spell(2, 5)],
        "patient_condition": [condition(1, 900, DEMENTIA)],
    }
    dead, living = table(tmp_path, tables)
    filled = {name for name, value in dead.items() if value is not None and not name.endswith("_missing")}
    assert filled == {"patient_id", "night", "is_alive"}
    assert dead["emergency_admission_missing"] == "died"
    assert not dead["is_alive"]
    assert living["risk_rank"] == 1


def test_who_dies_after_the_night_lives(tmp_path):
    write_model(tmp_path)
    (row,) = table(tmp_path, {**SCORED, "patient": people(1, death_date=NIGHT + timedelta(days=1))})
    assert row["is_alive"]
    assert row["risk_rank"] == 1


@pytest.mark.parametrize(
    "patient",
    [
        {"birth_date": None}, {"birth_date": ago(0)}, {"birth_date": ago(130 * 365)}, {"sex": "O"},
        {"sex": None, "birth_date": None, "postcode": None, "ethnicity": None},
    ],
    ids=str,
)  # fmt: skip
def test_somebody_of_whom_little_is_known_is_scored(tmp_path, patient):
    write_model(tmp_path, age=0.2, age_missing=0.1, is_female_missing=0.1, deprivation_missing=0.1)
    (row,) = table(tmp_path, {**SCORED, "patient": people(1, **patient)})
    assert 0 < row["emergency_admission_probability"] < 1
    assert row["age"] is None or row["age"] >= 0


def test_a_date_of_birth_after_the_night_is_said(tmp_path):
    write_model(tmp_path)
    (row,) = table(tmp_path, {**SCORED, "patient": people(1, birth_date=NIGHT + timedelta(days=3))})
    assert row["emergency_admission_missing"] == "the date of birth lies after the night"
    assert (row["age"], row["risk_rank"]) == (None, None)


@pytest.mark.parametrize("with_model", [True, False])
def test_nobody_at_all(tmp_path, with_model):
    if with_model:
        write_model(tmp_path)
    assert table(tmp_path, {}) == []


def test_one_person_is_low(tmp_path):
    write_model(tmp_path)
    (row,) = table(tmp_path, {**SCORED, "patient": people(1)})
    assert (row["risk_rank"], row["risk_level"], row["emergency_admission_probability"]) == (
        1,
        "low",
        pytest.approx(0.119203),
    )


# Levels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "shares", "levels"),
    [
        (200, {}, {"very_high": 1, "high": 9, "moderate": 30, "low": 160}),
        (1000, {}, {"very_high": 5, "high": 45, "moderate": 150, "low": 800}),
        (10, {"very_high": 0.1, "high": 0.2, "moderate": 0.3}, {"very_high": 1, "high": 2, "moderate": 3, "low": 4}),
        (10, {"very_high": 0, "high": 0, "moderate": 1}, {"moderate": 10}),
        (7, {"very_high": 0.5, "high": 0.5, "moderate": 0}, {"very_high": 4, "high": 3}),
    ],
    ids=["200 people", "1,000 people", "other shares", "one level", "no low"],
)
def test_levels_are_shares_of_the_living_by_rank(tmp_path, number, shares, levels):
    write_model(tmp_path)
    rows = table(tmp_path, {**SCORED, "patient": people(*range(number))}, risk=shares)
    # All are alike: ties are broken by patient_id.
    assert [row["risk_rank"] for row in rows] == list(range(1, number + 1))
    found = [row["risk_level"] for row in rows]
    assert {level: found.count(level) for level in dict.fromkeys(found)} == levels


# Segments -----------------------------------------------------------------------------------------------------------

KNOWN = {"patient": people(1, birth_date=ago(70 * 365 + 30)), "patient_record": [record(1)]}
OTHERS = [condition(2, 900, COPD)]
"""So that the practice is one that delivers conditions."""


@pytest.mark.parametrize(
    ("conditions", "segments"),
    [
        ([], ["healthy"]),
        ([condition(1, 900, COPD)], ["long_term_conditions"]),
        ([condition(1, 900, HYPERTENSION), condition(1, 800, CANCER)], ["cancer", "long_term_conditions"]),
        ([condition(1, 900, LEARNING)], ["learning_disability", "long_term_conditions"]),
        ([condition(1, 900, SCHIZOPHRENIA), condition(1, 800, LEARNING)], ["severe_mental_illness", "learning_disability", "long_term_conditions"]),
        ([condition(1, 900, FRAILTY)], ["frailty"]),
        ([condition(1, 900, FRAILTY), condition(1, 900, DEMENTIA)], ["dementia", "frailty", "long_term_conditions"]),
        ([condition(1, 50, PALLIATIVE), condition(1, 900, DEMENTIA)], ["end_of_life", "dementia", "long_term_conditions"]),
        ([condition(1, None, DEMENTIA)], ["dementia"]),
        ([condition(1, 900, FRAILTY, ended_days_ago=10)], ["healthy"]),
        ([condition(1, -5, FRAILTY)], ["healthy"]),
    ],
    ids=["nothing", "COPD", "cancer first", "learning disability", "mental illness first", "frailty", "dementia before frailty", "end of life first", "no date", "resolved", "after the night"],
)  # fmt: skip
def test_segments(tmp_path, conditions, segments):
    (row,) = table(tmp_path, {**KNOWN, "patient_condition": [*OTHERS, *conditions]})
    assert row["person_segments"][: len(segments)] == segments or row["person_segments"] == segments
    assert row["person_segment"] == segments[0]


def test_where_nobody_would_know_a_condition_nobody_is_healthy(tmp_path):
    unknown, known_to_hospital = table(
        tmp_path,
        {
            "patient": people(1, 3),
            "patient_record": [record(1, "RX1", "acute"), record(3, "RX1", "acute")],
            "patient_condition": [{**condition(3, 900, DEMENTIA), "provider": "RX1", "setting": "acute"}],
        },
    )
    assert (unknown["person_segment"], unknown["person_segments"]) == (None, None)
    assert known_to_hospital["person_segment"] == "dementia"


def test_a_supplied_index_of_frailty_makes_a_segment(tmp_path):
    index = {
        "patient_id": person(1),
        "code": "713636003",
        "coding_system": "snomed",
        "start_date": ago(30),
        "value": 0.3,
        "setting": "gp",
        "provider": "GP1",
    }
    (row,) = table(tmp_path, {**KNOWN, "patient_condition": OTHERS, "patient_observation": [index]})
    assert (row["electronic_frailty_category"], row["person_segment"]) == ("moderate", "frailty")


# Law ----------------------------------------------------------------------------------------------------------------

after = st.integers(min_value=-400, max_value=-1)
"""Days before the night: all of them after it."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("law")
    write_model(folder, age=0.2, condition_copd=1.0, emergency_admissions_long=0.5, gp_contacts_30=-0.3, care_plan=0.4)
    tables = {
        "patient": people(1),
        "patient_record": [record(1)],
        "patient_activity": [spell(1, 30), contact(1, 3), spell(1, 1, None)],
        "patient_condition": [condition(1, 900, HYPERTENSION)],
    }
    return folder, tables, table(folder, tables)


@settings(max_examples=6, deadline=None)
@over(
    stays=st.lists(after, max_size=3),
    contacts=st.lists(after, max_size=3),
    codes=st.lists(after, max_size=3),
    plans=st.lists(after, max_size=2),
)
def test_nothing_of_a_table_depends_on_rows_after_the_night(scored, stays, contacts, codes, plans):
    folder, tables, before = scored
    later = {
        **tables,
        "patient_activity": [
            *tables["patient_activity"],
            *(spell(1, day) for day in stays),
            *(contact(1, day) for day in contacts),
        ],
        "patient_condition": [*tables["patient_condition"], *(condition(1, day, COPD) for day in codes)],
        "patient_care_plan": [{"patient_id": person(1), "start_date": ago(day)} for day in plans],
        "patient_observation": [
            {"patient_id": person(1), "code": PALLIATIVE, "coding_system": "snomed", "start_date": ago(day)}
            for day in codes
        ],
    }
    assert table(folder, later) == before


@pytest.mark.parametrize(
    ("value", "unit", "index"),
    [(0.25, None, 0.25), (9, "deficits", 0.25), (12, "%", None), (0.5, "%", None), (1, None, None), (45, None, None)],
)
def test_the_model_reads_a_supplied_index_of_frailty_as_the_score_does(tmp_path, value, unit, index):
    tables = {
        "patient": people(1),
        "patient_observation": [
            {"patient_id": person(1), "code": "713636003", "coding_system": "snomed", "start_date": ago(5), "value": float(value), "unit": unit}
        ],
    }  # fmt: skip
    with reading(tmp_path, tables) as given:
        features = risk_features.features_of(given.configuration)
        risk_features.name_inputs(given)
        risk_features.compute(given.connection, "risk_now", features, index=ago(0), longest=365)
        assert given.connection.sql("SELECT electronic_frailty_index FROM risk_now").fetchall() == [(index,)]


def test_features_of_a_person_by_hand(tmp_path):
    night = ago(0)
    tables = {
        "patient": people(1, sex="F"),
        "patient_record": [record(1), record(2, "LA1", "social_care")],
        "patient_activity": [
            spell(1, 10, 4), spell(1, 80, 2), spell(1, 364, 1), spell(1, 365, 1), spell(1, 20, 1, emergency=False),
            spell(1, 2, None), contact(1, 0), contact(1, 29), contact(1, 30), contact(1, 40, status="3"), contact(1, 50, status="2"),
            contact(1, 60, status="7"), contact(1, 5, "community", None), contact(1, -1),
        ],
        "patient_carer": [
            {"patient_id": person(1), "provider": "LA1", "carer_local_id": "2", "start_date": ago(100)},
            {"patient_id": person(2), "provider": "LA1", "carer_local_id": None, "start_date": ago(100), "end_date": ago(1)},
        ],
        "patient_care_service": [
            {"patient_id": person(1), "start_date": ago(100), "service_type": "Long Term Support: Community"},
            {"patient_id": person(1), "start_date": ago(100), "end_date": ago(20), "service_type": "Long Term Support: Nursing Care"},
        ],
    }  # fmt: skip
    tables["patient"] += people(2, birth_date=None)
    with reading(tmp_path, tables) as given:
        features = risk_features.features_of(given.configuration)
        risk_features.name_inputs(given)
        assert risk_features.compute(given.connection, "risk_now", features, index=night, longest=365) == 2
        first, second = given.connection.sql("FROM risk_now ORDER BY row").fetchall()
        names = given.connection.sql("FROM risk_now").columns
        put(given.connection, "patient", [])
        risk_features.name_inputs(given)
        assert risk_features.compute(given.connection, "risk_now", features, index=night, longest=365) == 0
    found = dict(zip(names, first, strict=True))
    expected = {
        "age": 69.917, "is_female": 1, "deprivation": None, "emergency_admissions_30": 2, "emergency_admissions_90": 3,
        "emergency_admissions_long": 4, "emergency_bed_days_90": 8, "emergency_bed_days_long": 9, "planned_admissions_long": 1,
        "in_hospital": 1, "gp_contacts_30": 2, "gp_contacts_90": 3, "community_contacts_90": 1, "missed_appointments_90": 2,
        "home_care_services": 1, "residential_care": 0, "has_carer": 1, "is_carer": 0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.01, nan_ok=True)
    other = dict(zip(names, second, strict=True))
    assert (other["age"], other["is_carer"], other["has_carer"], other["emergency_admissions_long"]) == (None, 1, 0, 0)
