"""No feature looks into the future: planted leaks of both kinds are caught, and the features that there are have none."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from registry_pipeline.errors import RunFailed
from registry_pipeline.risk import features as risk_features
from registry_pipeline.risk import fit as fitting
from registry_pipeline.risk.features import Feature
from tests.risk.made_people import (
    COPD,
    DEMENTIA,
    HYPERTENSION,
    LEARNING,
    PALLIATIVE,
    SCHIZOPHRENIA,
    ago,
    condition,
    contact,
    person,
    population,
    reading,
    record,
    spell,
)

INDEX = ago(365)

LEAKS = {
    "stays of any day": "SELECT patient_id, count(*) AS leak FROM risk_source_activity WHERE activity_kind = 'spell' GROUP BY 1",
    "whole length of a stay": "SELECT patient_id, sum(end_time::DATE - start_time::DATE) AS leak FROM risk_source_activity"
    " WHERE start_time::DATE <= $index GROUP BY 1",
    "a death to come": "SELECT patient_id, count(death_date) AS leak FROM risk_source_patient GROUP BY 1",
    "when a plan was updated": "SELECT patient_id, count(*) AS leak FROM risk_source_plan"
    " WHERE start_date <= $index AND updated_date > start_date GROUP BY 1",
    "that a service ends": "SELECT patient_id, count(end_date) AS leak FROM risk_source_service WHERE start_date <= $index GROUP BY 1",
    "conditions of any day": "SELECT patient_id, count(*) AS leak FROM risk_source_coded WHERE kind = 'condition' GROUP BY 1",
    "that a condition resolves": "SELECT patient_id, count(end_day) AS leak FROM risk_source_coded WHERE day <= $index GROUP BY 1",
    "diagnoses of a stay that lasts": "SELECT patient_id, count(*) AS leak FROM risk_source_coded"
    " WHERE kind = 'spell' AND day <= $index GROUP BY 1",
    "that a setting knows the person": "SELECT patient_id, setting_count AS leak FROM risk_source_patient",
    "that a hospital has a record": "SELECT patient_id, count(*) AS leak FROM risk_source_record GROUP BY 1",
    "when a row came last": "SELECT patient_id, count(*) AS leak FROM risk_source_plan WHERE start_date <= $index AND night > $index GROUP BY 1",
    "whether a carer is assessed": "SELECT patient_id, count(assessment_date) AS leak FROM risk_source_carer WHERE start_date <= $index GROUP BY 1",
}


TOLD_BESIDES = {
    "a table itself": "SELECT patient_id, count(*) AS leak FROM patient_activity GROUP BY 1",
    "a table inside": "SELECT patient_id, (SELECT count(*) FROM patient_condition) AS leak FROM risk_source_patient",
    "what was made of the night": "SELECT patient_id, risk_rank AS leak FROM risk_before",
    "codes of any day": "WITH known AS (FROM coded_event) SELECT patient_id, count(*) AS leak FROM known GROUP BY 1",
    "a name that hides a table": "WITH patient_activity AS (FROM patient_activity) SELECT patient_id, count(*) AS leak"
    " FROM patient_activity GROUP BY 1",
    "a table by a function": "SELECT patient_id, count(*) AS leak FROM query_table('patient_activity') GROUP BY 1",
}
"""What reads past the views that later rows are left out of: the comparison would see no difference."""


def changing_person() -> dict[str, list[dict]]:
    """Somebody of whom everything changes after the index day."""
    return {
        "patient": [{"patient_id": person(1), "birth_date": ago(30_000), "death_date": ago(20), "setting_count": 2}],
        "patient_record": [record(1, "RXX", "acute")],
        "patient_activity": [spell(1, 370, 30, diagnoses=["J449"]), spell(1, 100), contact(1, 380)],
        "patient_condition": [condition(1, 3000, COPD, 200), condition(1, 100, DEMENTIA)],
        "patient_care_plan": [
            {
                "patient_id": person(1),
                "start_date": ago(500),
                "updated_date": ago(90),
                "end_date": ago(30),
                "night": ago(20),
            }
        ],
        "patient_care_service": [
            {"patient_id": person(1), "start_date": ago(500), "end_date": ago(30), "service_type": "Residential"}
        ],
        "patient_carer": [
            {"patient_id": person(1), "start_date": ago(500), "end_date": ago(40), "assessment_date": ago(60)}
        ],
        "patient_observation": [
            {"patient_id": person(1), "code": PALLIATIVE, "coding_system": "snomed", "start_date": ago(50)}
        ],
    }


def planted(configuration, sql: str | None):
    """The deployment's features, and one that leaks."""
    ours = risk_features.features_of(configuration)
    if sql is None:
        return ours
    leak = Feature("leak", "leak", "leak", "count", "rows", "planted", None, "coalesce(leak, 0)")
    return replace(ours, features=(*ours.features, leak), sources={**ours.sources, "planted": sql})


