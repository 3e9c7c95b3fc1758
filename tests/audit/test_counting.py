"""What each measure counts: one case a practice, all in one registry, so that a whole table of cases is counted once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from registry_pipeline import codes
from registry_pipeline.audit import cells
from registry_pipeline.audit.measures import PROCESS_LISTS
from registry_pipeline.config import Configuration, Deployment
from tests.audit.hand_made import CONFERENCE, COPD, COPD_REVIEW, DIABETES, HBA1C, NIGHT, Registry, counts

Story = Callable[[Registry, int], Any]
Expected = dict[str, tuple[float, float] | None]
JAN, FEB, JUN, JUL = "2025-01-01", "2025-02-01", "2026-06-01", "2024-07-01"
YEARS = {JAN: 31 / 365.25, FEB: 28 / 365.25, JUN: 30 / 365.25, JUL: 31 / 365.25}
"""Person-years of one person in a month."""

CASES: dict[str, tuple[str, Story, Expected]] = {
    # Readmission: the same day to the 29th after; in the month of the discharge.
    "readmitted on the day": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-05", "2025-01-10 09:00"), r.stay(n, "2025-01-10 18:00", "2025-02-01")),
        {JAN: (1, 1), FEB: (0, 1)}),
    "readmitted on the 29th day": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-31", "2025-02-03")), {JAN: (1, 1)}),
    "readmitted on the 30th day": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-02-01", "2025-02-03")), {JAN: (0, 1)}),
    "readmitted elsewhere": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-05", "2025-02-03", provider="S")), {JAN: (1, 1)}),
    "readmitted and still in": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-05", None)), {JAN: (1, 1), FEB: None}),
    "planned afterwards": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-05", "2025-02-03", admission_method="11")),
        {JAN: (0, 1)}),
    "planned before": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02", admission_method="11"), r.stay(n, "2025-01-05", "2025-02-03")),
        {JAN: (1, 1)}),
    "carried on elsewhere (2B)": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-02", "2025-02-03", admission_method="2B")),
        {JAN: (0, 1)}),
    "carried on elsewhere (source)": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-02", "2025-02-03", admission_source="51")),
        {JAN: (0, 1)}),
    "sent to another hospital": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02", discharge_destination="51"), r.stay(n, "2025-01-05", "2025-02-03")),
        {JAN: None}),
    "left dead": ("readmission_30_days", lambda r, n: r.stay(n, "2025-01-01", "2025-01-02", discharge_method="4"),
        {JAN: None}),
    "day case": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-02", "2025-01-02", patient_classification="2"), r.stay(n, "2025-01-05", "2025-02-03")),
        {JAN: None}),
    "maternity": ("readmission_30_days", lambda r, n: r.stay(n, "2025-01-01", "2025-01-02", admission_method="31"),
        {JAN: None}),
    "cancer": ("readmission_30_days", lambda r, n: r.stay(
        n, "2025-01-01", "2025-01-02", diagnoses=["J189", "C509"]), {JAN: None}),
    "readmitted twice": ("readmission_30_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-02"), r.stay(n, "2025-01-05", "2025-01-06"), r.stay(n, "2025-01-20", None)),
        {JAN: (2, 2)}),
    "no room for 30 days": ("readmission_30_days", lambda r, n: r.stay(n, "2026-06-01", "2026-06-02"), {JUN: None}),
    # Length of stay: in the month in which the stay ends.
    "over the end of a month": ("length_of_stay", lambda r, n: r.stay(n, "2025-01-30 23:00", "2025-02-02 01:00"),
        {JAN: None, FEB: (3, 1)}),
    "no night": ("length_of_stay", lambda r, n: r.stay(n, "2025-01-30 01:00", "2025-01-30 23:00"), {JAN: (0, 1)}),
    "lasting": ("length_of_stay", lambda r, n: r.stay(n, "2025-01-30", None), {JAN: None, JUN: None}),
    "planned stay": ("length_of_stay", lambda r, n: r.stay(
        n, "2025-01-03", "2025-01-05", admission_method="12"), {JAN: None}),
    "20 nights": ("long_stays", lambda r, n: r.stay(n, "2025-01-01", "2025-01-21"), {JAN: (0, 1)}),
    "21 nights": ("long_stays", lambda r, n: r.stay(n, "2025-01-01", "2025-01-22"), {JAN: (1, 1)}),
    # Delay: days from being ready.
    "ready three days before": ("delayed_days", lambda r, n: r.stay(
        n, "2025-01-01", "2025-01-11", clinically_ready_date="2025-01-08"), {JAN: (3, 10)}),
    "never said to be ready": ("delayed_days", lambda r, n: r.stay(n, "2025-01-01", "2025-01-11"), {JAN: (0, 10)}),
    "ready after leaving": ("delayed_days", lambda r, n: r.stay(
        n, "2025-01-01", "2025-01-11", clinically_ready_date="2025-01-12"), {JAN: (0, 10)}),
    "ready before coming": ("delayed_days", lambda r, n: r.stay(
        n, "2025-01-03", "2025-01-05", clinically_ready_date="2024-12-30"), {JAN: (2, 2)}),
    "hospital that never says": ("delayed_days", lambda r, n: r.stay(n, "2025-01-01", "2025-01-11", provider="S"),
        {JAN: None}),
    # Bed days: nights of the month.
    "nights of two months": ("emergency_bed_days_65", lambda r, n: r.stay(n, "2025-01-30", "2025-02-02"),
        {JAN: (2, YEARS[JAN]), FEB: (1, YEARS[FEB])}),
    "in since before": ("emergency_bed_days_65", lambda r, n: r.stay(n, "2024-06-20", "2024-07-03"), {JUL: (2, YEARS[JUL])}),
    "nights so far": ("emergency_bed_days_65", lambda r, n: r.stay(n, "2026-06-27", None), {JUN: (3, YEARS[JUN])}),
    # Admissions.
    "admitted, and carried on": ("emergency_admissions_65", lambda r, n: (
        r.stay(n, "2025-01-10", "2025-01-12"), r.stay(n, "2025-01-12", "2025-01-14", admission_method="2B")),
        {JAN: (1, YEARS[JAN]), FEB: (0, YEARS[FEB])}),
    "baby born in hospital (2C)": ("emergency_admissions_65", lambda r, n: r.stay(
        n, "2025-01-10", "2025-01-12", admission_method="2C"), {JAN: (0, YEARS[JAN])}),
    "preventable": ("preventable_admissions", lambda r, n: r.stay(
        n, "2025-01-10", "2025-01-12", diagnoses=["E1100", "J189"]), {JAN: (1, YEARS[JAN])}),
    "preventable, but not the main one": ("preventable_admissions", lambda r, n: r.stay(
        n, "2025-01-10", "2025-01-12", diagnoses=["S720", "E110"]), {JAN: (0, YEARS[JAN])}),
    "preventable, but planned": ("preventable_admissions", lambda r, n: r.stay(
        n, "2025-01-10", "2025-01-12", diagnoses=["E110"], admission_method="11"), {JAN: (0, YEARS[JAN])}),
    # First contact after discharge.
    "seen by the practice on day 4": ("first_contact_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00"), r.contact(n, "2025-01-14 09:00"), r.contact(n, "2025-01-20")),
        {JAN: (4, 1)}),
    "did not come, then seen": ("first_contact_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00"), r.contact(n, "2025-01-12", status="3"),
        r.contact(n, "2025-01-15", "L")), {JAN: (5, 1)}),
    "seen in the morning before leaving": ("first_contact_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00"), r.contact(n, "2025-01-10 09:00")), {JAN: None}),
    "seen on the day, no time": ("first_contact_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00"), r.contact(n, "2025-01-10")), {JAN: (0, 1)}),
    "seen on day 30": ("first_contact_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10"), r.contact(n, "2025-02-09")), {JAN: (30, 1)}),
    "seen on day 31": ("first_contact_days", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10"), r.contact(n, "2025-02-10")), {JAN: None}),
    "mental health, 71 hours": ("mental_health_72_hours", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00", provider="M"), r.contact(n, "2025-01-13 11:00", "M")),
        {JAN: (1, 1)}),
    "mental health, 73 hours": ("mental_health_72_hours", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00", provider="M"), r.contact(n, "2025-01-13 13:00", "M")),
        {JAN: (0, 1)}),
    "mental health, day 3 without a time": ("mental_health_72_hours", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00", provider="M"), r.contact(n, "2025-01-13", "M")), {JAN: (1, 1)}),
    "mental health, seen by others only": ("mental_health_72_hours", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00", provider="M"), r.contact(n, "2025-01-11 13:00", "G")),
        {JAN: (0, 1)}),
    "community on day 2": ("community_2_days_75", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00"), r.contact(n, "2025-01-12 23:00", "C")), {JAN: (1, 1)}),
    "community on day 3": ("community_2_days_75", lambda r, n: (
        r.stay(n, "2025-01-01", "2025-01-10 12:00"), r.contact(n, "2025-01-13 00:30", "C")), {JAN: (0, 1)}),
    "community, after a planned stay": ("community_2_days_75", lambda r, n: r.stay(
        n, "2025-01-01", "2025-01-10", admission_method="11"), {JAN: None}),
    # Care processes: at each month's end, within the 12 months up to it.
    "hba1c on the last day of a month": ("diabetes_hba1c", lambda r, n: (
        r.condition(n, DIABETES, "2010-01-01"), r.observed(n, HBA1C, "2025-06-30", "R")),
        {"2025-06-01": (1, 1), "2026-05-01": (1, 1), JUN: (0, 1)}),
    "hba1c on the first of the next": ("diabetes_hba1c", lambda r, n: (
        r.condition(n, DIABETES, "2010-01-01"), r.observed(n, HBA1C, "2025-07-01")),
        {"2025-06-01": (0, 1), "2025-07-01": (1, 1), JUN: (1, 1)}),
    "too early to look back": ("diabetes_hba1c", lambda r, n: r.condition(n, DIABETES, None), {
        "2025-05-01": None, "2025-06-01": (0, 1)}),
    "diabetes found in a month": ("diabetes_hba1c", lambda r, n: r.condition(n, DIABETES, "2026-02-28"),
        {"2026-01-01": None, "2026-02-01": (0, 1)}),
    "diabetes resolved in a month": ("diabetes_hba1c", lambda r, n: r.condition(
        n, DIABETES, "2020-01-01", "2026-02-28"), {"2026-01-01": (0, 1), "2026-02-01": None}),
    "all eight": ("diabetes_all_eight", lambda r, n: (
        r.condition(n, DIABETES, "2010-01-01"),
        [r.observed(n, code, "2026-03-01", "GRCMLGRC"[i]) for i, code in enumerate(PROCESS_CODES)]),
        {"2026-02-01": (0, 1), "2026-03-01": (1, 1)}),
    "seven of eight": ("diabetes_all_eight", lambda r, n: (
        r.condition(n, DIABETES, "2010-01-01"), [r.observed(n, code, "2026-03-01") for code in PROCESS_CODES[1:]]),
        {"2026-03-01": (0, 1)}),
    "copd reviewed": ("copd_review", lambda r, n: (
        r.condition(n, COPD, "2010-01-01"), r.observed(n, COPD_REVIEW, "2026-01-15")),
        {"2025-12-01": (0, 1), "2026-01-01": (1, 1)}),
    "observation yet to come": ("copd_review", lambda r, n: (
        r.condition(n, COPD, "2010-01-01"), r.observed(n, COPD_REVIEW, "2026-07-15")), {JUN: (0, 1)}),
    # Care plans, of who is 75 (born in 1940).
    "plan in force": ("care_plan_coverage", lambda r, n: r.add("patient_care_plan", of=n, start_date="2025-01-31"),
        {"2024-12-01": (0, 1), JAN: (1, 1), JUN: (1, 1)}),
    "plan ended in the month": ("care_plan_coverage", lambda r, n: r.add(
        "patient_care_plan", of=n, start_date="2024-08-01", end_date="2025-02-28"), {JAN: (1, 1), FEB: (0, 1)}),
    "enrolled though it ended": ("enrolment_75", lambda r, n: r.add(
        "patient_care_plan", of=n, start_date="2024-08-01", end_date="2025-02-28"), {JUL: (0, 1), FEB: (1, 1)}),
    "plan without coordinator": ("coordinator_coverage", lambda r, n: r.add(
        "patient_care_plan", of=n, start_date="2024-08-01"), {JAN: (0, 1)}),
    "plan with coordinator": ("coordinator_coverage", lambda r, n: r.add(
        "patient_care_plan", of=n, start_date="2024-08-01", coordinator_id="c1"), {JAN: (1, 1)}),
    "enrolled with diabetes": ("enrolment_diabetes", lambda r, n: (
        r.condition(n, DIABETES, "2010-01-01"), r.add("patient_care_plan", of=n, start_date="2025-01-01")),
        {JUL: (0, 1), JAN: (1, 1)}),
    # Carers: the last month only.
    "carer assessed a year ago to the month": ("carers_assessed", lambda r, n: r.add(
        "patient_carer", of=n, start_date="2020-01-01", assessment_date="2025-07-02"), {"2026-05-01": None, JUN: (1, 1)}),
    "carer assessed longer ago": ("carers_assessed", lambda r, n: r.add(
        "patient_carer", of=n, start_date="2020-01-01", assessment_date="2025-06-30"), {JUN: (0, 1)}),
    "carer who stopped": ("carers_assessed", lambda r, n: r.add(
        "patient_carer", of=n, start_date="2020-01-01", end_date="2026-01-01"), {JUN: None}),
    # Conferences.
    "discussed twice in a month": ("people_discussed", lambda r, n: (
        r.observed(n, CONFERENCE, "2025-01-10"), r.observed(n, CONFERENCE, "2025-01-20", "C")),
        {JAN: (1, YEARS[JAN]), FEB: (0, YEARS[FEB])}),
    "two conferences": ("case_conferences", lambda r, n: (
        r.observed(n, CONFERENCE, "2025-01-10"), r.observed(n, CONFERENCE, "2025-01-20", "C")),
        {JAN: (2, 1), FEB: (0, 1)}),
    "one conference, written down twice": ("case_conferences", lambda r, n: (
        r.observed(n, CONFERENCE, "2025-01-10"), r.observed(n, CONFERENCE, "2025-01-10")), {JAN: (1, 1)}),
}  # fmt: skip
"""Name: the measure, what happens to somebody born in 1940, and numerator and denominator by first day of the month."""


def _process_codes() -> list[str]:
    """The first SNOMED CT code of each care process."""
    from pathlib import Path

    empty = Configuration(directory=Path(), home=Path(), deployment=Deployment(), providers={})
    return [codes.load(empty, name).codes[0].code for name in PROCESS_LISTS]


PROCESS_CODES = _process_codes()
PRACTICE = {name: f"A{10000 + i}" for i, name in enumerate(CASES)}


@pytest.fixture(scope="module")
def totals(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(measure, practice, first day of the month) to numerator and denominator, of all cases at once."""
    registry = Registry().started()
    for n, (name, (_, story, _)) in enumerate(CASES.items(), start=1):
        registry.person(n, "1940-05-05", gp_practice=PRACTICE[name])
        story(registry, n)
    counted = cells.count(registry.reading(tmp_path_factory.mktemp("cases")))
    assert not counted.not_made
    return {
        (row["measure"], row["value"], str(row["period_start"])): (row["n"], row["d"])
        for row in counted.totals.to_pylist()
        if row["dimension"] == "practice" and row["period_months"] == 1
    }


