"""Who is due, since when: small registries in, expected rows out, by protocol and step; and laws."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.care import protocols
from registry_pipeline.care.gaps import find_gaps
from registry_pipeline.tables import CONSUMER_TABLES

from .small_registry import NIGHT, event, number, person, reading, rows_of

DIABETES, FRAIL, SMI = "44054006", "925861000000102", "58214004"
HBA1C, MED_REVIEW, CARERS = "999791000000106", "182836005", "710824005"


def at(text):
    """`2026-03-01` or `2026-03-01 14:30`."""
    return datetime.fromisoformat(text)


def patient(of=1, born="1950-01-01", died=None):
    return {
        "patient_id": person(of),
        "birth_date": born and date.fromisoformat(born),
        "death_date": died and date.fromisoformat(died),
    }


def dated(**days):
    return {key: None if day is None else date.fromisoformat(day) for key, day in days.items()}


def has(code, start="2020-01-01", end=None, of=1, provider="GP1", system="snomed"):
    return "patient_condition", event(
        of, provider, code=code, coding_system=system, **dated(start_date=start, end_date=end)
    )


def seen(code, day, of=1, provider="GP1", system="snomed"):
    return "patient_observation", event(of, provider, code=code, coding_system=system, **dated(start_date=day))


def contact(when, provider, status="5", of=1, **more):
    return "patient_activity", event(
        of, provider, activity_kind="contact", start_time=at(when), attendance_status=status, **more
    )


def stay(start, end, provider="RV1", of=1, **more):
    values = {"patient_classification": "1", "discharge_method": "1", **more}
    times = {"start_time": at(start), "end_time": end and at(end)}
    return "patient_activity", event(of, provider, activity_kind="spell", **times, **values)


def plan(start="2025-06-01", updated=None, end=None, coordinator=None, of=1, provider="RY1"):
    days = dated(start_date=start, updated_date=updated, end_date=end)
    return "patient_care_plan", event(of, provider, plan_type="10", coordinator_id=coordinator, **days)


def carer(start="2025-01-01", end=None, assessed=None, of=1, provider="LA1"):
    return "patient_carer", event(of, provider, **dated(start_date=start, end_date=end, assessment_date=assessed))


def risk(level=None, frailty=None, of=1):
    values = {"risk_level": level, "electronic_frailty_category": frailty}
    return "risk_stratification", {"patient_id": person(of), "night": NIGHT, **values}


ELSEWHERE = 99
"""Somebody who is in no protocol, by whom tests say that a kind of record is delivered at all."""

DELIVERED = (
    seen("60621009", "2020-01-01", of=ELSEWHERE),
    contact("2020-01-01", "RY1", of=ELSEWHERE),
    contact("2020-01-01", "RV1", of=ELSEWHERE),
    plan(of=ELSEWHERE, end="2020-01-02"),
)


def tables(*rows, people=None):
    made = {"patient": people if people is not None else [patient()]}
    for table, row in rows:
        made.setdefault(table, []).append(row)
    return made


def run(folder, *rows, people=None, **deployment):
    with reading(tables(*rows, people=people), **deployment) as given:
        made = find_gaps(given, folder)
    return made, rows_of(folder / "care_gap.parquet")


def gaps(folder, *rows, step=None, people=None, **deployment):
    """(person, protocol.step, due since, last done) of each row; of one step, where it is named."""
    _, found = run(folder, *DELIVERED, *rows, people=people, **deployment)
    return [
        (number(row["patient_id"]), f"{row['protocol']}.{row['step']}", str(row["due_since"]),
         row["last_done"] and str(row["last_done"]))
        for row in found
        if step is None or step == f"{row['protocol']}.{row['step']}"
    ]  # fmt: skip


# What is known of person 1; whether HbA1c is due, since when, and when it was last done. Every 12 months, 1 April 2026.
HBA1C_CASES = {
    "never done: since the diagnosis": ([has(DIABETES, "2025-02-03")], ("2025-02-03", None)),
    "never done: since the age of 12": ([has(DIABETES, "1950-06-01")], ("1962-01-01", None)),
    "nobody says since when": ([has(DIABETES, None), has(DIABETES, None, provider="RX1")], ("1962-01-01", None)),
    "done on the night": ([has(DIABETES), seen(HBA1C, "2026-04-01")], None),
    "done to the day a year ago: last good day": ([has(DIABETES), seen(HBA1C, "2025-04-01")], None),
    "a day longer: first day due": ([has(DIABETES), seen(HBA1C, "2025-03-31")], ("2026-04-01", "2025-03-31")),
    "long ago": ([has(DIABETES), seen(HBA1C, "2023-03-31")], ("2024-04-01", "2023-03-31")),
    "the last one counts": ([has(DIABETES), seen(HBA1C, "2023-03-31"), seen(HBA1C, "2025-12-01")], None),
    "done in hospital": ([has(DIABETES), seen(HBA1C, "2025-12-01", provider="RX1")], None),
    "done by social care, which does not do it": ([has(DIABETES), seen(HBA1C, "2025-12-01", provider="LA1")], None),
    "known to hospital only": ([has(DIABETES, "2025-01-01", provider="RX1")], ("2025-01-01", None)),
    "by ICD-10": ([has("E119", "2025-01-01", system="icd10", provider="RX1")], ("2025-01-01", None)),
    "entered as a condition": ([has(DIABETES), has(HBA1C, "2025-12-01")], None),
    "done after the night": ([has(DIABETES, "2025-02-03"), seen(HBA1C, "2026-04-02")], ("2025-02-03", None)),
    "no day given": ([has(DIABETES, "2025-02-03"), seen(HBA1C, None)], ("2025-02-03", None)),
    "another code": ([has(DIABETES, "2025-02-03"), seen("60621009", "2026-03-01")], ("2025-02-03", None)),
    "the code of another system": ([has(DIABETES, "2025-02-03"), seen(HBA1C, "2026-03-01", system="ctv3")], ("2025-02-03", None)),
    "done before the diagnosis, still enough": ([has(DIABETES, "2026-01-01"), seen(HBA1C, "2025-12-20")], None),
    "done long before the diagnosis": ([has(DIABETES, "2026-01-01"), seen(HBA1C, "2019-12-20")], ("2026-01-01", "2019-12-20")),
    "resolved": ([has(DIABETES, end="2026-03-01")], None),
    "resolved on the night": ([has(DIABETES, end="2026-04-01")], None),
    "resolved later": ([has(DIABETES, "2025-02-03", end="2026-04-02")], ("2025-02-03", None)),
    "resolved by one, not by another": ([has(DIABETES, "2025-02-03", end="2026-03-01"), has(DIABETES, "2025-05-05", provider="RX1")], ("2025-05-05", None)),
    "diagnosed after the night": ([has(DIABETES, "2026-04-02")], None),
    "no diabetes": ([has("38341003")], None),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), HBA1C_CASES.values(), ids=HBA1C_CASES.keys())
def test_hba1c_in_diabetes(tmp_path, rows, expected):
    wanted = [] if expected is None else [(1, "diabetes.hba1c", *expected)]
    assert gaps(tmp_path, *rows, step="diabetes.hba1c") == wanted


def test_since_is_the_night_where_nobody_says_when(tmp_path):
    assert gaps(tmp_path, has("13645005", None), step="copd.spirometry") == [(1, "copd.spirometry", "2026-04-01", None)]


def test_retinal_screening_is_due_three_months_after_the_diagnosis(tmp_path):
    step = "diabetes.retinal_screening"
    assert gaps(tmp_path, has(DIABETES, "2026-01-01"), step=step) == []
    assert gaps(tmp_path, has(DIABETES, "2025-12-31"), step=step) == [(1, step, "2026-04-01", None)]


@pytest.mark.parametrize(
    ("people", "due"),
    [
        ([patient(died="2026-03-31")], False),
        ([patient(died="2026-04-01")], False),
        ([patient(died="2026-04-02")], True),
        ([patient(born="2014-04-02")], False),
        ([patient(born="2014-04-01")], True),
        ([patient(born=None)], False),
    ],
    ids=["dead", "died on the night", "a date of death that lies ahead", "aged 11", "12 on the night", "age not known"],
)
def test_who_is_in(tmp_path, people, due):
    rows = gaps(tmp_path, has(DIABETES, "2025-01-01"), step="diabetes.bmi", people=people)
    assert len(rows) == (1 if due else 0)


def test_a_row_says_who_may_do_it_and_where_it_was_last_done(tmp_path):
    rows = [has(DIABETES), seen(HBA1C, "2024-01-01", provider="RX1"), seen(HBA1C, "2023-06-01"), *DELIVERED]
    _, found = run(tmp_path, *rows)
    (row,) = [row for row in found if row["step"] == "hba1c"]
    assert tuple(row) == CONSUMER_TABLES["care_gap"].column_names
    assert (row["night"], row["protocol_version"], row["title"]) == (NIGHT, "1.0", "HbA1c measured")
    assert row["days_overdue"] == (NIGHT - date(2025, 1, 2)).days
    assert (row["last_done_setting"], row["last_done_provider"]) == ("acute", "RX1")
    assert row["may_be_done_by"] == ["gp", "acute", "community"]
    assert row["trigger_event_key"] is None
    assert row["is_seamlessness_gap"] is False


def test_each_protocol_step_by_step(tmp_path):
    people = [patient(n) for n in range(1, 7)] + [patient(7, born="1970-01-01")]
    rows = [
        has("13645005", "2025-01-01", of=1),
        seen("394703002", "2026-01-01", of=1, provider="RX1"),
        seen("391123006", "2026-01-01", of=1, provider="RX1"),
        has("84114007", "2025-01-01", of=2),
        seen(MED_REVIEW, "2025-05-01", of=2, provider="RY1"),
        has("248279007", "2025-01-01", of=3),
        plan(of=3, start="2024-01-01", updated="2025-06-01"),
        has(SMI, "2025-01-01", of=4),
        plan(of=4, coordinator="CP1", provider="RV1"),
        seen("268565007", "2025-10-01", of=4, provider="RV1"),
        carer(of=5, assessed="2025-04-01"),
        carer(of=6, start="2026-01-02"),
        has("248279007", "2025-01-01", of=7),
    ]
    assert sorted((of, step) for of, step, _, _ in gaps(tmp_path, *rows, people=people)) == sorted(
        [(1, f"copd.{step}") for step in ("inhaler_check", "smoking_status", "spirometry")]
        + [(2, f"heart_failure.{step}") for step in ("annual_review", "blood_pressure", "creatinine")]
        + [(3, f"frailty.{step}") for step in ("frailty_review", "medication_review")]
        + [
            (4, f"severe_mental_illness.{step}")
            for step in ("blood_pressure", "bmi", "cholesterol", "hba1c", "smoking_status")
        ]
        + [(5, "carers.emergency_contact"), (6, "carers.emergency_contact")]
    )


# Care plans and coordinators of somebody at high risk: (plan due, coordinator due).
PLAN_CASES = {
    "none": ([], ("2026-04-01", None), ("2026-04-01", None)),
    "in force, with a coordinator": ([plan(coordinator="CP1")], None, None),
    "in force, without": ([plan()], None, ("2026-04-01", None)),
    "ends tomorrow": ([plan(coordinator="CP1", end="2026-04-02")], None, None),
    "ended on the night": ([plan(coordinator="CP1", end="2026-04-01")], ("2026-04-01", "2026-03-31"), ("2026-04-01", "2026-03-31")),
    "ended": ([plan(coordinator="CP1", end="2026-01-10")], ("2026-01-10", "2026-01-09"), ("2026-01-10", "2026-01-09")),
    "begins tomorrow": ([plan(coordinator="CP1", start="2026-04-02")], ("2026-04-01", None), ("2026-04-01", None)),
    "the coordinator's plan ended": ([plan(coordinator="CP1", end="2026-01-10"), plan(provider="GP1")], None, ("2026-01-10", "2026-01-09")),
    "of an unknown day": ([plan(start=None, coordinator="CP1")], None, None),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "of_plan", "of_coordinator"), PLAN_CASES.values(), ids=PLAN_CASES.keys())
def test_plan_and_coordinator_at_high_risk(tmp_path, rows, of_plan, of_coordinator):
    found = gaps(tmp_path, risk("very_high"), *rows)
    wanted = [("care_plan_at_high_risk", of_plan), ("named_coordinator", of_coordinator)]
    assert found == [(1, f"seamless_care.{step}", *due) for step, due in wanted if due is not None]


def test_nobody_at_moderate_risk_needs_a_plan(tmp_path):
    assert gaps(tmp_path, risk("moderate")) == []


CARER_CASES = {
    "new, within three months": ([carer("2026-01-02")], None),
    "new, past three months": ([carer("2025-12-31")], ("2026-04-01", None)),
    "assessed within a year": ([carer(assessed="2025-04-01")], None),
    "assessed longer ago": ([carer(assessed="2025-03-31")], ("2026-04-01", "2025-03-31")),
    "assessed after the night": ([carer("2025-01-01", assessed="2026-04-02")], ("2025-04-02", None)),
    "entered by the practice": ([carer(), seen(CARERS, "2025-12-01")], None),
    "entered by a hospital, whose entry does not count": ([carer(), seen(CARERS, "2025-12-01", provider="RX1")], ("2025-04-02", None)),
    "one of two carers assessed": ([carer(), carer(assessed="2025-12-01", provider="GP1")], None),
    "a former carer assessed": ([carer(), carer(assessed="2025-12-01", end="2026-01-01")], ("2025-04-02", None)),
    "no carer any more": ([carer(end="2026-04-01")], None),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), CARER_CASES.values(), ids=CARER_CASES.keys())
def test_carers_assessment(tmp_path, rows, expected):
    found = gaps(tmp_path, carer(of=ELSEWHERE), *rows, step="carers.carers_assessment")
    assert found == ([] if expected is None else [(1, "carers.carers_assessment", *expected)])


SHOWN = "seamless_care.contact_after_mental_health_discharge"
LEFT = "2026-03-02 10:00"

# What follows a discharge from mental health inpatient care on 2 March at 10:00; due since, and the late contact's day.
DISCHARGE_CASES = {
    "nothing": ([], ("2026-03-06", None)),
    "72 hours to the minute": ([contact("2026-03-05 10:00", "RV1")], None),
    "a minute more": ([contact("2026-03-05 10:01", "RV1")], ("2026-03-06", "2026-03-05")),
    "at once": ([contact("2026-03-02 10:00", "RV1")], None),
    "before, on the same day": ([contact("2026-03-02 09:59", "RV1")], ("2026-03-06", None)),
    "the same day, no time": ([contact("2026-03-02", "RV1")], None),
    "three days on, no time": ([contact("2026-03-05", "RV1")], None),
    "four days on, no time": ([contact("2026-03-06", "RV1")], ("2026-03-06", "2026-03-06")),
    "arrived late, seen": ([contact("2026-03-04 12:00", "RV1", "6")], None),
    "no status is given": ([contact("2026-03-04 12:00", "RV1", None)], None),
    "did not attend": ([contact("2026-03-04 12:00", "RV1", "3")], ("2026-03-06", None)),
    "cancelled": ([contact("2026-03-04 12:00", "RV1", "4")], ("2026-03-06", None)),
    "arrived too late to be seen": ([contact("2026-03-04 12:00", "RV1", "7")], ("2026-03-06", None)),
    "by the practice": ([contact("2026-03-04 12:00", "GP1")], None),
    "by social care": ([contact("2026-03-04", "LA1", None)], None),
    "in an outpatient clinic": ([contact("2026-03-04 12:00", "RX1")], ("2026-03-06", None)),
    "of somebody else": ([contact("2026-03-04 12:00", "RV1", of=2)], ("2026-03-06", None)),
    "in hospital again": ([stay("2026-03-04 20:00", None, "RX1")], None),
    "in hospital again, too late": ([stay("2026-03-06 20:00", None, "RX1")], ("2026-03-06", None)),
    "moved to another hospital": ([stay("2026-03-02 10:00", "2026-03-20 10:00", "RX1")], None),
    "moved, no time": ([stay("2026-03-02", "2026-03-20", "RX1")], None),
    "still in another hospital": ([stay("2026-02-20 10:00", "2026-03-10 10:00", "RX1")], None),
    "an old stay that was never closed": ([stay("2019-02-20 10:00", None, "RX1")], ("2026-03-06", None)),
    "an earlier stay": ([stay("2026-02-01 10:00", "2026-02-03 10:00", "RX1")], ("2026-03-06", None)),
    "a day case": ([stay("2026-03-04 08:00", "2026-03-04 15:00", "RX1", patient_classification="2")], ("2026-03-06", None)),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), DISCHARGE_CASES.values(), ids=DISCHARGE_CASES.keys())
def test_contact_within_72_hours(tmp_path, rows, expected):
    people = [patient(1), patient(2)]
    found = gaps(tmp_path, stay("2026-02-10 09:00", LEFT), *rows, step=SHOWN, people=people)
    assert found == ([] if expected is None else [(1, SHOWN, *expected)])


# When a window has passed, and which discharges have one.
WINDOW_CASES = {
    "72 hours end today": (stay("2026-03-01 09:00", "2026-03-29 10:00"), None),
    "72 hours ended yesterday": (stay("2026-03-01 09:00", "2026-03-28 10:00"), "2026-04-01"),
    "no time of day": (stay("2026-03-01", "2026-03-28"), "2026-04-01"),
    "still in": (stay("2026-03-01 09:00", None), None),
    "leaves after the night": (stay("2026-03-01 09:00", "2026-04-02 10:00"), None),
    "a year ago": (stay("2025-03-01 09:00", "2025-04-01 10:00"), "2025-04-05"),
    "longer ago than is looked back": (stay("2025-03-01 09:00", "2025-03-31 10:00"), None),
    "died": (stay("2026-03-01 09:00", "2026-03-20 10:00", discharge_method="4"), None),
    "acute care": (stay("2026-03-01 09:00", "2026-03-20 10:00", "RX1"), None),
    "a day case": (stay("2026-03-20 09:00", "2026-03-20 10:00", patient_classification="2"), None),
    "classification not given": (stay("2026-03-01 09:00", "2026-03-20 10:00", patient_classification=None), "2026-03-24"),
    "began when is not known": (("patient_activity", {**stay("2026-03-01 09:00", "2026-03-20 10:00")[1], "start_time": None}), "2026-03-24"),
}  # fmt: skip


@pytest.mark.parametrize(("left", "due"), WINDOW_CASES.values(), ids=WINDOW_CASES.keys())
def test_when_a_window_has_passed(tmp_path, left, due):
    found = gaps(tmp_path, stay("2010-01-01", "2010-01-02", of=ELSEWHERE), left, step=SHOWN)
    assert found == ([] if due is None else [(1, SHOWN, due, None)])


def test_the_newest_open_discharge_is_told_and_no_other(tmp_path):
    rows = [
        stay("2025-11-01 09:00", "2025-11-10 09:00"),
        stay("2025-12-01 09:00", "2025-12-10 09:00"),
        stay("2026-01-01 09:00", "2026-01-10 09:00"),
        contact("2026-01-11 12:00", "RV1"),
    ]
    with reading(tables(*DELIVERED, *rows)) as given:
        made = find_gaps(given, tmp_path)
    (row,) = [row for row in rows_of(tmp_path / "care_gap.parquet") if row["is_seamlessness_gap"]]
    # The third was followed in time; what followed it came too late for the second.
    assert (row["due_since"], row["last_done"]) == (date(2025, 12, 14), date(2026, 1, 11))
    assert row["trigger_event_key"] == "patient_activity:00003"  # two contacts of DELIVERED come first
    told = made.about["protocols"]["seamless_care"]["steps"]["contact_after_mental_health_discharge"]
    assert told == {"people": 1, "done": 1, "due": 1, "discharges": 3, "in_hospital_again": 0}


SOON = "seamless_care.community_contact_after_discharge"

# Whole days, whatever the time of day: a discharge from acute care on 2 March.
FRAIL_CASES = {
    "two days on": ([has(FRAIL), contact("2026-03-04 23:00", "RY1")], None),
    "three days on": ([has(FRAIL), contact("2026-03-05 08:00", "RY1")], ("2026-03-05", "2026-03-05")),
    "by the practice": ([has(FRAIL), contact("2026-03-04 23:00", "GP1")], None),
    "in an outpatient clinic": ([has(FRAIL), contact("2026-03-04 23:00", "RX1")], ("2026-03-05", None)),
    "before, on the same day": ([has(FRAIL), contact("2026-03-02 08:00", "RY1")], ("2026-03-05", None)),
    "severe by the index": ([risk(frailty="severe")], ("2026-03-05", None)),
    "moderate by the index": ([risk(frailty="moderate")], None),
    "frail, but not severely": ([has("248279007")], None),
    "not frail": ([], None),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), FRAIL_CASES.values(), ids=FRAIL_CASES.keys())
def test_community_contact_after_discharge_in_severe_frailty(tmp_path, rows, expected):
    known = [risk(of=ELSEWHERE), has("38341003", of=ELSEWHERE), stay("2026-02-20 09:00", "2026-03-02 10:00", "RX1")]
    found = gaps(tmp_path, *known, *rows, step=SOON)
    assert found == ([] if expected is None else [(1, SOON, *expected)])


def test_what_nobody_delivers_is_not_evaluated_and_said_so(tmp_path):
    made, found = run(tmp_path, has(DIABETES), has(SMI))
    assert found == []
    steps = {f"{p}.{s}": told for p, each in made.about["protocols"].items() for s, told in each["steps"].items()}
    assert steps["diabetes.hba1c"] == {"not_evaluated": "nobody delivers observations"}
    assert steps["carers.carers_assessment"] == {"not_evaluated": "nobody delivers unpaid carers"}
    assert steps[SHOWN] == {"not_evaluated": "nobody delivers hospital spells of mental_health"}
    assert steps["seamless_care.care_plan_at_high_risk"] == {"not_evaluated": "risk_stratification was not made"}
    check = {check.name: check for check in made.checks}["steps_can_be_evaluated"]
    assert not check.passed
    assert check.severity == "warning"
    assert "diabetes.hba1c (nobody delivers observations)" in check.observed


def test_a_registry_of_nobody_and_nothing(tmp_path):
    made, found = run(tmp_path, people=[])
    assert found == []
    assert made.rows == {"care_gap": 0}


def test_what_is_known_without_one_of_several_ways_is_said(tmp_path):
    made, found = run(tmp_path, *DELIVERED, has(FRAIL, "2025-01-01"))
    told = made.about["protocols"]["frailty"]["steps"]["frailty_review"]
    assert told == {"people": 1, "done": 0, "due": 1, "without": ["risk_stratification was not made"]}
    assert ("frailty_review", date(2025, 1, 1)) in [(row["step"], row["due_since"]) for row in found]


def test_counts_are_told_and_what_was_done_for_nobody(tmp_path):
    people = [patient(n) for n in range(1, 5)]
    rows = [has(DIABETES, "2026-01-15", of=n) for n in range(1, 5)]
    rows += [seen(HBA1C, "2026-02-01", of=1), seen(HBA1C, "2020-02-01", of=2)]
    made, _ = run(tmp_path, *DELIVERED, *rows, people=people)
    steps = made.about["protocols"]["diabetes"]["steps"]
    without = steps["hba1c"]
    assert without == {"people": 4, "done": 1, "due": 3}
    # Still within three months of the diagnosis: neither done nor due.
    assert steps["retinal_screening"] == {"people": 4, "done": 0, "due": 0}
    never = {check.name: check for check in made.checks}["steps_were_ever_done"].observed
    assert "diabetes.bmi" in never
    assert "diabetes.hba1c" not in never


PROTOCOL = """\
name: own
version: 2
title: Own
source: Ourselves
agreed: {by: [us], day: 2026-01-01}
who: WHO
steps:
  - name: step
    title: Something done
    source: Ourselves
    TIMING
    done_by: [gp]
    counts:
      - COUNTS
