"""What a night's linkage says of itself for the report: beside what is plainly counted, and beside a night linked anew."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from registry_pipeline.config import Deployment, PostcodeLookup
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import estimate, evidence, nights, sensitivity
from registry_pipeline.link.evaluate import load_night
from registry_pipeline.link.intervals import Measured, excess_by_chance, units_of
from registry_pipeline.link.model import LinkageModel, load_model, saved_versions
from registry_pipeline.link.records import load_everybody
from registry_pipeline.outcomes import shares_of_night
from registry_pipeline.storage import Home, connect, read_json, scan, write_json
from tests.linkage.small_nights import NIGHT, record, write_night

MOST = 2_000
"""Records matched anew in these tests."""


@pytest.fixture(scope="module")
def gathered(made_up):
    """(configuration, evidence) of the made-up night."""
    configuration, shares, *_ = made_up
    with pytest.MonkeyPatch.context() as patch:
        for module in (evidence, estimate):
            patch.setattr(module, "shares_of_night", lambda *_: shares)
        return configuration, evidence.gather(configuration, NIGHT, most_records=MOST)


def rows_of(configuration, query):
    home = Home(configuration.home)
    files = {
        "pairs": scan(home.linked("linked_pair", NIGHT)),
        "clusters": scan(home.linked("person_cluster", NIGHT)),
        "records": scan([home.staged("person_record", code, NIGHT) for code in configuration.providers]),
    }
    connection = connect(home)
    try:
        return connection.execute(query.format(**files)).fetchall()
    finally:
        connection.close()


# Beside what is plainly counted -----------------------------------------------------------------------------------------


def test_totals_are_those_of_the_clusters(gathered):
    configuration, found = gathered
    sizes = [n for (n,) in rows_of(configuration, "SELECT count(*) FROM {clusters} GROUP BY cluster_id")]
    (kept,) = rows_of(configuration, "SELECT count(*) FROM {pairs}")[0]
    assert found["totals"] == {
        "records": sum(sizes),
        "people": len(sizes),
        "multi_record_people": sum(n > 1 for n in sizes),
        "joined_pairs": sum(n * (n - 1) // 2 for n in sizes),
        "kept_pairs": kept,
    }


def test_every_kept_pair_stands_once_in_decisions_histogram_and_blocking(gathered):
    configuration, found = gathered
    pairs = rows_of(configuration, "SELECT outcome, decided_by, match_weight, blocking_rule FROM {pairs}")
    decisions = {(d["outcome"], d["decided_by"]): d["pairs"] for d in found["decisions"]}
    assert decisions == Counter(row[:2] for row in pairs)
    assert all(d["meaning"] for d in found["decisions"])
    bins = found["weight_histogram"]["bins"]
    assert sum(b[name] for b in bins for name in evidence.SERIES) == len(pairs)
    assert sum(b["possible_match"] for b in bins if b["from"] == 3.0) == sum(
        outcome == "possible_match" and 3 <= weight < 4 for outcome, _, weight, _ in pairs
    )
    grey = found["weight_histogram"]["grey_zone"]
    assert grey["pairs"] == sum(
        grey["from"] <= weight < grey["to"] and by not in ("same_nhs_number", "local_merge")
        for _, by, weight, _ in pairs
    )
    assert {r["name"]: r["kept_pairs_first"] for r in found["blocking"]["rules"] if r["kept_pairs_first"]} == Counter(
        row[3] for row in pairs
    )
    assert all(r["compared_pairs_first"] >= r["kept_pairs_first"] and r["meaning"] for r in found["blocking"]["rules"])


def test_linked_records_are_counted_by_group(gathered):
    configuration, found = gathered
    plain = rows_of(
        configuration,
        "SELECT CASE WHEN nhs_number IS NULL THEN 'none' WHEN is_nhs_number_verified THEN 'verified'"
        " ELSE 'not verified' END, count(*), count(*) FILTER (cluster_size > 1)"
        " FROM {records} AS r INNER JOIN {clusters} USING (record_id) GROUP BY 1",
    )
    groups = found["groups_linked"]["groups"]
    told = {(g["group"], g["records"], g["linked"]) for g in groups if g["by"] == "nhs_number_status"}
    assert told == set(plain)
    for by in ("setting", "provider", "age_band", "sex", "ethnicity"):
        assert sum(g["records"] for g in groups if g["by"] == by) == found["totals"]["records"]
    assert "deprivation_decile" in found["groups_linked"]["not_by"]


def test_estimates_are_those_of_hidden_numbers(gathered, made_up, monkeypatch):
    configuration, found = gathered
    monkeypatch.setattr(estimate, "shares_of_night", lambda *_: made_up[1])
    alone = estimate.from_hidden_numbers(configuration, NIGHT, most_records=MOST)
    told = found["estimates"]
    assert told["recall"] == alone.measures["estimated_recall"].as_json()
    assert told["missed"]["value"] == pytest.approx(1 - told["recall"]["value"])
    assert told["missed"]["low"] <= told["missed"]["value"] <= told["missed"]["high"]
    assert told["true_pairs"] == alone.true_pairs
    assert {g["by"] for g in told["groups"]} == {"setting", "provider", "age_band", "sex", "ethnicity"}
    assert all(g["is_compared"] or not g["falls_behind"] for g in told["groups"])
    whole = next(g for g in told["groups"] if g["by"] == "provider")
    assert whole["missed_gap"] == pytest.approx(whole["missed"]["value"] - told["missed"]["value"])
    assert found["blocking"]["estimated_completeness"] == told["blocking_recall"]
    likelier = sum(n for cause, n in told["false_by_cause"].items() if "two numbers" in cause)
    both, without = told["missed_by_two_numbers"], told["false_without_two_numbers"]
    assert (both["value"] > 0) == (likelier > 0)
    assert both["of"] <= told["true_pairs"] + likelier
    assert 0 <= without["value"] <= told["false"]["value"]


def test_estimates_with_kept_keys_are_those_with_keys_made_anew(gathered, made_up, monkeypatch):
    """A night that other code linked has keys that say nothing to this code: they are made again, for everybody."""
    configuration, found = gathered
    monkeypatch.setattr(estimate, "shares_of_night", lambda *_: made_up[1])
    read = []
    kept_keys = estimate._kept_keys
    monkeypatch.setattr(estimate, "_kept_keys", lambda *a: read.append(kept_keys(*a)) or [])
    anew = estimate.from_hidden_numbers(configuration, NIGHT, most_records=MOST)
    assert read[0], "the night's own keys were not to be used at all"
    assert anew.measures["estimated_recall"].as_json() == found["estimates"]["recall"]
    shares = {r["name"]: r["estimated_share_of_true_pairs"] for r in found["blocking"]["rules"]}
    assert anew.by_rule == {name: shares[name] for name in anew.by_rule}


def test_calibration_is_told_as_saved_and_as_tonight(gathered):
    configuration, found = gathered
    saved, tonight = found["calibration"]["saved"], found["calibration"]["tonight"]
    _, path = saved_versions(configuration.models)[0]
    assert [b["true"] for b in saved["bins"]] == [row["true"] for row in load_model(path).calibration.reliability]
    assert sum(b["pairs"] for b in tonight["bins"]) > 100
    assert all(0 <= b["low"] <= b["true"] <= b["high"] <= 1 for b in tonight["bins"])
    assert 0 <= tonight["error"] < 0.1


def test_the_model_is_told_by_its_own_numbers(gathered):
    configuration, found = gathered
    version, path = saved_versions(configuration.models)[0]
    model, told = load_model(path), found["model"]
    assert told["version"] == version
    given = next(c for c in told["comparisons"] if c["name"] == "given_name")
    assert {level["name"]: level["m"] for level in given["levels"]} == {
        name: numbers.m for name, numbers in model.comparisons["given_name"].items()
    }
    weights = {t["name"]: t["weight"] for t in told["thresholds"]}
    assert weights["match"] == model.match_weight
    assert weights["bridge"] > weights["match"] > weights["stays_joined"] > weights["possible_match"] > weights["kept"]
    assert len(found["m_and_u"]) == sum(len(c["levels"]) for c in told["comparisons"])
    assert all("vega-lite" in spec["$schema"] for spec in found["splink_charts"].values())
    assert len(found["splink_charts"]) == 2


def test_no_value_of_a_person_is_in_it(gathered):
    configuration, found = gathered
    text = json.dumps(found, allow_nan=False)
    fields = ("nhs_number", "postcode", "address", "phone", "email", "record_id")
    looked_for = 0
    for field in fields:
        values = [v for (v,) in rows_of(configuration, f"SELECT DISTINCT {field} FROM {{records}}") if v]
        looked_for += len(values)
        assert not [v for v in values if v in text], field
    assert looked_for > 5_000
    names = rows_of(configuration, "SELECT given_name FROM {records} UNION SELECT family_name FROM {records}")
    words = set(re.findall(r"\b[A-Z][A-Z]+\b", text))
    # SQL's own words stand in the conditions of levels.
    assert not {n for (n,) in names if n and len(n) > 3} & words


# Sensitivity ------------------------------------------------------------------------------------------------------------


def test_where_the_threshold_stays_nothing_changes(gathered):
    _, found = gathered
    steps = {step["move"]: step for step in found["sensitivity"]["steps"]}
    assert tuple(steps) == sensitivity.MOVES
    names = ("people", "joined_pairs", "multi_record_people")
    assert {name: steps[0][name] for name in names} == {name: found["totals"][name] for name in names}
    assert steps[0]["records_changed"] == steps[0]["pairs_gained"] == steps[0]["pairs_lost"] == 0
    people = [steps[move]["people"] for move in sorted(steps)]
    assert people == sorted(people)
    assert people[0] < people[-1]


@pytest.mark.parametrize("move", [-4.0, 4.0])
def test_a_moved_threshold_gives_what_linking_anew_with_it_gives(gathered, made_up, move):
    """A first night: there is no one yet who could stay joined on less."""
    configuration, shares, *_ = made_up
    _, path = saved_versions(configuration.models)[0]
    model = load_model(path)
    moved = replace(model, match_weight=model.match_weight + move)
    beside = Home(configuration.home).temporary / f"moved_by_{move:g}"
    nights.link_beside(configuration, NIGHT, shares, moved, beside, prior=None)
    anew = dict(rows_of(configuration, f"SELECT record_id, cluster_id FROM '{beside}/person_cluster.parquet'"))
    then = dict(rows_of(configuration, "SELECT record_id, cluster_id FROM {clusters}"))
    step = next(s for s in gathered[1]["sensitivity"]["steps"] if s["move"] == move)
    sizes = Counter(anew.values())
    assert step["people"] == len(sizes)
    assert step["multi_record_people"] == sum(n > 1 for n in sizes.values())
    assert step["joined_pairs"] == sum(n * (n - 1) // 2 for n in sizes.values())
    assert step["records_changed"] == len(changed(then, anew))


def test_in_data_without_families_too(made_up, tmp_path, monkeypatch):
    """There, who is left over rests on all records: every group is made anew."""
    configuration, shares, *_ = made_up
    home = Home(tmp_path)
    (tmp_path / "staging").symlink_to(configuration.home / "staging")
    model = replace(load_model(saved_versions(configuration.models)[0][1]), has_households=False, match_weight=16.0)
    found = {}
    for move in (0.0, 2.0):
        # The night itself lies where a night lies, the other one beside it.
        folder = home.linked("linked_pair", NIGHT).parent if not move else home.temporary / "moved"
        nights.link_beside(
            configuration.model_copy(update={"home": tmp_path}), NIGHT, shares,
            replace(model, match_weight=16.0 + move), folder, prior=None,
        )  # fmt: skip
        found[move] = dict(
            rows_of(configuration, f"SELECT record_id, cluster_id FROM '{folder}/person_cluster.parquet'")
        )
    monkeypatch.setattr(sensitivity, "MOVES", (0.0, 2.0))
    connection = connect(home)
    try:
        load_night(connection, home, NIGHT, shares)
        load_everybody(connection, home, shares)
        counts = sensitivity.count_night(connection)
        night, anew = sensitivity.move_threshold(connection, home, NIGHT, model, counts)
    finally:
        connection.close()
    # Whether a rival is seen rests there on the order in which a night's records happen to be numbered.
    assert abs(night.people - len(set(found[0.0].values()))) <= FEW
    assert abs(anew.people - len(set(found[2.0].values()))) <= FEW
    assert abs(anew.records_changed - len(changed(found[0.0], found[2.0]))) <= 3 * FEW
    assert anew.people > night.people


FEW = 5


def changed(then, now):
    """Records that share their cluster with others than before."""

    def others(of):
        members = {}
        for name, cluster in of.items():
            members.setdefault(cluster, set()).add(name)
        return {name: frozenset(members[cluster]) for name, cluster in of.items()}

    before, after = others(then), others(now)
    return [name for name in then if before[name] != after[name]]


MODEL = LinkageModel("v0001", 0.5, {}, has_households=True, match_weight=10.0)


def by_weight(left, right, weight, *, by="match_weight", judged=None, decided=None):
    """A kept pair of two numbers of `record`."""
    ends = sorted(record(n, "", "")["record_id"] for n in (left, right))
    judged = judged or ("match" if weight >= MODEL.match_weight else "possible_match")
    return {
        "record_id_l": ends[0], "record_id_r": ends[1], "match_weight": weight, "match_probability": 0.9,
        "judged_by": by, "judged_outcome": judged, "decided_by": decided or by,
        "outcome": "match" if decided == "stays_joined" else judged,
    }  # fmt: skip


def moved(folder, records, pairs, held=()):
    """The steps of a night that is written by hand, by their move."""
    configuration = write_night(folder, records, pairs)
    home = Home(configuration.home)
    connection = connect(home)
    try:
        marked = ", ".join(f"('{p['record_id_l']}', '{p['record_id_r']}')" for p in held) or "(NULL, NULL)"
        home.linked("held_pair", NIGHT).parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"COPY (SELECT * FROM (VALUES {marked}) AS t(record_id_l, record_id_r) WHERE record_id_l IS NOT NULL)"
            f" TO '{home.linked('held_pair', NIGHT)}' (FORMAT parquet)"
        )
        shares = shares_of_night(configuration, NIGHT)
        load_night(connection, home, NIGHT, shares)
        load_everybody(connection, home, shares)
        counts = sensitivity.count_night(connection)
        return {s.move: s for s in sensitivity.move_threshold(connection, home, NIGHT, MODEL, counts)}
    finally:
        connection.close()


def test_a_pair_parts_and_joins_as_its_weight_says(tmp_path):
    records = [record(n, "", c) for n, c in enumerate("AABCDD")]
    pairs = [by_weight(0, 1, 13.0), by_weight(2, 3, 8.5), by_weight(4, 5, 30.0)]
    steps = moved(tmp_path, records, pairs)
    assert {move: step.people for move, step in steps.items()} == {-4: 3, -2: 3, -1: 4, 0: 4, 1: 4, 2: 4, 4: 5}
    assert (steps[-2].pairs_gained, steps[-2].records_changed) == (1, 2)
    assert (steps[4].pairs_lost, steps[4].records_changed) == (1, 2)


def test_rules_and_numbers_keep_their_say(tmp_path):
    """A rule's pair never joins, one of one number never parts, and two numbers keep a group cut."""
    numbers = {4: "9990000018", 6: "9990000026"}
    records = [record(n, "", c, nhs_number=numbers.get(n)) for n, c in enumerate("ABCCEEG")]
    pairs = [
        by_weight(0, 1, 9.5, by="parent_and_child_of_one_name", judged="possible_match"),
        by_weight(2, 3, 2.0, by="same_nhs_number", judged="match"),
        by_weight(4, 5, 20.0),
        by_weight(5, 6, 9.0),
    ]
    steps = moved(tmp_path, records, pairs)
    assert {step.people for step in steps.values()} == {5}