@pytest.mark.parametrize("name", CASES)
def test_counted(name: str, totals: dict[tuple[str, str, str], tuple[float, float]]) -> None:
    measure, _, expected = CASES[name]
    found = {month: totals.get((measure, PRACTICE[name], month)) for month in expected}
    assert found == {month: wanted and pytest.approx(wanted) for month, wanted in expected.items()}


PERSON_MONTHS = {
    "turned 65 in the month": ({"birth": "1960-01-15"}, {"2024-12-01": 0, JAN: 0, FEB: 1}),
    "turned 65 on its first day": ({"birth": "1960-01-01"}, {"2024-12-01": 0, JAN: 1}),
    "died in the month": ({"birth": "1940-01-15", "death_date": "2025-01-10"}, {JAN: 1, FEB: 0}),
    "died on its first day": ({"birth": "1940-01-15", "death_date": "2025-01-01"}, {"2024-12-01": 1, JAN: 1, FEB: 0}),
    "no birth date": ({"birth": None}, {JAN: 0}),
    "over 100": ({"birth": "1920-01-15"}, {JUL: 1, JUN: 1}),
}


@pytest.mark.parametrize("name", PERSON_MONTHS)
def test_person_months_of_65_and_over(name: str, tmp_path) -> None:
    given, expected = PERSON_MONTHS[name]
    found = counts(Registry().started().person(1, **given).reading(tmp_path), "emergency_admissions_65")
    years = {month: found.get(("system", "all", month, 1), (0, 0))[1] for month in expected}
    months = {month: round(12 * value) for month, value in years.items()}
    assert months == expected