"""


def own(folder, *rows, who="{anybody: true}", timing="every: 6 months", counts="observation: hba1c", people=None):
    """Whom a protocol of the test's own finds due, and since when."""
    written = folder / "protocols"
    written.mkdir(exist_ok=True)
    text = PROTOCOL.replace("WHO", who).replace("TIMING", timing).replace("COUNTS", counts)
    (written / "own.yaml").write_text(text)
    everything = [*DELIVERED, has("38341003", of=ELSEWHERE), carer(of=ELSEWHERE), *rows]
    _, found = run(folder, *everything, people=people, protocols=written)
    return [
        (number(row["patient_id"]), str(row["due_since"])) for row in found if number(row["patient_id"]) != ELSEWHERE
    ]


WHO_CASES = {
    "anybody": ("{anybody: true}", [1, 2, 3, 4]),
    "condition": ("{condition: diabetes}", [1, 2]),
    "any": ("{any: [{condition: diabetes}, {carer: true}]}", [1, 2, 3]),
    "all": ("{all: [{condition: diabetes}, {carer: true}]}", [2]),
    "all and none": ("{all: [{condition: diabetes}, {none: [{carer: true}]}]}", [1]),
    "everybody else": ("{all: [{anybody: true}, {none: [{condition: diabetes}, {carer: true}]}]}", [4]),
    "any of all": ("{any: [{all: [{condition: diabetes}, {carer: true}]}, {age: {from: 90}}]}", [2, 4]),
    "all of any": ("{all: [{any: [{condition: diabetes}, {carer: true}]}, {age: {to: 50}}]}", [3]),
    "the same twice": ("{all: [{condition: diabetes}, {condition: diabetes}]}", [1, 2]),
    "risk level": ("{risk_level: [high, very_high]}", [3]),
    "care plan of a type": ("{care_plan: ['10']}", [4]),
    "care plan of another type": ("{care_plan: ['11']}", []),
    "any service": ("{service: true}", [1]),
    "a service of a type": ("{service: Long Term Support}", []),
}  # fmt: skip


