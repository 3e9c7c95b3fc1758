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


def together(folder, cases, *shared, **deployment):
    """Cases that each speak of person 1 (and others), in one registry: what is due for each one's person 1.

    Returns:
        By case: the step, since when it is due, and when it was last done.
    """
    rows, people = list(shared), []
    for place, (known, of_people) in enumerate(cases.values()):
        people += [{**one, "patient_id": _moved(one["patient_id"], place)} for one in of_people or [patient(1)]]
        rows += [(table, {**row, "patient_id": _moved(row["patient_id"], place)}) for table, row in known]
    found = gaps(folder, *rows, people=people, **deployment)
    names = list(cases)
    told = {name: [] for name in names}
    for of, *due in found:
        if of % 100 == 1:
            told[names[of // 100]].append(tuple(due))
    return told


def _moved(patient_id, place):
    return patient_id if number(patient_id) == ELSEWHERE else person(100 * place + number(patient_id))


def of_step(told, step):
    return [due[1:] for due in told if due[0] == step]


# What is known of person 1; whether HbA1c is due, since when, and when it was last done. Every 12 months, 1 April 2026.
HBA1C_CASES = {
    "never done: since the diagnosis": ([has(DIABETES, "2025-02-03")], ("2025-02-03", None)),
    "never seen: no earlier than a year after the data begin, on 2019-12-20": ([has(DIABETES, "1950-06-01")], ("2020-12-20", None)),
    "nobody says since when": ([has(DIABETES, None), has(DIABETES, None, provider="RX1")], ("2020-12-20", None)),
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
    "diagnosed on the night": ([has(DIABETES, "2026-04-01")], ("2026-04-01", None)),
    "diagnosed after the night": ([has(DIABETES, "2026-04-02")], None),
    "no diabetes": ([has("38341003")], None),
}  # fmt: skip


@pytest.fixture(scope="module")
def hba1c(tmp_path_factory):
    return together(tmp_path_factory.mktemp("hba1c"), {name: (rows, None) for name, (rows, _) in HBA1C_CASES.items()})


@pytest.mark.parametrize("case", HBA1C_CASES)
def test_hba1c_in_diabetes(hba1c, case):
    expected = HBA1C_CASES[case][1]
    assert of_step(hba1c[case], "diabetes.hba1c") == ([] if expected is None else [expected])


def test_since_is_the_night_where_nobody_says_when(tmp_path):
    assert gaps(tmp_path, has("13645005", None), step="copd.spirometry") == [(1, "copd.spirometry", "2026-04-01", None)]


def test_retinal_screening_is_due_three_months_after_the_diagnosis(tmp_path):
    step = "diabetes.retinal_screening"
    assert gaps(tmp_path, has(DIABETES, "2026-01-01"), step=step) == []
    assert gaps(tmp_path, has(DIABETES, "2025-12-31"), step=step) == [(1, step, "2026-04-01", None)]


WHO_IS_IN = {
    "dead": (patient(died="2026-03-31"), False),
    "died on the night": (patient(died="2026-04-01"), False),
    "a date of death that lies ahead": (patient(died="2026-04-02"), True),
    "aged 11": (patient(born="2014-04-02"), False),
    "12 on the night": (patient(born="2014-04-01"), True),
    "age not known": (patient(born=None), False),
}


def test_who_is_in(tmp_path):
    cases = {name: ([has(DIABETES, "2025-01-01")], [one]) for name, (one, _) in WHO_IS_IN.items()}
    told = together(tmp_path, cases)
    assert {name: bool(of_step(due, "diabetes.bmi")) for name, due in told.items()} == {
        name: is_in for name, (_, is_in) in WHO_IS_IN.items()
    }


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


@pytest.fixture(scope="module")
def at_high_risk(tmp_path_factory):
    cases = {name: ([risk("very_high"), *rows], None) for name, (rows, *_) in PLAN_CASES.items()}
    return together(tmp_path_factory.mktemp("plans"), cases)


@pytest.mark.parametrize("case", PLAN_CASES)
def test_plan_and_coordinator_at_high_risk(at_high_risk, case):
    _, of_plan, of_coordinator = PLAN_CASES[case]
    wanted = [("care_plan_at_high_risk", of_plan), ("named_coordinator", of_coordinator)]
    assert at_high_risk[case] == [(f"seamless_care.{step}", *due) for step, due in wanted if due is not None]


def test_nobody_at_moderate_risk_and_nobody_dead_needs_a_plan(tmp_path):
    people = [patient(1), patient(2, died="2026-03-01")]
    assert gaps(tmp_path, risk("moderate"), risk("very_high", of=2), people=people) == []


# The first assessment that is seen of anybody is of 2025-03-31.
CARER_CASES = {
    "new, within three months": ([carer("2026-01-02")], None),
    "new, past three months": ([carer("2025-12-31")], ("2026-04-01", None)),
    "assessed within a year": ([carer(assessed="2025-04-01")], None),
    "assessed longer ago": ([carer(assessed="2025-03-31")], ("2026-04-01", "2025-03-31")),
    "assessed after the night": ([carer("2025-01-01", assessed="2026-04-02")], ("2026-03-31", None)),
    "entered by the practice": ([carer(), seen(CARERS, "2025-12-01")], None),
    "entered by a hospital, whose entry does not count": ([carer(), seen(CARERS, "2025-12-01", provider="RX1")], ("2026-03-31", None)),
    "one of two carers assessed": ([carer(), carer(assessed="2025-12-01", provider="GP1")], None),
    "a former carer assessed": ([carer(), carer(assessed="2025-12-01", end="2026-01-01")], ("2026-03-31", None)),
    "no carer any more": ([carer(end="2026-04-01")], None),
}  # fmt: skip


@pytest.fixture(scope="module")
def carers(tmp_path_factory):
    cases = {name: (rows, None) for name, (rows, _) in CARER_CASES.items()}
    return together(tmp_path_factory.mktemp("carers"), cases)


@pytest.mark.parametrize("case", CARER_CASES)
def test_carers_assessment(carers, case):
    expected = CARER_CASES[case][1]
    assert of_step(carers[case], "carers.carers_assessment") == ([] if expected is None else [expected])


SHOWN = "seamless_care.contact_after_mental_health_discharge"
LEFT = "2026-03-02 10:00"

# What follows a discharge from mental health inpatient care on 2 March at 10:00; due since, and the late contact's day.
DISCHARGE_CASES = {
    "nothing": ([], ("2026-03-06", None)),
    "a contact that lies ahead": ([contact("2026-04-02 09:00", "RV1")], ("2026-03-06", None)),
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


@pytest.fixture(scope="module")
def discharged(tmp_path_factory):
    left = stay("2026-02-10 09:00", LEFT)
    cases = {name: ([left, *rows], [patient(1), patient(2)]) for name, (rows, _) in DISCHARGE_CASES.items()}
    return together(tmp_path_factory.mktemp("discharged"), cases)


@pytest.mark.parametrize("case", DISCHARGE_CASES)
def test_contact_within_72_hours(discharged, case):
    expected = DISCHARGE_CASES[case][1]
    assert of_step(discharged[case], SHOWN) == ([] if expected is None else [expected])


# When a window has passed, and which discharges have one.
WINDOW_CASES = {
    "72 hours end today": (stay("2026-03-01 09:00", "2026-03-29 10:00"), None),
    "72 hours ended yesterday": (stay("2026-03-01 09:00", "2026-03-28 10:00"), "2026-04-01"),
    "no time of day": (stay("2026-03-01", "2026-03-28"), "2026-04-01"),
    "in and out on one day, no time": (stay("2026-03-20", "2026-03-20"), "2026-03-24"),
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


def test_when_a_window_has_passed(tmp_path):
    told = together(tmp_path, {name: ([left], None) for name, (left, _) in WINDOW_CASES.items()})
    assert {name: of_step(due, SHOWN) for name, due in told.items()} == {
        name: [] if due is None else [(due, None)] for name, (_, due) in WINDOW_CASES.items()
    }


def test_days_are_counted_where_the_discharge_has_no_time(tmp_path):
    left = stay("2026-02-10", "2026-03-02")
    cases = {
        "the third day": ([left, contact("2026-03-05 23:59", "RV1")], None),
        "the fourth": ([left, contact("2026-03-06 00:01", "RV1")], None),
    }
    told = together(tmp_path, cases)
    assert of_step(told["the third day"], SHOWN) == []
    assert of_step(told["the fourth"], SHOWN) == [("2026-03-06", "2026-03-06")]


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
    assert told == {"people": 1, "done": 0, "due": 1, "discharges": 3, "followed": 1, "in_hospital_again": 0}


SOON = "seamless_care.community_contact_after_discharge"

# Whole days, whatever the time of day: a discharge from acute care on 2 March.
FRAIL_CASES = {
    "two days on": ([has(FRAIL), contact("2026-03-04 23:00", "RY1")], None),
    "three days on": ([has(FRAIL), contact("2026-03-05 08:00", "RY1")], ("2026-03-05", "2026-03-05")),
    "by the practice": ([has(FRAIL), contact("2026-03-04 23:00", "GP1")], None),
    "in an outpatient clinic": ([has(FRAIL), contact("2026-03-04 23:00", "RX1")], ("2026-03-05", None)),
    "before, on the same day": ([has(FRAIL), contact("2026-03-02 08:00", "RY1")], ("2026-03-05", None)),
    "entered as an observation": ([seen(FRAIL, "2026-01-01"), contact("2026-03-06 08:00", "RY1")], ("2026-03-05", "2026-03-06")),
    "to be entered": ([seen(FRAIL, "2026-04-02")], None),
    "severe by the index": ([risk(frailty="severe")], ("2026-03-05", None)),
    "moderate by the index": ([risk(frailty="moderate")], None),
    "frail, but not severely": ([has("248279007")], None),
    "not frail": ([], None),
}  # fmt: skip


def test_community_contact_after_discharge_in_severe_frailty(tmp_path):
    left = stay("2026-02-20 09:00", "2026-03-02 10:00", "RX1")
    told = together(tmp_path, {name: ([left, *rows], None) for name, (rows, _) in FRAIL_CASES.items()})
    assert {name: of_step(due, SOON) for name, due in told.items()} == {
        name: [] if expected is None else [expected] for name, (_, expected) in FRAIL_CASES.items()
    }


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
    assert "nobody delivers observations: copd.annual_review, copd.breathlessness" in check.observed


def test_a_practice_that_delivers_no_observations_is_named(tmp_path):
    known = [("patient_record", event(n, p, record_id=f"{p}:{n}")) for n, p in ((1, "GP1"), (2, "GP2"), (3, "RX1"))]
    made, _ = run(tmp_path, has(DIABETES), seen(HBA1C, "2026-01-01"), *known)
    check = {check.name: check for check in made.checks}["providers_deliver_alike"]
    assert not check.passed
    assert "1 of gp deliver no observations: GP2" in check.observed
    assert "RX1" not in check.observed  # no hospital does


def test_a_provider_whose_contacts_came_before_the_night_is_named(tmp_path):
    rows = [contact("2026-03-01", p, of=ELSEWHERE, night=n) for p, n in (("RY1", "2026-03-28"), ("RV1", NIGHT))]
    made, _ = run(tmp_path, *rows, stay("2026-03-01 09:00", "2026-03-20 10:00"), has(FRAIL))
    check = {check.name: check for check in made.checks}["contacts_are_of_the_night"]
    assert check.observed == "RY1 of community on 2026-03-28"


def test_a_registry_of_nobody_and_nothing(tmp_path):
    made, found = run(tmp_path, people=[])
    assert found == []
    assert made.rows == {"care_gap": 0}


def test_what_is_known_without_one_of_several_ways_is_said(tmp_path):
    made, found = run(tmp_path, *DELIVERED, has(FRAIL, "2025-01-01"))
    told = made.about["protocols"]["frailty"]["steps"]["frailty_review"]
    missing = ["risk_stratification was not made"]
    assert told == {"people": 1, "done": 0, "due": 1, "seen_from": "2020-01-01", "without": missing}
    assert ("frailty_review", date(2025, 1, 1)) in [(row["step"], row["due_since"]) for row in found]


def test_counts_are_told_and_what_was_done_for_nobody(tmp_path):
    people = [patient(n) for n in range(1, 5)]
    rows = [has(DIABETES, "2026-01-15", of=n) for n in range(1, 5)]
    rows += [seen(HBA1C, "2026-02-01", of=1), seen(HBA1C, "2020-02-01", of=2)]
    made, _ = run(tmp_path, *DELIVERED, *rows, people=people)
    steps = made.about["protocols"]["diabetes"]["steps"]
    without = steps["hba1c"]
    assert without == {"people": 4, "done": 1, "due": 3, "seen_from": "2020-01-01"}
    # Still within three months of the diagnosis: neither done nor due.
    assert steps["retinal_screening"] == {"people": 4, "done": 0, "due": 0, "seen_from": "2020-01-01"}
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


def write(folder, name, *, who="{anybody: true}", timing="every: 6 months", counts="observation: hba1c"):
    """A protocol of the test's own."""
    folder.mkdir(exist_ok=True)
    text = PROTOCOL.replace("WHO", who).replace("TIMING", timing).replace("COUNTS", counts)
    (folder / f"{name}.yaml").write_text(text.replace("name: own", f"name: {name}"))


def own(folder, *rows, people=None):
    """Whom the protocols that were written find due, and since when, by protocol."""
    everything = [*DELIVERED, has("38341003", of=ELSEWHERE), carer(of=ELSEWHERE), *rows]
    _, found = run(folder, *everything, people=people, protocols=folder)
    told = {file.stem: [] for file in folder.glob("*.yaml")}
    for row in found:
        told[row["protocol"]].append((number(row["patient_id"]), str(row["due_since"])))
    return told


WHO_CASES = {
    "anybody": ("{anybody: true}", [1, 2, 3, 4]),
    "condition": ("{condition: diabetes}", [1, 2]),
    "any": ("{any: [{condition: diabetes}, {carer: true}]}", [1, 2, 3]),
    "all": ("{all: [{condition: diabetes}, {carer: true}]}", [2]),
    "all and none": ("{all: [{condition: diabetes}, {none: [{carer: true}]}]}", [1]),
    "everybody else": ("{all: [{anybody: true}, {none: [{condition: diabetes}, {carer: true}]}]}", [4]),
    "any of all": ("{any: [{all: [{condition: diabetes}, {carer: true}]}, {age: {from: 90}}]}", [2, 4]),
    "of an age": ("{age: {from: 46, to: 76}}", [1, 2, 3]),
    "younger by a year": ("{age: {from: 47, to: 75}}", []),
    "all of any": ("{all: [{any: [{condition: diabetes}, {carer: true}]}, {age: {to: 50}}]}", [3]),
    "the same twice": ("{all: [{condition: diabetes}, {condition: diabetes}]}", [1, 2]),
    "risk level": ("{risk_level: [high, very_high]}", [3]),
    "care plan of a type": ("{care_plan: ['10']}", [4]),
    "care plan of another type": ("{care_plan: ['11']}", []),
    "any service": ("{service: true}", [1]),
    "a service of a type": ("{service: Long Term Support}", []),
}  # fmt: skip


def test_criteria(tmp_path):
    people = [patient(1), patient(2), patient(3, born="1980-01-01"), patient(4, born="1930-01-01")]
    rows = [has(DIABETES, of=1), has(DIABETES, of=2), carer(of=2), carer(of=3), risk("high", of=3), plan(of=4)]
    rows.append(
        ("patient_care_service", event(1, "LA1", service_type="Short Term Support", start_date=date(2025, 1, 1)))
    )
    names = {case.replace(" ", "_"): case for case in WHO_CASES}
    for name, case in names.items():
        write(tmp_path, name, who=WHO_CASES[case][0])
    told = own(tmp_path, *rows, people=people)
    assert {names[name]: [of for of, _ in due] for name, due in told.items()} == {
        case: expected for case, (_, expected) in WHO_CASES.items()
    }


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


def test_what_counts(tmp_path):
    others = [
        (
            "patient_activity",
            event(ELSEWHERE, "GP1", activity_kind="medication", code="1", start_time=at("2020-01-01")),
        ),
        seen(HBA1C, "2020-01-01", of=ELSEWHERE),
    ]
    rows, people = [], []
    for place, (counts, (table, row), _) in enumerate(COUNT_CASES.values()):
        write(tmp_path, f"case_{place}", counts=counts)
        rows.append((table, {**row, "patient_id": _moved(row["patient_id"], place)}))
        people.append(patient(100 * place + 1))
    told = own(tmp_path, *others, *rows, people=people)
    for place, (case, (_, _, done)) in enumerate(COUNT_CASES.items()):
        due = [of for of, _ in told[f"case_{place}"]]
        assert (100 * place + 1 in due) is not done, case


def test_what_must_have_been_once_is_done_for_good(tmp_path):
    write(tmp_path, "once", timing="always: true")
    people = [patient(1), patient(2)]
    assert own(tmp_path, seen(HBA1C, "1999-01-01"), people=people) == {"once": [(2, "1999-01-01")]}


# What is seen of others (provider, day), who knows person 1 since the diagnosis of 2014, and since when HbA1c is due.
BEGUN_CASES = {
    "one interval after the practice's data begin": ([("GP1", "2024-04-02")], ["GP1"], "2025-04-02"),
    "not after those of a practice elsewhere": ([("GP1", "2024-04-02"), ("GP2", "2016-04-02")], ["GP1"], "2025-04-02"),
    "the first of those who know them": ([("GP1", "2024-04-02"), ("RX1", "2016-04-02")], ["GP1", "RX1"], "2017-04-02"),
    "none of theirs delivers any: the first of all": ([("GP2", "2016-04-02")], ["GP1"], "2017-04-02"),
    "data of half a year: since the night": ([("GP1", "2025-10-01")], ["GP1"], "2026-04-01"),
    "data of longer than the diagnosis": ([("GP1", "2001-04-02")], ["GP1"], "2014-03-03"),
    "one old entry among many": ([("GP1", "1999-01-01"), *[("GP1", "2024-04-02")] * 150], ["GP1"], "2025-04-02"),
    "one old entry among few": ([("GP1", "1999-01-01"), ("GP1", "2024-04-02")], ["GP1"], "2014-03-03"),
}


@pytest.mark.parametrize("case", BEGUN_CASES)
def test_what_was_never_seen_is_due_no_earlier_than_the_data_can_say(tmp_path, case):
    others, known_to, expected = BEGUN_CASES[case]
    write(tmp_path, "own", who="{condition: diabetes}", timing="every: 12 months")
    rows = [seen("60621009", day, of=ELSEWHERE, provider=provider) for provider, day in others]
    rows += [("patient_record", event(1, provider, record_id=f"{provider}:1")) for provider in known_to]
    made, found = run(tmp_path, has(DIABETES, "2014-03-03"), *rows, protocols=tmp_path)
    assert [str(row["due_since"]) for row in found] == [expected]
    short = {check.name: check for check in made.checks}["data_reach_back"]
    assert short.observed == ("own.step from 2025-10-01" if case.startswith("data of half a year") else "none")


def test_members_of_another_protocol(tmp_path):
    write(tmp_path, "base", who="{condition: diabetes}")
    write(tmp_path, "a_on_top", who="{all: [{group: base}, {age: {from: 70}}]}")
    people = [patient(1), patient(2, born="1970-01-01"), patient(3)]
    told = own(tmp_path, has(DIABETES, "2025-01-01", of=1), has(DIABETES, "2025-01-01", of=2), people=people)
    assert told == {"base": [(1, "2025-01-01"), (2, "2025-01-01")], "a_on_top": [(1, "2025-01-01")]}


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


ONE = st.lists(events(), max_size=5)
"""What was done for one person; a registry of some people is made of several, since a registry costs a tenth of a second."""


def registry(lives):
    return {str(place): ([*KNOWN, *rows], None) for place, rows in enumerate(lives)}


@settings(max_examples=4, deadline=None)
@given(lives=st.lists(st.tuples(ONE, events()), min_size=8, max_size=15))
def test_more_that_was_done_never_adds_a_gap(tmp_path_factory, lives):
    folder = tmp_path_factory.mktemp("gaps")
    without = together(folder, registry([rows for rows, _ in lives]))
    with_it = together(folder, registry([[*rows, more] for rows, more in lives]))
    for name, due in with_it.items():
        assert {step for step, *_ in due} <= {step for step, *_ in without[name]}


@settings(max_examples=4, deadline=None)
@given(lives=st.lists(ONE, min_size=8, max_size=15))
def test_done_today_leaves_no_gap(tmp_path_factory, lives):
    today = str(NIGHT)
    done = [seen(HBA1C, today, provider="RY1"), plan(today, coordinator="CP1", provider="GP1")]
    told = together(tmp_path_factory.mktemp("gaps"), registry([[*rows, *done] for rows in lives]))
    assert not {step for due in told.values() for step, *_ in due} & {
        "diabetes.hba1c", "frailty.care_plan", "seamless_care.care_plan_at_high_risk", "seamless_care.named_coordinator",
    }  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(lives=st.lists(ONE, min_size=8, max_size=15))
def test_every_row_is_due_and_of_the_past(tmp_path_factory, lives):
    folder = tmp_path_factory.mktemp("gaps")
    together(folder, registry(lives))
    found = rows_of(folder / "care_gap.parquet")
    keys = [(row["patient_id"], row["protocol"], row["step"]) for row in found]
    assert len(keys) == len(set(keys)) > 0
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
