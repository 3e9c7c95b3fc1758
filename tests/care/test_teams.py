"""Who is involved in somebody's care: small registries in, expected rows out."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.care.teams import find_teams
from registry_pipeline.tables import CONSUMER_TABLES

from .small_registry import NIGHT, event, number, person, reading, rows_of


def days_ago(days: int) -> date:
    return NIGHT - timedelta(days=days)


def at(days: int) -> datetime:
    return datetime.combine(days_ago(days), datetime.min.time()) + timedelta(hours=9)


YEAR_AGO = date(2025, 4, 1)
LIVING = {"patient": [{"patient_id": person(1), "gp_practice": "A81001"}]}


def made(tmp_path, tables):
    with reading({**LIVING, **tables}) as given:
        told = find_teams(given, tmp_path)
    return told, rows_of(tmp_path / "patient_care_team.parquet")


def teams(tmp_path, tables):
    """Roles by person and organisation."""
    return {(number(row["patient_id"]), row["provider"]): row["roles"] for row in made(tmp_path, tables)[1]}


def contact(provider, days, status="5", kind="contact", **more):
    return event(1, provider, activity_kind=kind, start_time=at(days), attendance_status=status, **more)


INVOLVED = {
    "an attended contact": ("patient_activity", contact("RY1", 3), ["community_care"]),
    "a contact of unknown attendance": ("patient_activity", contact("RY1", 3, None), ["community_care"]),
    "a missed contact": ("patient_activity", contact("RY1", 3, "3"), ["community_care"]),
    "a contact of the night": ("patient_activity", contact("RX1", 0), ["hospital_care"]),
    "a contact of tomorrow": ("patient_activity", contact("RX1", -1), None),
    "a contact of 364 days ago": ("patient_activity", contact("RX1", 364), ["hospital_care"]),
    "a contact of a year ago": ("patient_activity", contact("RX1", 365), None),
    "a medicine": ("patient_activity", contact("GP1", 9, None, "medication"), ["practice_care"]),
    "a referral": ("patient_activity", contact("RV1", 9, None, "referral"), ["mental_health_care"]),
    "a stay that began two years ago and lasts": (
        "patient_activity", contact("RV1", 730, None, "spell"), ["mental_health_care"],
    ),
    "a stay that ended two years ago": (
        "patient_activity", contact("RX1", 740, None, "spell", end_time=at(730)), None,
    ),
    "a stay that ended 300 days ago": (
        "patient_activity", contact("RX1", 400, None, "spell", end_time=at(300)), ["hospital_care"],
    ),
    "an observation": ("patient_observation", event(1, "GP2", start_date=days_ago(20)), ["practice_care"]),
    "an observation of long ago": ("patient_observation", event(1, "GP2", start_date=days_ago(400)), None),
    "a service that lasts": ("patient_care_service", event(1, "LA1", start_date=date(2020, 1, 1)), ["social_care"]),
    "a service that ended long ago": (
        "patient_care_service", event(1, "LA1", start_date=date(2020, 1, 1), end_date=date(2021, 1, 1)), None,
    ),
    "a service that is to begin": ("patient_care_service", event(1, "LA1", start_date=days_ago(-5)), None),
    "a plan in force": ("patient_care_plan", event(1, "RY1", start_date=date(2019, 1, 1)), ["holds_care_plan"]),
    "a plan with a coordinator": (
        "patient_care_plan", event(1, "RY1", start_date=days_ago(9), coordinator_id="C1"),
        ["holds_care_plan", "coordinates_care"],
    ),
    "a plan that ended on the night": (
        "patient_care_plan", event(1, "RY1", start_date=days_ago(90), end_date=NIGHT), None,
    ),
    "a plan that ends tomorrow": (
        "patient_care_plan", event(1, "RY1", start_date=days_ago(90), end_date=days_ago(-1)), ["holds_care_plan"],
    ),
    "a plan that starts tomorrow": ("patient_care_plan", event(1, "RY1", start_date=days_ago(-1)), None),
    "a plan of unknown start": ("patient_care_plan", event(1, "RY1"), ["holds_care_plan"]),
    "a carer": ("patient_carer", event(1, "LA1", relationship="spouse"), ["knows_carer"]),
    "a carer of before": ("patient_carer", event(1, "LA1", end_date=days_ago(1)), None),
    "a diagnosis": ("patient_condition", event(1, "RX1", start_date=days_ago(3), code="I500"), None),
}  # fmt: skip


@pytest.mark.parametrize("case", INVOLVED)
def test_who_counts_as_involved(case, tmp_path):
    table, row, roles = INVOLVED[case]

    expected = {} if roles is None else {(1, row["provider"]): roles}
    assert teams(tmp_path, {table: [row]}) == expected


def record(of, record_id, **more):
    return event(of, record_id.split(":")[0], record_id=record_id, local_id=record_id.split(":")[1], **more)


def test_the_registered_practice_is_involved_without_any_contact(tmp_path):
    tables = {"patient_record": [record(1, "GP1:7", night=NIGHT), record(1, "RX1:8", night=NIGHT)]}

    assert teams(tmp_path, tables) == {(1, "GP1"): ["registered_practice"]}


@pytest.mark.parametrize(
    ("records", "source", "expected"),
    [
        (["GP1:7 0 fresh", "GP2:8 1 fresh"], None, "GP1"),
        (["GP1:7 1 fresh", "GP2:8 0 fresh"], None, "GP2"),
        (["GP1:7 0 stale", "GP2:8 1 fresh"], None, "GP2"),
        (["GP1:7 0 fresh", "GP2:8 0 fresh"], None, "GP1"),
        (["GP1:7 0 fresh", "GP2:8 1 stale"], "GP2:8", "GP2"),
    ],
    ids=["newest", "newest is the other", "not stale", "by record id", "whose record the practice code came from"],
)
def test_one_practice_is_the_registered_one(records, source, expected, tmp_path):
    told = [each.split() for each in records]
    tables = {
        "patient": [
            {
                "patient_id": person(1),
                "gp_practice": "A81001",
                "field_sources": {"gp_practice": {"record_id": source, "rule": "gp_then_newest"}} if source else None,
            }
        ],
        "patient_record": [record(1, r, night=days_ago(int(days)), is_stale=how == "stale") for r, days, how in told],
    }

    assert teams(tmp_path, tables) == {(1, expected): ["registered_practice"]}


def test_of_a_sensitive_person_the_practice_is_not_told(tmp_path):
    """Two practices hold a record: which of them is the present one is what `patient` withholds."""
    tables = {
        "patient": [{"patient_id": person(1), "is_sensitive": True}],
        "patient_record": [record(1, "GP1:7", night=NIGHT), record(1, "GP2:8", night=days_ago(1))],
        "patient_activity": [contact("GP2", 30), contact("RX1", 3)],
    }

    assert teams(tmp_path, tables) == {(1, "GP2"): ["practice_care"], (1, "RX1"): ["hospital_care"]}


@pytest.mark.parametrize(("died", "rows"), [(NIGHT, 0), (days_ago(400), 0), (days_ago(-1), 1), (None, 1)])
def test_who_died_has_no_team(died, rows, tmp_path):
    tables = {
        "patient": [{"patient_id": person(1), "death_date": died}],
        "patient_activity": [contact("RX1", 3)],
    }

    assert len(made(tmp_path, tables)[1]) == rows


def test_events_of_nobody_in_the_registry_make_no_team(tmp_path):
    assert teams(tmp_path, {"patient_activity": [event(2, "RX1", activity_kind="contact", start_time=at(1))]}) == {}


LAST = {
    "an attended contact": ([contact("RX1", 9)], (9, "contact", 1, 9)),
    "missed ones are no contact": ([contact("RX1", 9), contact("RX1", 2, "3")], (9, "contact", 1, 2)),
    "cancelled only": ([contact("RX1", 2, "4")], (None, None, 0, 2)),
    "a stay counts to its last day": (
        [contact("RX1", 40, None, "spell", end_time=at(20)), contact("RX1", 30)], (20, "spell", 2, 20),
    ),
    "a stay that lasts counts to the night": ([contact("RX1", 40, None, "spell")], (0, "spell", 1, 0)),
    "a stay that began before the year is no new one": (
        [contact("RX1", 500, None, "spell", end_time=at(20))], (20, "spell", 0, 20),
    ),
    "on one day a stay before an attendance before a contact": (
        [contact("RX1", 5), contact("RX1", 5, None, "attendance"), contact("RX1", 9, None, "spell", end_time=at(5))],
        (5, "spell", 3, 5),
    ),
    "medicines and referrals are no contact": (
        [contact("RX1", 5, None, "medication"), contact("RX1", 7, None, "referral"), contact("RX1", 9, "6")],
        (9, "contact", 1, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LAST)
def test_the_last_contact(case, tmp_path):
    rows, (last, kind, contacts, activity) = LAST[case]

    (row,) = made(tmp_path, {"patient_activity": rows})[1]

    assert (row["last_contact"], row["last_contact_kind"]) == (last if last is None else days_ago(last), kind)
    assert (row["contacts_12_months"], row["last_activity"]) == (contacts, days_ago(activity))


def test_a_service_is_a_contact_while_it_lasts(tmp_path):
    tables = {
        "patient_care_service": [
            event(1, "LA1", start_date=days_ago(700), end_date=days_ago(30)),
            event(1, "LA1", start_date=days_ago(200), end_date=days_ago(60)),
        ]
    }

    (row,) = made(tmp_path, tables)[1]

    assert (row["last_contact"], row["last_contact_kind"], row["contacts_12_months"]) == (days_ago(30), "service", 1)


def plan(provider, start, updated=None, **more):
    return event(
        1, provider, start_date=days_ago(start), updated_date=None if updated is None else days_ago(updated), **more
    )


def test_the_newest_updated_plan_of_an_organisation_stands_for_it(tmp_path):
    plans = [
        plan("RY1", 50, plan_type="made last", coordinator_id="C1"),
        plan("RY1", 300, 20, plan_type="updated last", coordinator_id="C2", review_date=days_ago(1)),
        plan("RY1", 10, 5, plan_type="ended", coordinator_id="C3", end_date=days_ago(2)),
        plan("RY1", 400, -3, plan_type="updated tomorrow", coordinator_id="C4"),
    ]

    told, (row,) = made(tmp_path, {"patient_care_plan": plans})

    assert (row["care_plan_type"], row["care_plan_start"], row["care_plan_updated"]) == (
        "updated last",
        days_ago(300),
        days_ago(20),
    )
    assert (row["care_plan_age_days"], row["care_plan_review_is_late"]) == (20, True)
    assert (row["coordinator_key"], row["care_plans_in_force"], row["coordinators"]) == ("RY1:C2", 1, 3)
    assert row["conflicts"] == ["several_coordinators"]
    assert told.about["counts"]["several_care_plans"] == 0


@pytest.mark.parametrize(
    ("review", "is_late"), [(None, None), (1, True), (0, False), (-9, False)], ids=["none", "past", "tonight", "ahead"]
)
def test_a_review_is_late_from_the_day_after(review, is_late, tmp_path):
    review_date = None if review is None else days_ago(review)

    (row,) = made(tmp_path, {"patient_care_plan": [plan("RY1", 50, review_date=review_date)]})[1]

    assert row["care_plan_review_is_late"] is is_late
    assert row["care_plan_age_days"] == 50


CONFLICTS = {
    "one plan": ([plan("RY1", 9, coordinator_id="C1")], 1, 1, []),
    "two plans, one coordinator": (
        [plan("RY1", 9, coordinator_id="C1"), plan("GP1", 9)], 2, 1, ["several_care_plans"],
    ),
    "two plans and coordinators": (
        [plan("RY1", 9, coordinator_id="C1"), plan("GP1", 9, coordinator_id="C1")],
        2, 2, ["several_care_plans", "several_coordinators"],
    ),
    "two plans of one organisation, the newer one without a coordinator": (
        [plan("RY1", 9), plan("RY1", 90, coordinator_id="C1")], 1, 1, [],
    ),
    "two coordinators of one organisation": (
        [plan("RY1", 9, coordinator_id="C2"), plan("RY1", 90, coordinator_id="C1")], 1, 2, ["several_coordinators"],
    ),
    "an ended plan is no conflict": (
        [plan("RY1", 9, coordinator_id="C1"), plan("GP1", 9, coordinator_id="C2", end_date=days_ago(1))], 1, 1, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicts_stand_on_every_row_and_are_counted(case, tmp_path):
    plans, in_force, coordinators, conflicts = CONFLICTS[case]

    told, rows = made(tmp_path, {"patient_care_plan": plans, "patient_activity": [contact("RX1", 3)]})

    assert {row["provider"] for row in rows} >= {"RX1", "RY1"}
    assert {row["coordinator_key"] for row in rows if row["provider"] == "RY1"} == {
        "RY1:C2" if case == "two coordinators of one organisation" else "RY1:C1"
    }
    for row in rows:
        assert (row["care_plans_in_force"], row["coordinators"]) == (in_force, coordinators)
        assert row["conflicts"] == conflicts
    checks = {check.name: check.passed for check in told.checks}
    assert checks == {
        "one_row_per_person_and_organisation": True,
        "care_plans_agree": "several_care_plans" not in conflicts,
        "coordinators_agree": "several_coordinators" not in conflicts,
    }


def test_the_carer_whose_record_and_assessment_are_known(tmp_path):
    tables = {
        "patient_record": [record(2, "LA1:55", night=NIGHT)],
        "patient_carer": [
            event(1, "LA1", relationship="child", carer_local_id="55", start_date=days_ago(30),
                  assessment_date=days_ago(10)),
            event(1, "LA1", relationship="spouse", carer_local_id="56", start_date=days_ago(300)),
            event(1, "GP1", relationship="friend", carer_local_id="55", assessment_date=days_ago(-2)),
        ],
    }  # fmt: skip

    rows = {row["provider"]: row for row in made(tmp_path, tables)[1]}

    told = {p: (r["carer_relationship"], r["carer_record_id"], r["carer_assessed"]) for p, r in rows.items()}
    assert told == {"LA1": ("child", "LA1:55", days_ago(10)), "GP1": ("friend", None, None)}


def test_the_table_is_as_the_dictionary_says_and_in_its_order(tmp_path):
    tables = {
        "patient": [{"patient_id": person(n)} for n in (3, 1, 2)],
        "patient_activity": [
            event(n, p, activity_kind="contact", start_time=at(1)) for n in (2, 3, 1) for p in ("RX1", "GP1")
        ],
    }

    told, rows = made(tmp_path, tables)

    assert list(rows[0]) == list(CONSUMER_TABLES["patient_care_team"].column_names)
    assert [(number(r["patient_id"]), r["provider"]) for r in rows] == [
        (n, p) for n in (1, 2, 3) for p in ("GP1", "RX1")
    ]
    assert {row["night"] for row in rows} == {NIGHT}
    assert told.rows == {"patient_care_team": 6}
    assert told.about["counts"]["people_with_a_team"] == 3


days = st.integers(-10, 800)
activity = st.builds(
    lambda provider, kind, start, length, status: contact(
        provider, start, status, kind, end_time=None if length is None else at(start - length)
    ),
    st.sampled_from(["RX1", "GP1", "RY1"]),
    st.sampled_from(["contact", "spell", "attendance", "referral", "medication"]),
    days,
    st.none() | st.integers(0, 60),
    st.sampled_from(["5", "3", None]),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(activity, max_size=20))
def test_last_contacts_lie_within_the_year_and_what_comes_later_changes_nothing(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("teams")
    known = [row for row in rows if row["start_time"].date() <= NIGHT]

    told = made(folder, {"patient_activity": rows})[1]

    assert told == made(folder, {"patient_activity": known})[1]
    for row in told:
        assert row["roles"]
        assert row["last_activity"] is None or YEAR_AGO < row["last_activity"] <= NIGHT
        assert row["last_contact"] is None or YEAR_AGO < row["last_contact"] <= row["last_activity"]
        assert (row["last_contact"] is None) == (row["last_contact_kind"] is None)


def test_a_registry_with_nobody_has_no_team(tmp_path):
    told, rows = made(tmp_path, {"patient": []})

    assert rows == []
    assert told.rows == {"patient_care_team": 0}