@pytest.mark.parametrize(("who", "expected"), WHO_CASES.values(), ids=WHO_CASES.keys())
def test_criteria(tmp_path, who, expected):
    people = [patient(1), patient(2), patient(3, born="1980-01-01"), patient(4, born="1930-01-01")]
    rows = [has(DIABETES, of=1), has(DIABETES, of=2), carer(of=2), carer(of=3), risk("high", of=3), plan(of=4)]
    rows.append(
        ("patient_care_service", event(1, "LA1", service_type="Short Term Support", start_date=date(2025, 1, 1)))
    )
    assert [of for of, _ in own(tmp_path, *rows, who=who, people=people)] == expected


COUNT_CASES = {
    "an observation": ("observation: hba1c", seen(HBA1C, "2026-03-01"), True),
    "an observation elsewhere": ("{observation: hba1c, in: [gp]}", seen(HBA1C, "2026-03-01", provider="RX1"), False),
    "a condition": ("condition: diabetes", has(DIABETES, "2026-03-01"), True),
    "a medicine": ("medication: hba1c", ("patient_activity", event(1, "GP1", activity_kind="medication", code=HBA1C, start_time=at("2026-03-01"))), True),
    "a medicine too long ago": ("medication: hba1c", ("patient_activity", event(1, "GP1", activity_kind="medication", code=HBA1C, start_time=at("2025-03-01"))), False),
    "any contact": ("contact: true", contact("2026-03-01", "RX1"), True),
    "a missed contact": ("contact: true", contact("2026-03-01", "RX1", "3"), False),
    "a contact ahead": ("contact: true", contact("2026-04-02 09:00", "RX1"), False),
    "a contact tonight": ("contact: true", contact("2026-04-01 23:00", "RX1"), True),
    "a contact by reason": ("contact: {reason: review}", contact("2026-03-01", "RX1", reason="review"), True),
    "a contact of another reason": ("contact: {reason: review}", contact("2026-03-01", "RX1", reason="symptoms"), False),
    "a contact of no reason": ("contact: {reason: review}", contact("2026-03-01", "RX1"), False),
    "a contact by team and mechanism": ("contact: {team: A01, mechanism: ['01', '11']}", contact("2026-03-01", "RX1", specialty="A01", consultation_mechanism="11"), True),
    "a contact of another mechanism": ("contact: {team: A01, mechanism: ['01']}", contact("2026-03-01", "RX1", specialty="A01", consultation_mechanism="11"), False),
    "a contact by staff": ("contact: {staff: S08}", contact("2026-03-01", "RX1", staff_group="S08"), True),
    "a plan made": ("care_plan: updated", plan("2026-01-01"), True),
    "a plan updated": ("care_plan: updated", plan("2020-01-01", "2026-01-01"), True),
    "a plan not updated": ("care_plan: updated", plan("2020-01-01", "2025-01-01"), False),
    "a plan to be updated": ("care_plan: updated", plan("2020-01-01", "2026-05-01"), False),
    "a plan updated that ended": ("care_plan: updated", plan("2020-01-01", "2026-01-01", "2026-03-01"), False),
    "an old plan in force": ("care_plan: in_force", plan("2020-01-01"), True),
    "a coordinator": ("coordinator: named", plan("2020-01-01", coordinator="CP1"), True),
    "a plan without coordinator": ("coordinator: named", plan("2020-01-01"), False),
    "a carer assessed": ("carer: assessed", carer(assessed="2026-01-01"), True),
}  # fmt: skip


