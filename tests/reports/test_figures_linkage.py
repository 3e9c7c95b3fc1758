"""What the report tells of linkage: from what the link stage hands over, made up here, and of a whole small night."""

import dataclasses
import json
import re

import pytest

from registry_pipeline.config import load_configuration
from registry_pipeline.link import evidence
from registry_pipeline.reports.figures import build_report
from registry_pipeline.storage import Home
from tests.pipeline.conftest import FIRST, people, published  # noqa: F401  # a fixture
from tests.registry.conftest import CareSystem
from tests.reports.made_up_night import live, people_of, report, row, section, table


def measured(value, low, high, of=1000.0):
    return {"value": value, "low": low, "high": high, "of": of}


HANDED_OVER = {
    "model": {
        "version": "v0007",
        "card": "v0007.md",
        "trained_at": "2026-03-01T02:00:00+00:00",
        "trained_on": {"night": "2026-03-01", "records": 1000},
        "splink_version": "5.0.0",
        "has_households": True,
        "thresholds": [
            {"name": "match", "weight": 10.0, "probability": 0.999, "meaning": "joined from here", "how_chosen": "by design"}
        ],
        "newer_waiting": ["v0008"],
    },
    "m_and_u": [
        {"comparison": "given_name", "level": "same", "m": 0.8, "u": 0.005, "weight": 7.3},
        {"comparison": "given_name", "level": "different", "m": 0.01, "u": 0.99, "weight": -6.6},
    ],
    "calibration": {
        "saved": {"bins": [{"from": 0.0, "to": 0.1, "pairs": 500, "reported": 0.01, "true": 0.02, "low": 0.01, "high": 0.04}], "meaning": "in training"},
        "tonight": None,
        "why_not_tonight": "Too few pairs of verified numbers.",
    },
    "weight_histogram": {
        "series": ["match_by_number", "match_by_weight", "possible_match", "no_match"],
        "bins": [
            {"from": -1.0, "to": 0.0, "match_by_number": 0, "match_by_weight": 0, "possible_match": 3, "no_match": 812},
            {"from": 11.0, "to": 12.0, "match_by_number": 500, "match_by_weight": 40, "possible_match": 0, "no_match": 0},
        ],
        "thresholds": {"possible_match": 0.0, "match": 10.0},
        "grey_zone": {"from": 0.0, "to": 10.0, "pairs": 1, "possible_match": 1, "meaning": "In doubt."},
    },
    "decisions": [
        {"outcome": "match", "decided_by": "same_nhs_number", "pairs": 900, "meaning": "one number"},
        {"outcome": "match", "decided_by": "match_weight", "pairs": 100, "meaning": "the model"},
    ],
    "attention": [{"reason": "two_nhs_numbers", "waiting": 1, "new": 0, "meaning": "Two numbers."}],
    "ambiguity": {"margin": 6.0, "records_with_a_partner": 1000, "records": 12, "ties": 4, "meaning": "near", "handling": "not joined", "frozen": {"groups": 0, "records": 0}},
    "blocking": {
        "rules": [
            {"name": "same_nhs_number", "meaning": "one number", "kept_pairs_first": 900, "estimated_share_of_true_pairs": None},
            {"name": "name_and_birth_date", "meaning": "alike", "kept_pairs_first": 100, "estimated_share_of_true_pairs": 0.95},
            {"name": "phone", "meaning": "one phone", "kept_pairs_first": 1, "estimated_share_of_true_pairs": 0.3},
        ],
        "estimated_completeness": measured(0.99, 0.98, 0.995),
        "method": "hidden numbers",
    },
    "estimates": {
        "method": "NHS numbers hidden.",
        "false": measured(0.004, 0.002, 0.008),
        "missed": measured(0.02, 0.01, 0.03),
        "blocking_recall": measured(0.99, 0.98, 0.995),
        "missed_by_cause": {"never compared": 7},
        "false_by_cause": {"by weight": 2},
        "reasons": ["Optimistic: easier people."],
        "groups": [],
    },
    "review": {"night": "2026-03-01", "sample_pairs": 300, "reviewers": 2, "precision": measured(0.99, 0.97, 1.0), "recall": None, "agreement": {"1 and 2": {"pairs": 300, "cohens_kappa": 0.7}}, "reasons": []},
    "sensitivity": {
        "steps": [
            {"move": -2, "threshold": 8.0, "people": 1000, "multi_record_people": 300, "joined_pairs": 1010, "records_changed": 9, "pairs_gained": 10, "pairs_lost": 0},
            {"move": 0, "threshold": 10.0, "people": 1010, "multi_record_people": 290, "joined_pairs": 1000, "records_changed": 0, "pairs_gained": 0, "pairs_lost": 0},
        ],
        "approximation": ["Only weights are judged anew."],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    system = CareSystem(Home(tmp_path_factory.mktemp("told") / "home"))
    live(system, people_of("alone", 30, {"provider": "GP1"}))
    return report(system, linkage=HANDED_OVER)


def test_every_item_on_linkage_is_answered(told):
    answered = {item.number: item.section for item in told.checklist}
    assert {number: answered[number] for number in (5, 6, 7, 8, 10, 11, 14)} == {
        5: "blocking", 6: "model", 7: "model", 8: "ties", 10: "estimates", 11: "review", 14: "sensitivity",
    }  # fmt: skip
    assert not next(item for item in told.checklist if item.number == 11).reason


def test_errors_are_told_with_what_they_are_of(told):
    shown = {r[0]: r[1:4] for r in table(told, "estimated_errors").rows}
    # A tenth of the joined pairs were joined without a number.
    assert shown["False links, of all joined pairs"][0] == "green"
    assert shown["False links, of all joined pairs"][1] == pytest.approx(0.0004)
    assert shown["False links, of matches made as if nobody had a number"][1] == 0.004
    assert shown["Missed links, of pairs of one person matched as if they had no number"][:2] == ["green", 0.02]
    lights = {light.name: light for light in told.lights}
    assert lights["Estimated false links"].value == "0.04%"
    assert (lights["Estimated missed links"].colour, lights["Estimated missed links"].value) == ("green", "2.00%")
    assert told.headline["estimated_false"] == pytest.approx(0.0004)


def test_weights_calibration_rules_and_thresholds_are_drawn(told):
    charts = {c.id: c for part in told.sections for c in part.charts}
    histogram = charts["weight_histogram"]
    assert [(r["from"], r["value"], r["group"]) for r in histogram.data] == [
        (-1.0, 3, "to review"), (-1.0, 812, "kept apart"), (11.0, 500, "joined, same NHS number"), (11.0, 40, "joined by the model"),
    ]  # fmt: skip
    assert {"value": 10.0, "label": "match"} in histogram.options["reference"]
    assert charts["calibration_chart"].data[0]["observed"] == 0.02
    assert [r["level"] for r in charts["m_and_u_chart"].data] == ["same", "different"]
    assert "1 of 2 rules bring 90%" in charts["blocking_chart"].description
    assert [r["value"] for r in charts["people_by_threshold"].data] == [1000, 1010]
    assert row(told, "thresholds", "match")[:2] == [10.0, 0.999]
    assert row(told, "ambiguity", "of them with exactly equal partners") == [4]
    assert table(told, "kappa").flags == {0: "amber"}
    assert "Too few pairs of verified numbers." in section(told, "weights").notes


def test_a_whole_night_is_told_and_holds_no_personal_value(published):  # noqa: F811  # the fixture
    configuration = load_configuration(published, environment={})
    made = build_report(configuration, f"{FIRST}.1", linkage=evidence.gather(configuration, FIRST), governance={})
    sections = {each.id for each in made.sections}
    for item in made.checklist:
        assert item.section in sections if item.section else item.reason, item
    unanswered = {item.number for item in made.checklist if item.section is None}
    assert unanswered <= {10}, "only the errors may be unknown: no number of this system is verified"
    assert row(made, "people_overall", "People in the registry")[0] == 120
    assert [light.colour for light in made.lights][:2] == ["grey", "green"]
    text = json.dumps(dataclasses.asdict(made))
    for person in people():
        values = [person[name] for name in ("nhs", "surname", "dob", "street", "postcode", "forename")]
        found = [name for name in values if re.search(rf"\b{re.escape(name)}\b", text)]
        assert not found