def test_the_newborn_are_in_the_population_from_their_month_on(tmp_path) -> None:
    found = counts(Registry().started().person(1, "2025-01-20").reading(tmp_path), "preventable_admissions")
    assert ("system", "all", "2024-12-01", 1) not in found
    assert found["system", "all", JAN, 1] == (0, pytest.approx(YEARS[JAN]))


def test_groups_of_a_person(tmp_path) -> None:
    (tmp_path / "postcodes.csv").write_text(
        "postcode,lsoa,deprivation_decile\nAB1 2CD,E01000001,3\nAB1 2CE,E01000002,\n"
    )
    registry = Registry().started()
    registry.person(1, gp_practice="A10001", ethnicity="K", postcode="AB1 2CD")
    registry.person(2, gp_practice="A10002", ethnicity="Z", postcode="AB1 2CE")
    registry.person(3)
    reading = registry.reading(
        tmp_path, postcodes={"path": "postcodes.csv"}, neighbourhoods={"north": ["A10001"], "south": ["A10009"]}
    )
    found = counts(reading, "emergency_admissions_65")
    people = {
        (d, v): round(at_risk * 12) for (d, v, day, months), (_, at_risk) in found.items() if (day, months) == (JAN, 1)
    }
    assert people == {
        ("system", "all"): 3, ("practice", "A10001"): 1, ("practice", "A10002"): 1, ("practice", "not known"): 1,
        ("neighbourhood", "north"): 1, ("neighbourhood", "none named"): 2, ("ethnicity", "Asian"): 1,
        ("ethnicity", "not known"): 2, ("deprivation", "2"): 1, ("deprivation", "not known"): 2,
    }  # fmt: skip
    areas = {v: months for d, v, _, months in found if d == "lsoa"}
    assert areas == {"E01000001": 12, "E01000002": 12, "not known": 12}, "small areas by the year only"