@pytest.mark.parametrize(("counts", "row", "done"), COUNT_CASES.values(), ids=COUNT_CASES.keys())
def test_what_counts(tmp_path, counts, row, done):
    others = [
        (
            "patient_activity",
            event(ELSEWHERE, "GP1", activity_kind="medication", code="1", start_time=at("2020-01-01")),
        ),
        seen(HBA1C, "2020-01-01", of=ELSEWHERE),
    ]
    assert bool(own(tmp_path, *others, row, counts=counts)) is not done


def test_what_must_have_been_once_is_done_for_good(tmp_path):
    assert own(tmp_path, seen(HBA1C, "1999-01-01"), timing="always: true") == []
    assert own(tmp_path, timing="always: true") == [(1, "1950-01-01")]


def test_members_of_another_protocol(tmp_path):
    written = tmp_path / "protocols"
    written.mkdir()
    for name, who in (("base", "{condition: diabetes}"), ("on_top", "{all: [{group: base}, {age: {from: 70}}]}")):
        text = PROTOCOL.replace("WHO", who).replace("TIMING", "every: 1 year").replace("COUNTS", "observation: hba1c")
        (written / f"a_{name}.yaml").write_text(text.replace("name: own", f"name: {name}"))
    people = [patient(1), patient(2, born="1970-01-01"), patient(3)]
    rows = [has(DIABETES, "2025-01-01", of=1), has(DIABETES, "2025-01-01", of=2), *DELIVERED]
    _, found = run(tmp_path, *rows, people=people, protocols=written)
    assert sorted((number(row["patient_id"]), row["protocol"]) for row in found) == [
        (1, "base"),
        (1, "on_top"),
        (2, "base"),
    ]