def compare(given, sql: str | None) -> int:
    feature_set = planted(given.configuration, sql)
    risk_features.name_inputs(given)
    risk_features.compute(given.connection, "risk_train", feature_set, index=INDEX, longest=365)
    return risk_features.refuse_later_rows(given.connection, "risk_train", feature_set, index=INDEX, longest=365)


@pytest.fixture
def changing(tmp_path):
    with reading(tmp_path, changing_person()) as given:
        yield given


@pytest.mark.parametrize("leak", LEAKS)
def test_a_feature_that_looks_into_the_future_is_named(changing, leak):
    with pytest.raises(RunFailed, match="The feature leak on 2025-04-01 looks into the future"):
        compare(changing, LEAKS[leak])


@pytest.mark.parametrize("leak", TOLD_BESIDES)
def test_a_feature_that_reads_past_the_comparison_is_refused(changing, leak):
    changing.connection.execute("CREATE OR REPLACE TEMP TABLE risk_before (patient_id UUID, risk_rank BIGINT)")
    with pytest.raises(
        RunFailed, match=r"The features of the source planted may look into the future: [a-z_]+ is read"
    ):
        compare(changing, TOLD_BESIDES[leak])


def test_an_expression_that_reads_past_the_comparison_is_refused(changing):
    ours = risk_features.features_of(changing.configuration)
    leak = replace(ours.features[0], sql="(SELECT count(*) FROM patient_activity)")
    risk_features.name_inputs(changing)
    with pytest.raises(RunFailed, match="An expression of the features may look into the future: patient_activity"):
        risk_features.refuse_later_rows(
            changing.connection, "risk_train", replace(ours, features=(leak,)), index=INDEX, longest=365
        )


def test_a_flag_hidden_in_the_last_digits_of_a_number_is_found(changing):
    hidden = "SELECT patient_id, 1000 + 0.05 * count(*) AS leak FROM risk_source_activity GROUP BY 1"
    with pytest.raises(RunFailed, match="The feature leak on"):
        compare(changing, hidden)


def test_the_features_that_there_are_do_not(changing):
    assert compare(changing, None) == 1


def test_what_is_left_of_a_comparison_is_the_registry_itself(changing):
    with pytest.raises(RunFailed):
        compare(changing, LEAKS["stays of any day"])
    assert changing.connection.sql("SELECT count(*) FROM risk_source_activity").fetchall() == [(3,)]


def test_a_leak_is_found_among_some_of_the_people(tmp_path, monkeypatch):
    monkeypatch.setattr(risk_features, "COMPARED_PEOPLE", 40)
    tables = {
        "patient": [{"patient_id": person(n), "birth_date": ago(20_000)} for n in range(400)],
        "patient_activity": [spell(n, 100) for n in range(400)],
    }
    with reading(tmp_path, tables) as given:
        assert 10 < compare(given, None) < 100
        with pytest.raises(RunFailed, match=r"another one for ([0-9]+) of \1 people"):
            compare(given, LEAKS["stays of any day"])


later = st.integers(min_value=0, max_value=364)
"""Days before the night that lie after the index day."""


