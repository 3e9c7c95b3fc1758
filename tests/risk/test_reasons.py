"""Reasons: what raises a person's risk, in words that a clinician reads without a key."""

import numpy as np
import pytest

from registry_pipeline.risk import reasons
from registry_pipeline.risk.features import PERSON_FEATURES, STATE_FEATURES, USE_FEATURES, Feature
from registry_pipeline.risk.model import column_names, design

BY_NAME = {feature.name: feature for feature in (*PERSON_FEATURES, *USE_FEATURES, *STATE_FEATURES)}
CONDITION = Feature("condition_copd", "condition_copd", "copd", "flag", "yes or no", "condition", None, "true")
NOT_KNOWN = float("nan")


def told(values: dict[str, float], longest: int = 365, added: dict[str, float] | None = None) -> list[str]:
    """The reasons of a person of whom these features hold; each adds 1 to the log odds, or as given."""
    features = [CONDITION if name == "condition_copd" else BY_NAME[name] for name in values]
    arrays = {name: np.array([value], dtype=np.float32) for name, value in values.items()}
    matrix = np.zeros_like(design(features, arrays))
    seen = set()
    for place, (_, feature) in enumerate(column_names(features)):
        if feature not in seen:
            matrix[0, place] = (added or {}).get(feature, 1.0)
            seen.add(feature)
    return reasons.tell(features, longest, arrays, matrix).to_pylist()[0]


@pytest.mark.parametrize(
    ("values", "longest", "words"),
    [
        ({"emergency_admissions_long": 3}, 365, "three emergency admissions in the last year"),
        ({"emergency_admissions_long": 1}, 365, "one emergency admission in the last year"),
        ({"emergency_admissions_30": 1, "emergency_admissions_90": 2, "emergency_admissions_long": 3}, 365, "three emergency admissions in the last year, one of them in the last 30 days"),
        ({"emergency_admissions_30": 0, "emergency_admissions_90": 2, "emergency_admissions_long": 3}, 365, "three emergency admissions in the last year, two of them in the last 90 days"),
        ({"emergency_admissions_30": 2, "emergency_admissions_90": 2, "emergency_admissions_long": 2}, 365, "two emergency admissions in the last 30 days"),
        ({"emergency_admissions_long": 2}, 183, "two emergency admissions in the last 6 months"),
        ({"emergency_bed_days_long": 41}, 365, "41 days in hospital after emergency admissions in the last year"),
        ({"emergency_attendances_90": 1}, 365, "one attendance at an emergency department in the last 90 days"),
        ({"repeat_medicines_long": 12}, 365, "12 medicines on repeat prescription in the last year"),
        ({"mental_health_stays_long": 2}, 365, "two stays in mental health inpatient care in the last year"),
        ({"planned_admissions_long": 2}, 365, "two admissions not recorded as an emergency in the last year"),
        ({"age": 87.4}, 365, "aged 85 to 89"),
        ({"age": 97}, 365, "aged 90 or over"),
        ({"age": 0.5}, 365, "aged under 1"),
        ({"age": 3}, 365, "aged 1 to 4"),
        ({"age": NOT_KNOWN}, 365, "age is not known"),
        ({"is_female": 0}, 365, "male"),
        ({"deprivation": 9}, 365, "home in a deprived area (decile 1 of 10, 1 the most deprived)"),
        ({"electronic_frailty_index": 0.31}, 365, "electronic frailty index recorded as 0.31"),
        ({"hospital_frailty_points": 4.2}, 365, "hospital diagnoses that go with frailty in the last year (4.2 points)"),
        ({"home_care_services": 2}, 365, "two social care services in the community"),
        ({"residential_care": 1}, 365, "residential or nursing care"),
        ({"is_carer": 1}, 365, "is an unpaid carer"),
        ({"condition_copd": 1}, 365, "copd"),
    ],
    ids=lambda value: value.replace(" ", "_")[:60] if isinstance(value, str) else None,
)  # fmt: skip
def test_words(values, longest, words):
    assert told(values, longest) == [words]


@pytest.mark.parametrize(
    "values",
    [
        {"emergency_admissions_long": 0}, {"gp_contacts_long": 0}, {"condition_copd": 0}, {"deprivation": 2},
        {"deprivation": NOT_KNOWN}, {"electronic_frailty_index": NOT_KNOWN},
        {"electronic_frailty_index": 0.08}, {"is_female": NOT_KNOWN}, {"is_carer": 0},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_there_is_no_reason(values):
    assert told(values) == []


def test_most_important_first_and_no_more_than_five():
    values = {
        "age": 80,
        "emergency_admissions_long": 2,
        "condition_copd": 1,
        "residential_care": 1,
        "has_carer": 1,
        "frailty": 1,
        "is_female": 1,
    }
    added = {
        "age": 0.2,
        "emergency_admissions_long": 1.2,
        "condition_copd": 0.9,
        "residential_care": 0.01,
        "has_carer": -0.5,
        "frailty": 0.3,
        "is_female": 0.1,
    }
    assert told(values, added=added) == [
        "two emergency admissions in the last year", "copd", "frailty", "aged 80 to 84", "female",
    ]  # fmt: skip
    everything = dict.fromkeys(added, 1.0)
    assert len(told(values, added=everything)) == 5


def test_one_reason_of_a_theme_whichever_of_its_windows_adds():
    values = {"emergency_admissions_30": 1, "emergency_admissions_long": 1}
    assert told(values, added={"emergency_admissions_30": 1.0, "emergency_admissions_long": -0.3}) == [
        "one emergency admission in the last 30 days"
    ]
    assert told(values, added={"emergency_admissions_30": 0.3, "emergency_admissions_long": -0.3}) == []


def test_people_are_told_apart():
    features = [BY_NAME["emergency_admissions_long"], CONDITION]
    values = {
        "emergency_admissions_long": np.array([2, 0, 1], np.float32),
        "condition_copd": np.array([1, 1, 0], np.float32),
    }
    assert reasons.tell(features, 365, values, np.array([[0.1, 0.5], [0.1, 0.5], [0.7, 0.5]], np.float32)).to_pylist() == [
        ["copd", "two emergency admissions in the last year"], ["copd"], ["one emergency admission in the last year"],
    ]  # fmt: skip


def test_nobody():
    assert (
        reasons.tell(
            [CONDITION], 365, {"condition_copd": np.empty(0, np.float32)}, np.empty((0, 1), np.float32)
        ).to_pylist()
        == []
    )


def test_every_feature_of_use_has_a_plural():
    for feature in USE_FEATURES:
        if feature.window:
            told_of_two = reasons.in_words(2, feature.words)
            assert told_of_two.startswith("two ")
            assert told_of_two.removeprefix("two ") != feature.words