def test_a_broken_protocol_is_left_out_and_said_and_the_rest_is_made(tmp_path):
    written = tmp_path / "protocols"
    written.mkdir()
    (written / "bad.yaml").write_text("name: bad\nsteps: [\n")
    for file in protocols.SHIPPED.glob("diabetes.yaml"):
        (written / file.name).write_text(file.read_text())
    made, found = run(tmp_path, *DELIVERED, has(DIABETES), protocols=written)
    assert len(found) == 9
    assert "bad.yaml, line" in made.about["left_out"]["bad.yaml"]
    check = made.checks[0]
    assert (check.name, check.passed, check.severity) == ("protocols_can_be_used", False, "warning")
    assert "bad.yaml" in check.observed


DAYS = st.integers(min_value=-400, max_value=10).map(lambda days: NIGHT + timedelta(days=days))
SETTINGS_OF = {"RV1", "GP1", "RX1", "RY1", "LA1"}


@st.composite
def events(draw):
    """Something that may count: an HbA1c, a contact at any time of day, or a plan."""
    kind = draw(st.sampled_from(["hba1c", "contact", "plan"]))
    day, provider = draw(DAYS), draw(st.sampled_from(sorted(SETTINGS_OF)))
    if kind == "hba1c":
        return seen(HBA1C, str(day), provider=provider)
    if kind == "plan":
        return plan(str(day), coordinator=draw(st.sampled_from([None, "CP1"])), provider=provider)
    time = draw(st.sampled_from(["00:00", "09:30", "10:00", "23:59"]))
    return contact(f"{day} {time}", provider, draw(st.sampled_from(["5", "6", "3", None])))