def test_events_are_told_by_the_hospital_that_did_them(tmp_path) -> None:
    registry = Registry().started().person(1).person(2)
    registry.stay(1, "2025-01-01", "2025-01-05").stay(2, "2025-01-01", "2025-01-02", provider="S")
    found = counts(registry.reading(tmp_path), "length_of_stay")
    assert found["provider", "R", JAN, 1] == (4, 1)
    assert found["provider", "S", JAN, 1] == (1, 1)


def test_what_was_never_delivered_is_not_counted_and_said(tmp_path) -> None:
    counted = cells.count(Registry().person(1).reading(tmp_path))
    assert set(counted.not_made) == {m.name for m in cells.MEASURES}
    assert counted.not_made["readmission_30_days"] == "the registry holds no hospital stays"
    assert counted.not_made["carers_assessed"] == "the registry holds no unpaid carers"
    assert counted.totals.num_rows == 0


def test_an_empty_registry(tmp_path) -> None:
    assert cells.count(Registry().reading(tmp_path)).totals.num_rows == 0


@pytest.mark.parametrize(
    ("starts", "first_month", "years"),
    [("2025-09-01", "2025-09-01", 0), ("2025-09-20", "2025-10-01", 0), ("2025-02-05", "2025-02-01", 1)],
    ids=["on the first", "in mid-month", "more than a year"],
)
def test_a_short_history_has_no_months_before_it(tmp_path, starts: str, first_month: str, years: int) -> None:
    registry = Registry().started(starts).person(1)
    counted = cells.count(registry.reading(tmp_path))
    periods = counted.periods["length_of_stay"]
    assert min(p.first for p in periods if p.months == 1) == date.fromisoformat(first_month)
    assert sum(p.months == 12 for p in periods) == years


