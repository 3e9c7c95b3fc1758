"""Linkage of a made-up population: accuracy, laws of the tables, training without truth, choosing a model."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest

from registry_pipeline import link
from registry_pipeline.config import Deployment
from registry_pipeline.errors import BadInput
from registry_pipeline.link.model import (
    COMPARISONS,
    MATCH_WEIGHT,
    LevelNumbers,
    LinkageModel,
    choose_model,
    comparison_named,
    load_model,
)
from registry_pipeline.link.train import OneHome, Patterns, expectation_maximisation
from registry_pipeline.storage import Home, connect, scan
from tests.linkage.made_up_records import NIGHT, stage_table

LEAST_PRECISION = 0.999
LEAST_RECALL = 0.97


@pytest.fixture(scope="module")
def tables(made_up):
    configuration, *_ = made_up
    home = Home(configuration.home)
    connection = connect(home)
    for table in ("linked_pair", "person_cluster"):
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM {scan(home.linked(table, NIGHT))}")
    records = [home.staged("person_record", code, NIGHT) for code in configuration.providers]
    connection.execute(f"CREATE VIEW person_record AS SELECT * FROM {scan(records)}")
    yield connection
    connection.close()


def test_accuracy(made_up, shares_as_given):
    configuration, shares, truth, *_ = made_up
    shares_as_given(shares)
    found = link.evaluate(configuration, NIGHT, truth)
    assert found.precision >= LEAST_PRECISION, found.figures()
    assert found.recall >= LEAST_RECALL, found.figures()
    assert found.blocking_recall >= LEAST_RECALL
    assert sum(true for true, _, _ in found.by_settings.values()) == found.true_pairs


def test_no_cluster_holds_two_numbers(tables):
    found = tables.execute(
        "SELECT count(*) FROM (SELECT cluster_id FROM person_cluster INNER JOIN person_record USING (record_id)"
        " GROUP BY cluster_id HAVING count(DISTINCT nhs_number) > 1)"
    ).fetchall()
    assert found == [(0,)]


def test_every_record_has_one_cluster_named_after_its_smallest_record(tables):
    records, clustered = tables.execute(
        "SELECT (SELECT count(*) FROM person_record), count(DISTINCT record_id) FROM person_cluster"
    ).fetchall()[0]
    assert records == clustered
    wrong = tables.execute(
        "SELECT count(*) FROM (SELECT cluster_id, min(record_id) AS smallest, count(*) AS size,"
        " max(cluster_size) AS said FROM person_cluster GROUP BY cluster_id) WHERE smallest <> cluster_id OR size <> said"
    ).fetchall()
    assert wrong == [(0,)]


def test_weights_add_up_field_by_field(tables, made_up):
    """Prior and comparison weights sum to the match weight, so that an explanation explains it."""
    model = made_up[3].model
    records = tables.execute("SELECT count(*) FROM person_record").fetchall()[0][0]
    prior = model.prior(records)
    weights = " + ".join(f"coalesce(comparison_weights.{c.name}, 0)" for c in COMPARISONS)
    off = tables.execute(
        f"SELECT max(abs({weights} + log2($prior / (1 - $prior)) - match_weight)) FROM linked_pair",
        {"prior": prior},
    ).fetchall()[0][0]
    assert off < 0.01


def test_pairs_are_ordered_and_unique(tables):
    rows, distinct, ordered = tables.execute(
        "SELECT count(*), count(DISTINCT (record_id_l, record_id_r)), count(*) FILTER (record_id_l < record_id_r)"
        " FROM linked_pair"
    ).fetchall()[0]
    assert rows == distinct == ordered > 0


def test_linking_again_gives_the_same(made_up, tables):
    configuration, shares, *_ = made_up
    before = tables.execute("SELECT bit_xor(hash(record_id, cluster_id)) FROM person_cluster").fetchall()
    link.link_night(configuration, NIGHT, shares)
    assert tables.execute("SELECT bit_xor(hash(record_id, cluster_id)) FROM person_cluster").fetchall() == before


def test_a_saved_model_is_the_trained_one_and_holds_no_value_of_a_person(made_up):
    *_, trained, linked = made_up
    loaded = load_model(trained.path)
    assert loaded.comparisons == trained.model.comparisons
    assert linked.model_version == trained.version == "v0001"
    text = trained.path.read_text() + trained.card.read_text()
    for value in ("90000000", "GPA-", "ROAD TOWN", "1935-"):
        assert value not in text


def test_numbers_are_sound(made_up):
    model = made_up[3].model
    for comparison in COMPARISONS:
        if comparison.name in model.comparisons:
            numbers = model.comparisons[comparison.name]
            assert all(0 < n.m <= 1 and 0 < n.u <= 1 for n in numbers.values())
            steps = [numbers[level.name].weight for level in comparison.levels if level.is_step]
            # Steps that training pooled weigh the same, but for the last digit of a float.
            assert all(a >= b - 1e-9 for a, b in itertools.pairwise(steps)), comparison.name


def test_the_prior_follows_the_number_of_records():
    model = LinkageModel("v0001", 0.8, {})
    assert model.prior(2_000_000) == pytest.approx(model.prior(20_000) / 100, rel=0.01)
    assert model.match_weight == MATCH_WEIGHT


def test_works_with_names_and_birth_date_only(made_up, tmp_path):
    configuration, shares, *_ = made_up
    home = Home(configuration.home)
    connection = connect(home)
    try:
        records = [home.staged("person_record", code, NIGHT) for code in configuration.providers]
        connection.execute(
            "CREATE TABLE bare AS SELECT provider, setting, local_id, given_name, family_name, birth_date"
            f" FROM {scan(records)}"
        )
        bare = stage_table(connection, "bare", tmp_path)
    finally:
        connection.close()
    trained = link.train(bare, NIGHT, shares)
    assert set(trained.model.comparisons) == {"given_name", "family_name", "birth_date"}
    linked = link.link_night(bare, NIGHT, shares)
    assert linked.comparisons == ("given_name", "family_name", "birth_date")
    (tmp_path / "shipped").mkdir()
    content = json.loads(made_up[3].path.read_text()) | {"version": "v0009"}
    (tmp_path / "shipped" / "v0009.json").write_text(json.dumps(content))
    with_shipped = bare.model_copy(update={"deployment": Deployment(models=tmp_path / "shipped")})
    assert link.link_night(with_shipped, NIGHT, shares, full=True).comparisons == linked.comparisons


def test_choosing_a_model(made_up, tmp_path):
    configuration, *_, trained, _ = made_up
    assert choose_model(configuration, {"given_name", "birth_date"}).version == "v0001"

    def with_deployment(**options):
        return configuration.model_copy(update={"deployment": Deployment(**options)})

    with pytest.raises(BadInput, match="no linkage model 'v0009'"):
        choose_model(with_deployment(models=configuration.models, model="v0009"), {"given_name"})
    with pytest.raises(BadInput, match="registry train"):
        choose_model(with_deployment(models=tmp_path / "none"), {"given_name"})
    # A newer model without the phone fits where no phone is delivered; the older one where it is.
    shutil.copy(trained.path, tmp_path / "v0001.json")
    content = json.loads(trained.path.read_text())
    del content["comparisons"]["phone"]
    (tmp_path / "v0002.json").write_text(json.dumps(content | {"version": "v0002"}))
    (tmp_path / "v0003.json").write_text("not a model")
    both = with_deployment(models=tmp_path)
    assert choose_model(both, {"given_name"}).version == "v0002"
    assert choose_model(both, {"given_name", "phone"}).version == "v0001"
    assert choose_model(both, {"email"}).version == "v0002"
    with pytest.raises(BadInput, match="not a linkage model"):
        choose_model(with_deployment(models=tmp_path, model="v0003"), {"given_name"})
    (tmp_path / "v0004.json").write_text(json.dumps(content | {"comparison_code_version": 0}))
    with pytest.raises(BadInput, match="comparisons of version 0"):
        choose_model(with_deployment(models=tmp_path, model="v0004"), {"given_name"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"comparison_code_version": 0}, "comparisons of version 0"),
        ({"splink": "4"}, "trained with Splink 4, here is Splink"),
        ({"columns": ["given_name", "shoe_size"]}, r"person_record does not have \(shoe_size\)"),
        ({"comparisons": {"shoe_size": {}}}, r"comparisons that this code does not make \(shoe_size\)"),
        ({"comparisons": {"sex": {"same": {"m": 2.0, "u": 0.5}}}}, "not a linkage model"),
        ({"calibration": {"from_weight": 0, "log_odds": {}, "pairs": {}, "label_noise": 0, "reliability": []}}, "not a linkage"),
        ({"calibration": None}, "not a linkage model"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_says_why(made_up, tmp_path, change, said):
    content = json.loads(made_up[3].path.read_text()) | change
    path = tmp_path / "v0007.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=said) as refused:
        load_model(path)
    assert str(path) in str(refused.value)


def test_a_saved_model_is_the_model(made_up):
    trained = made_up[3]
    loaded = load_model(trained.path)
    assert loaded.digest == load_model(trained.path).digest
    for group, curve in trained.model.calibration.log_odds.items():
        assert loaded.calibration.log_odds[group] == pytest.approx(curve, abs=1e-4)


def test_labels_decide_in_training():
    """A labelled pair counts by its label, however unlikely its pattern makes it; the unlabelled follow."""
    sex = comparison_named("sex")
    same, different = sex.gamma("same"), sex.gamma("different")
    gammas = np.array([[same], [different], [same], [different]])
    labels = np.array([1, 1, 0, -1])
    patterns = Patterns(gammas, np.array([600, 400, 500, 0]), labels)
    m, u = {"sex": np.array([0.01, 0.99])}, {"sex": np.array([0.5, 0.5])}
    share, fitted = expectation_maximisation(patterns, ["sex"], ["sex"], m, u)
    assert share == pytest.approx(1_000 / 1_500)
    assert fitted["sex"][different] == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("one_person", "two_people", "wrong", "expected"),
    [
        (1_000, 900, 0.01, True),  # about one pair of relatives for each pair of one person
        (1_000, 20, 0.01, False),  # nobody lives together
        (1_000, 150, 0.3, False),  # names and dates so often wrong that one person looks like two
        (5, 3, 0.01, None),  # too few to tell
    ],
)
def test_families_show_in_one_home(one_person, two_people, wrong, expected):
    levels = {"different": LevelNumbers(wrong, 0.9)}
    model = LinkageModel("v0001", 0.5, {"given_name": levels, "birth_date": levels})
    assert OneHome(one_person, two_people, None).show_families(model) is expected


def test_a_telephone_of_one_home_counts_once(made_up):
    phone = made_up[3].model.comparisons["phone"]
    assert phone["same_in_one_home"].weight < phone["same"].weight / 2


def test_what_people_change_is_weak_evidence_against_a_match(made_up):
    for comparison in COMPARISONS:
        numbers = made_up[3].model.comparisons.get(comparison.name)
        for level in comparison.levels:
            if numbers and level.least_weight is not None:
                assert numbers[level.name].weight >= level.least_weight - 1e-6


def test_truth_that_cannot_be_used_is_said(made_up, tmp_path):
    configuration, *_ = made_up
    wrong = tmp_path / "truth.csv"
    wrong.write_text("provider,number\nGPA,1\n")
    with pytest.raises(BadInput, match="provider, local_id and person_id"):
        link.evaluate(configuration, NIGHT, wrong)