KNOWN = [
    has(DIABETES, "2025-01-01"), has(FRAIL, "2025-01-01"), risk("high", "severe"),
    stay("2025-12-01 10:00", "2025-12-20 10:00"), stay("2026-01-20", "2026-02-20", "RX1"),
]  # fmt: skip


def folder_for(factory):
    return factory.mktemp("gaps")


@settings(max_examples=25, deadline=None)
@given(before=st.lists(events(), max_size=5), more=events())
def test_more_that_was_done_never_adds_a_gap(tmp_path_factory, before, more):
    folder = folder_for(tmp_path_factory)
    without = {gap[:2] for gap in gaps(folder, *KNOWN, *before)}
    with_it = {gap[:2] for gap in gaps(folder, *KNOWN, *before, more)}
    assert with_it <= without


@settings(max_examples=15, deadline=None)
@given(before=st.lists(events(), max_size=5))
def test_done_today_leaves_no_gap(tmp_path_factory, before):
    today = str(NIGHT)
    done = [seen(HBA1C, today, provider="RY1"), plan(today, coordinator="CP1", provider="GP1")]
    found = {step for _, step, _, _ in gaps(folder_for(tmp_path_factory), *KNOWN, *before, *done)}
    assert not found & {
        "diabetes.hba1c", "frailty.care_plan", "seamless_care.care_plan_at_high_risk", "seamless_care.named_coordinator",
    }  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(events(), max_size=6))
def test_every_row_is_due_and_of_the_past(tmp_path_factory, rows):
    folder = folder_for(tmp_path_factory)
    _, found = run(folder, *DELIVERED, *KNOWN, *rows)
    keys = [(row["patient_id"], row["protocol"], row["step"]) for row in found]
    assert len(keys) == len(set(keys))
    for row in found:
        assert row["due_since"] <= NIGHT
        assert row["days_overdue"] == (NIGHT - row["due_since"]).days
        assert row["last_done"] is None or row["last_done"] <= NIGHT
        assert (row["last_done"] is None) == (row["last_done_setting"] is None) == (row["last_done_provider"] is None)


def test_the_file_is_the_same_in_every_run(tmp_path: Path):
    rows = [*DELIVERED, *KNOWN, seen(HBA1C, "2024-01-01"), seen(HBA1C, "2024-01-01", provider="RX1")]
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        run(folder, *rows)
    assert (first / "care_gap.parquet").read_bytes() == (second / "care_gap.parquet").read_bytes()