def test_a_stray_record_of_long_ago_does_not_begin_a_history(tmp_path) -> None:
    registry = Registry().started("2025-09-01").person(1)
    for n in range(20):
        registry.stay(1, f"2025-{10 + n % 3}-01", f"2025-{10 + n % 3}-02")
    registry.stay(1, "2024-12-03", "2024-12-04")
    for n in range(12):
        registry.stay(1, f"2025-09-{n + 1:02}", f"2025-09-{n + 1:02}")
    begins = cells.count(registry.reading(tmp_path)).begins
    assert begins["spell"] == date(2024, 12, 1), "one of a median of seven is more than a tenth"
    for n in range(40):
        registry.stay(1, f"2025-{9 + n % 4:02}-02", f"2025-{9 + n % 4:02}-03")
    assert cells.count(registry.reading(tmp_path / "more")).begins["spell"] == date(2025, 9, 1)


def test_a_month_ends_with_the_night_or_is_not_whole(tmp_path) -> None:
    def last(night: date) -> str:
        periods = cells.count(Registry().started().person(1).reading(tmp_path / str(night), night)).periods
        return str(max(p.last for p in periods["length_of_stay"]))

    assert (last(NIGHT), last(date(2026, 6, 29))) == ("2026-06-30", "2026-05-31")