def test_who_stays_joined_needs_as_much_less_at_another_threshold(tmp_path):
    """A pair of weight 8.5 that is held stays to a threshold of 11.5; one that is not held is not there at all."""
    held = by_weight(0, 1, 8.5, decided="stays_joined")
    steps = moved(tmp_path, [record(0, "", "A"), record(1, "", "A")], [held], held=[held])
    assert {move: step.people for move, step in steps.items()} == {-4: 1, -2: 1, -1: 1, 0: 1, 1: 1, 2: 2, 4: 2}


def test_a_large_night_without_families_is_not_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(sensitivity, "MOST_RECORDS_ALL_ANEW", 1)
    counts = sensitivity.Counts(2, 2, 0, 0)
    alone = replace(MODEL, has_households=False)
    assert sensitivity.move_threshold(None, Home(tmp_path), NIGHT, alone, counts) is None


# What cannot be known ---------------------------------------------------------------------------------------------------


def small_night(folder, made_up, **columns):
    """Two people of two records each, linked by the made-up night's model."""
    configuration = made_up[0]
    version, path = saved_versions(configuration.models)[0]
    pairs = [{**by_weight(0, 1, 20.0), "model_version": version}, {**by_weight(2, 3, 12.0), "model_version": version}]
    made = write_night(folder, [record(n, c, c, **columns) for n, c in enumerate("AABB")], pairs)
    made.models.mkdir()
    (made.models / path.name).write_bytes(path.read_bytes())
    return made