@settings(max_examples=6, deadline=None)
@over(stays=st.lists(st.tuples(later, st.integers(0, 60)), max_size=4), codes=st.lists(later, max_size=3))
def test_features_do_not_move_when_later_rows_come(tmp_path_factory, stays, codes):
    told = []
    for added in (False, True):
        tables = changing_person()
        if added:
            tables["patient_activity"] += [spell(1, day, stay, diagnoses=["I500"]) for day, stay in stays]
            tables["patient_condition"] += [condition(1, day, COPD) for day in codes]
        with reading(tmp_path_factory.getbasetemp(), tables) as given:
            features = risk_features.features_of(given.configuration)
            risk_features.name_inputs(given)
            risk_features.compute(given.connection, "risk_train", features, index=INDEX, longest=365)
            columns = ", ".join(f'"{name}"' for name in features.names)
            told.append(given.connection.sql(f"SELECT {columns} FROM risk_train").fetchall())
    assert told[0] == told[1]


def admitted_later(people):
    """Who will be admitted within a year after the index day."""
    activity = people.tables["patient_activity"]
    index = np.datetime64(INDEX - timedelta(days=182))
    start = activity["start_time"].to_numpy()
    emergency = activity["is_emergency"].to_numpy(zero_copy_only=False)
    after = (start >= index) & (start < index + np.timedelta64(365, "D")) & emergency
    return np.unique(activity["patient_id"].to_numpy(zero_copy_only=False)[after])


def with_conditions(people, codes_of: dict[str, list[str]]) -> pa.Table:
    """Their conditions, and these besides, dated long before the index day."""
    rows = [
        {**condition(0, 2000, code), "patient_id": str(each), "event_key": f"x:{code}:{each}"}
        for code, chosen in codes_of.items()
        for each in chosen
    ]
    return pa.concat_tables(
        [people.tables["patient_condition"], pa.Table.from_pylist(rows)], promote_options="permissive"
    )


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "with an area of"), (0.3, "of the people with it")], ids=["of all", "of a third"]
)
def test_a_record_that_was_written_afterwards_and_dated_before_is_named(tmp_path, share, said):
    people = population(3_000, 24, seed=3, base=-2.0)
    admitted = admitted_later(people)
    chosen = admitted[: round(share * len(admitted))]
    tables = {**people.tables, "patient_condition": with_conditions(people, {DEMENTIA: chosen})}
    with reading(tmp_path, tables) as given, pytest.raises(RunFailed) as refused:
        fitting.fit(given)
    assert "The feature condition_dementia alone" in str(refused.value)
    assert said in str(refused.value)
    assert not list((tmp_path / "home").glob("risk_models/*"))


def test_records_that_were_dated_back_in_many_features_are_found_together(tmp_path):
    people = population(3_000, 24, seed=3, base=-2.0)
    chance = np.random.default_rng(1)
    admitted = admitted_later(people)
    others = np.setdiff1d(people.tables["patient"]["patient_id"].to_numpy(zero_copy_only=False), admitted)
    # Each alone is what a condition may well be: found in half of who is admitted and in a tenth of the others.
    codes_of = {
        code: [*admitted[chance.random(len(admitted)) < 0.5], *others[chance.random(len(others)) < 0.1]]
        for code in (COPD, DEMENTIA, HYPERTENSION, SCHIZOPHRENIA, LEARNING, "73211009", "84114007", "195967001")
    }
    tables = {**people.tables, "patient_condition": with_conditions(people, codes_of)}
    with reading(tmp_path, tables) as given, pytest.raises(RunFailed, match="all features together tell emergency"):
        fitting.fit(given)
    assert not list((tmp_path / "home").glob("risk_models/*"))


def test_a_planted_leak_stops_a_whole_fit(tmp_path):
    people = population(1_500, 24, seed=4)
    with reading(tmp_path, people.tables) as given, pytest.raises(RunFailed, match="The feature leak on"):
        fitting.fit(given, planted(given.configuration, LEAKS["stays of any day"]))