def test_months_after_a_feed_has_stopped_are_not_told_as_months_of_nothing(tmp_path) -> None:
    registry = Registry().started()
    for n in range(400):
        day = date(2024, 7, 1) + timedelta(days=n)
        registry.person(n).stay(n, str(day), str(day)).contact(n, str(day))
    for n in range(400, 728):
        registry.person(n).contact(n, str(date(2024, 7, 1) + timedelta(days=n)))
    counted = cells.count(registry.reading(tmp_path))
    assert counted.ends_early == {"spell": {"R": date(2025, 7, 31)}}, "the last stay is of 4 August 2025"
    assert max(p.last for p in counted.periods["emergency_admissions_65"]) == date(2025, 7, 31)
    assert max(p.last for p in counted.periods["readmission_30_days"]) == date(2025, 6, 30)


def test_a_feed_of_few_has_not_stopped_because_nothing_was_done_lately(tmp_path) -> None:
    registry = Registry().started()
    for n in range(12):
        registry.person(n).stay(n, f"2024-{7 + n // 2}-05", f"2024-{7 + n // 2}-06")
    counted = cells.count(registry.reading(tmp_path))
    assert not counted.ends_early
    assert max(p.last for p in counted.periods["emergency_admissions_65"]) == NIGHT


@pytest.mark.parametrize(
    ("lacks", "reason", "measures"),
    [
        ("admission_method", "no hospital says how people were admitted", {
            "emergency_admissions_65", "emergency_bed_days_65", "preventable_admissions", "length_of_stay",
            "long_stays", "readmission_30_days", "community_2_days_75",
        }),
        ("diagnoses", "no hospital says of what people were treated", {"preventable_admissions"}),
    ],
    ids=("admission methods", "diagnoses"),
)  # fmt: skip
def test_what_no_hospital_says_is_not_counted_as_nothing(lacks: str, reason: str, measures: set[str], tmp_path) -> None:
    registry = Registry().started().person(1).stay(1, "2025-01-02", "2025-01-05", diagnoses=["J440"])
    for row in registry.rows["patient_activity"]:
        row[lacks] = None
    not_made = cells.count(registry.reading(tmp_path)).not_made
    assert {name for name, why in not_made.items() if why == reason} == measures


def test_a_hospital_that_never_says_how_people_were_admitted_is_named(tmp_path) -> None:
    registry = Registry().started().person(1).stay(1, "2025-01-02", "2025-01-05", provider="S")
    registry.rows["patient_activity"][-1]["admission_method"] = None
    counted = cells.count(registry.reading(tmp_path))
    assert counted.without_method == ["S"]
    assert not counted.not_made.get("emergency_admissions_65")


def test_stays_that_last_are_not_told_of_the_first_month_of_a_feed(tmp_path) -> None:
    """Where records begin with admissions of a day, whoever was in hospital by then is not among them."""
    registry = Registry().person(1).stay(1, "2025-03-01", "2025-03-05").stay(1, "2025-04-01", "2025-04-05")
    periods = cells.count(registry.reading(tmp_path)).periods
    first = {name: min(p.first for p in told if p.months == 1) for name, told in periods.items()}
    assert first["emergency_admissions_65"] == first["readmission_30_days"] == date(2025, 3, 1)
    assert first["length_of_stay"] == first["emergency_bed_days_65"] == date(2025, 4, 1)


@pytest.mark.parametrize(("day", "done"), [("2023-08-01", 1), ("2023-07-31", 0)])
def test_a_history_longer_than_audit_looks_back_on_is_used(tmp_path, day: str, done: int) -> None:
    registry = Registry().started().person(1).condition(1, DIABETES, None).observed(1, HBA1C, day)
    registry.add("patient_observation", of=999, code="1", coding_system="snomed", start_date="2023-06-01")
    found = counts(registry.reading(tmp_path), "diabetes_hba1c")
    assert found["system", "all", JUL, 1] == (done, 1)