def test_too_few_numbers_are_told_and_nothing_is_made_up(tmp_path, made_up):
    found = evidence.gather(small_night(tmp_path, made_up, family_name="NG"), NIGHT)
    told = found["estimates"]
    assert "too few" in told["why_none"]
    assert told["recall"] is told["missed"] is told["false"] is None
    assert told["groups"] == []
    assert found["calibration"]["tonight"] is None
    assert found["calibration"]["why_not_tonight"] == told["why_none"]
    assert found["blocking"]["estimated_completeness"] is None
    assert found["totals"]["people"] == 2
    assert {s["move"]: s["people"] for s in found["sensitivity"]["steps"]}[4] == 3


def test_without_its_model_a_night_still_tells_what_was_decided(tmp_path):
    configuration = write_night(tmp_path, [record(n, c, c) for n, c in enumerate("AAB")], [by_weight(0, 1, 20.0)])
    found = evidence.gather(configuration, NIGHT)
    assert not found["model"]["file_is_there"]
    assert "v0001" in found["model"]["why_none"]
    assert found["sensitivity"] is None
    assert found["why_no_sensitivity"] == found["estimates"]["why_none"]
    assert found["splink_charts"] == {}
    assert found["decisions"] == [
        {"outcome": "match", "decided_by": "match_weight", "pairs": 1, "meaning": evidence.DECIDED_BY["match_weight"]}
    ]
    assert json.dumps(found)


def test_a_night_that_is_not_linked_is_refused(tmp_path, made_up):
    with pytest.raises(BadInput, match="not linked"):
        evidence.gather(small_night(tmp_path, made_up), NIGHT.replace(month=5))


# Groups -----------------------------------------------------------------------------------------------------------------


def test_with_a_list_of_postcodes_figures_are_told_by_deprivation(tmp_path, made_up):
    configuration = small_night(tmp_path, made_up, postcode="ZZ1 1AA")
    (tmp_path / "areas.csv").write_text("pcds,lsoa21,decile\nZZ1 1AA,E01000001,3\n")
    lookup = PostcodeLookup(path="areas.csv", postcode="pcds", lsoa="lsoa21", deprivation_decile="decile")
    deployment = Deployment(models=configuration.models, postcodes=lookup, sources=tmp_path)
    found = evidence.gather(configuration.model_copy(update={"deployment": deployment}), NIGHT)
    groups = [g for g in found["groups_linked"]["groups"] if g["by"] == "deprivation_decile"]
    assert groups == [{"by": "deprivation_decile", "group": "03", "records": 4, "linked": 4, "share_linked": 1.0}]
    assert "deprivation_decile" in found["estimates"]["by"]


def groups_of(shares, people):
    """Groups of so many people of one pair each, of whom a share is missed."""
    return {
        name: units_of(("true", "missed"), [(2, 2, round(n * share)), (2, 0, n - round(n * share))])
        for (name, share), n in zip(shares.items(), people, strict=True)
    }


def test_chance_allows_a_small_group_more_than_a_large_one():
    allowed = excess_by_chance(groups_of({"large": 0.02, "small": 0.02}, (5_000, 100)), "missed", "true")
    assert 0 < allowed["large"] < 0.01 < allowed["small"] < 0.06


def test_more_groups_must_differ_more_to_be_told_apart():
    few = excess_by_chance(groups_of({"a": 0.05, "b": 0.05}, (400, 400)), "missed", "true")
    many = excess_by_chance(groups_of({f"g{n}": 0.05 for n in range(20)}, (400,) * 20), "missed", "true")
    assert many["g0"] > few["a"]


def test_alike_groups_are_seldom_taken_for_one_that_falls_behind():
    """Of 40 nights on which ten groups are linked alike, hardly one tells of a group."""
    generator = np.random.default_rng(1)
    told = 0
    for _ in range(40):
        missed = generator.binomial(300, 0.04, size=10)
        groups = groups_of({f"g{n}": m / 300 for n, m in enumerate(missed)}, (300,) * 10)
        allowed = excess_by_chance(groups, "missed", "true")
        told += any(m / 300 - missed.sum() / 3_000 > allowed[f"g{n}"] for n, m in enumerate(missed))
    assert told <= 5


@pytest.mark.parametrize(
    ("own", "by_chance", "expected"),
    [
        (Measured(0.05, 0.03, 0.07, 900), 0.01, True),
        (Measured(0.05, 0.03, 0.07, 900), 0.04, False),
        (Measured(0.05, 0.015, 0.09, 90), 0.01, False),
        (Measured(0.025, 0.021, 0.03, 9_000), 0.001, False),
        (Measured(0.01, 0.00, 0.02, 900), 0.01, False),
        (Measured(0.50, 0.30, 0.70, 9), None, False),
    ],
    ids=["far behind", "by chance", "interval too wide", "too little to matter", "better", "too small to compare"],
)
def test_a_group_falls_behind_by_a_margin_and_not_by_chance(own, by_chance, expected):
    whole = Measured(0.02, 0.018, 0.022, 20_000)
    assert evidence.falls_behind(own, whole, by_chance, evidence.MISSED_MARGIN) is expected


# Review -----------------------------------------------------------------------------------------------------------------


def test_the_last_review_is_told_without_who_gave_it(tmp_path, made_up):
    configuration = small_night(tmp_path, made_up)
    folder = tmp_path / "sample"
    sample = estimate.write_review_sample(configuration, NIGHT, 2, folder)
    lines = sample.path.read_text().replace(",,,", ",true,Ada Lovelace,")
    (tmp_path / "back.csv").write_text(lines)
    home = Home(configuration.home)
    estimate.keep_review(home, estimate.from_review(configuration, NIGHT, [tmp_path / "back.csv"]))
    found = evidence.gather(configuration, NIGHT)
    assert (found["review"]["sample_pairs"], found["review"]["reviewers"]) == (2, 1)
    assert found["review"]["precision"]["value"] == 1.0
    assert found["why_no_review"] is None
    assert "Lovelace" not in json.dumps(found)
    assert estimate.last_review(home, NIGHT.replace(month=3)) is None


def test_a_review_that_cannot_be_read_is_told(tmp_path):
    home = Home(tmp_path)
    path = estimate.keep_review(home, estimate._reviewed(NIGHT, [], {}))
    path.write_text("{")
    with pytest.raises(RunFailed, match="registry evaluate --review"):
        estimate.last_review(home, NIGHT)


def test_a_damaged_note_of_the_night_is_told(tmp_path, made_up):
    configuration = small_night(tmp_path, made_up)
    note = Home(configuration.home).linked("linked", NIGHT).with_suffix(".json")
    write_json(note, {"values_left_out": {"email": {"values": 3, "most_records": 900}}})
    rules = {r["name"]: r for r in evidence.gather(configuration, NIGHT)["blocking"]["rules"]}
    assert (rules["email"]["values_left_out"], rules["email"]["most_records_of_a_value"]) == (3, 900)
    assert read_json(note)
    note.write_text("{")
    with pytest.raises(RunFailed, match="cannot be read"):
        evidence.gather(configuration, NIGHT)
