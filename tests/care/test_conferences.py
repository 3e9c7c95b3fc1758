"""Whom a team should discuss, in which order, and what its page says: small registries in, expected lists out."""

import re
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.care import conferences
from registry_pipeline.care.conference_pages import file_names
from registry_pipeline.care.conferences import list_conferences
from registry_pipeline.config import CaseConferences
from registry_pipeline.tables import CONSUMER_TABLES, EVENT_TABLES

from .small_registry import NIGHT, event, number, person, reading, rows_of

CONFERENCE = {"code": "384682003", "coding_system": "snomed"}
"""A multidisciplinary care conference, by the code list case_conference."""


def days_ago(days):
    return NIGHT - timedelta(days=days)


def at(days):
    return datetime.combine(days_ago(days), datetime.min.time()) + timedelta(hours=9)


def people(*numbers, practice="A81001", **more):
    return [{"patient_id": person(n), "gp_practice": practice, **more} for n in numbers]


def records(*numbers, provider="GP1"):
    return [event(n, provider, record_id=f"{provider}:{n}", local_id=str(n), night=NIGHT) for n in numbers]


def risk(of, probability=None, level=None, **more):
    told = {"emergency_admission_probability": probability, "risk_level": level, "model_version": "v1"}
    return {"patient_id": person(of), "night": NIGHT, **told, **more}


def stay(of, days, until=None, method="21", emergency=True, provider="RX1", **more):
    told = {"start_time": at(days), "end_time": None if until is None else at(until), "is_emergency": emergency}
    return event(of, provider, activity_kind="spell", admission_method=method, **told, **more)


def gap(of, step="hba1c", overdue=10, seamlessness=False, title=None):
    told = {"protocol": "diabetes", "step": step, "title": title or step, "days_overdue": overdue}
    return {"patient_id": person(of), "night": NIGHT, **told, "is_seamlessness_gap": seamlessness}


def discussed(of, days):
    return event(of, "GP1", start_date=days_ago(days), **CONFERENCE)


def listed(tmp_path, tables, **deployment):
    """What was made, and the rows."""
    with reading(tables, "case_conference", **deployment) as given:
        made = list_conferences(given, tmp_path)
    return made, rows_of(tmp_path / "case_conference_list.parquet")


def order(tmp_path, tables, **deployment):
    """People by their place, of one team."""
    return [number(row["patient_id"]) for row in listed(tmp_path, tables, **deployment)[1]]


# Who is listed -----------------------------------------------------------------------------------------------------

REASONS = {
    "very high risk": ({"risk_stratification": [risk(1, 0.6, "very_high")]}, 60),
    "high risk": ({"risk_stratification": [risk(1, 0.3, "high")]}, 30),
    "moderate risk is none": ({"risk_stratification": [risk(1, 0.2, "moderate")]}, None),
    "a risk that rose by 5 points": (
        {"risk_stratification": [risk(1, 0.2, "moderate")], "risk_before": [risk(1, 0.14) | {"night": days_ago(30)}]},
        26,
    ),
    "a risk that rose by less is none": (
        {"risk_stratification": [risk(1, 0.2, "moderate")], "risk_before": [risk(1, 0.16) | {"night": days_ago(30)}]},
        None,
    ),
    "a rise since 91 days ago is not recent": (
        {"risk_stratification": [risk(1, 0.2, "moderate")], "risk_before": [risk(1, 0.1) | {"night": days_ago(91)}]},
        None,
    ),
    "a rise with another model says nothing": (
        {
            "risk_stratification": [risk(1, 0.2, "moderate")],
            "risk_before": [risk(1, 0.1) | {"night": days_ago(30), "model_version": "v0"}],
        },
        None,
    ),
    "a risk that fell takes no points": (
        {"risk_stratification": [risk(1, 0.3, "high")], "risk_before": [risk(1, 0.9) | {"night": days_ago(30)}]}, 30,
    ),
    "high frailty in hospital": ({"risk_stratification": [risk(1, hospital_frailty_category="high")]}, 30),
    "intermediate frailty in hospital": (
        {"risk_stratification": [risk(1, hospital_frailty_category="intermediate")]}, 15,
    ),
    "low frailty in hospital is none": ({"risk_stratification": [risk(1, hospital_frailty_category="low")]}, None),
    "severe frailty": ({"risk_stratification": [risk(1, electronic_frailty_category="severe")]}, 30),
    "moderate frailty": ({"risk_stratification": [risk(1, electronic_frailty_category="moderate")]}, 15),
    "comorbidity of 5 points": ({"risk_stratification": [risk(1, charlson_updated=5)]}, 30),
    "comorbidity of 3 points": ({"risk_stratification": [risk(1, charlson_updated=3)]}, 15),
    "comorbidity of 2 points is none": ({"risk_stratification": [risk(1, charlson_updated=2)]}, None),
    "a probability comes before published scores": (
        {"risk_stratification": [risk(1, 0.02, "low", electronic_frailty_category="severe")]}, None,
    ),
    "an emergency admission 89 days ago": ({"patient_activity": [stay(1, 89, 89)]}, 10),
    "an emergency admission 90 days ago is not recent": ({"patient_activity": [stay(1, 90, 89)]}, None),
    "an emergency admission of tomorrow": ({"patient_activity": [stay(1, -1)]}, None),
    "a planned day case": ({"patient_activity": [stay(1, 3, 3, "11", emergency=False)]}, None),
    "home from a planned stay": ({"patient_activity": [stay(1, 20, 15, "11", emergency=False)]}, 10),
    "home 30 days ago is not recent": ({"patient_activity": [stay(1, 40, 30, "11", emergency=False)]}, None),
    "an emergency admission, and home": ({"patient_activity": [stay(1, 20, 15)]}, 20),
    "five emergency admissions count as three": ({"patient_activity": [stay(1, d, d) for d in (9, 8, 7, 6, 5)]}, 30),
    "an emergency attendance is no admission": (
        {"patient_activity": [event(1, "RX1", activity_kind="attendance", is_emergency=True, start_time=at(3))]}, None,
    ),
    "a gap": ({"care_gap": [gap(1)]}, 1),
    "a gap between settings": ({"care_gap": [gap(1, seamlessness=True)]}, 5),
    "gaps count to 10 points": ({"care_gap": [gap(1, f"step {n}") for n in range(14)]}, 10),
    "all together": (
        {
            "risk_stratification": [risk(1, 0.4, "high")], "risk_before": [risk(1, 0.3) | {"night": days_ago(30)}],
            "patient_activity": [stay(1, 20, 15)], "care_gap": [gap(1), gap(1, "foot")],
        },
        72,
    ),
    "nothing": ({}, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The row of each case's person, all in one registry; cases have no effect on each other."""
    tables = {"patient": people(*range(len(REASONS))), "patient_record": records(*range(len(REASONS)))}
    for place, (given_rows, _) in enumerate(REASONS.values()):
        for table, rows in given_rows.items():
            tables.setdefault(table, []).extend({**row, "patient_id": person(place)} for row in rows)
    room = CaseConferences(capacity=500, meetings=1)
    rows = listed(tmp_path_factory.mktemp("reasons"), tables, case_conferences=room)[1]
    return {list(REASONS)[number(row["patient_id"])]: row for row in rows}


@pytest.mark.parametrize("case", REASONS)
def test_reasons_and_their_points(case, judged):
    points = REASONS[case][1]

    row = judged.get(case)
    assert (row and row["points"]) == (None if points is None else pytest.approx(points))
    assert row is None or row["why"]


@pytest.mark.parametrize(
    ("last", "admitted", "is_listed"),
    [
        (89, None, False), (90, None, True), (None, None, True), (89, 88, True), (89, 89, False), (89, 95, False),
        (-1, None, True),
    ],
    ids=["89 days ago", "90 days ago", "never", "admitted since", "admitted that day", "admitted before", "tomorrow"],
)  # fmt: skip
def test_who_was_discussed_waits_unless_there_is_a_new_reason(last, admitted, is_listed, tmp_path):
    tables = {
        "patient": people(1),
        "patient_record": records(1),
        "risk_stratification": [risk(1, 0.5, "very_high")],
        "patient_observation": [] if last is None else [discussed(1, last), discussed(1, 300)],
        "patient_activity": [] if admitted is None else [stay(1, admitted, admitted)],
    }

    rows = listed(tmp_path, tables)[1]

    assert bool(rows) is is_listed
    if rows:
        assert rows[0]["last_discussed"] == (None if last is None else days_ago(300 if last < 0 else last))


def test_without_a_pause_everybody_is_listed_again(tmp_path):
    tables = {
        "patient": people(1),
        "risk_stratification": [risk(1, 0.5, "very_high")],
        "patient_observation": [discussed(1, 0)],
    }

    assert order(tmp_path, tables, case_conferences=CaseConferences(again_after_days=0)) == [1]


def test_other_observations_are_no_discussion(tmp_path):
    tables = {
        "patient": people(1),
        "risk_stratification": [risk(1, 0.5, "very_high")],
        "patient_observation": [event(1, "GP1", start_date=days_ago(1), code="43396009", coding_system="snomed")],
    }

    assert order(tmp_path, tables) == [1]


@pytest.mark.parametrize(("died", "is_listed"), [(NIGHT, False), (days_ago(40), False), (days_ago(-1), True)])
def test_the_dead_are_not_discussed(died, is_listed, tmp_path):
    tables = {"patient": people(1, death_date=died), "risk_stratification": [risk(1, 0.5, "very_high")]}

    assert order(tmp_path, tables) == ([1] if is_listed else [])


def test_who_is_in_no_table_of_people_is_not_listed(tmp_path):
    """Objections and opt-outs are the reading's matter: whom it does not show, no other table brings back."""
    tables = {
        "patient": people(1),
        "risk_stratification": [risk(1, 0.5, "very_high"), risk(2, 0.9, "very_high")],
        "patient_activity": [stay(2, 3)],
        "care_gap": [gap(2)],
        "patient_observation": [discussed(2, 200)],
    }

    assert order(tmp_path, tables) == [1]


# Teams --------------------------------------------------------------------------------------------------------------


def test_neighbourhoods_group_practices_and_others_stand_alone(tmp_path):
    tables = {
        "patient": [*people(1), *people(2, practice="B81001"), *people(3, practice="C81001"), *people(4, practice="D")],
        "patient_record": [*records(1, 2, 3), *records(4, provider="GP2")],
        "risk_stratification": [risk(n, n / 10, "high") for n in (1, 2, 3, 4)],
    }

    made, rows = listed(tmp_path, tables, neighbourhoods={"North": ("A81001", "B81001"), "D": ("C81001",)})

    told = {number(row["patient_id"]): (row["neighbourhood"], row["rank"]) for row in rows}
    assert told == {2: ("North", 1), 1: ("North", 2), 3: ("D", 1), 4: ("D (practice)", 1)}
    assert [page.name for page in made.pages] == ["index.html", "d.html", "d-practice.html", "north.html"]


def test_a_practice_that_only_hospitals_name_is_no_team(tmp_path):
    tables = {
        "patient": [*people(1), *people(2, practice="Z99999")],
        "patient_record": [*records(1), *records(2, provider="RX1")],
        "risk_stratification": [risk(1, 0.5, "high"), risk(2, 0.9, "very_high")],
    }

    made, rows = listed(tmp_path, tables)

    assert [row["neighbourhood"] for row in rows] == ["A81001"]
    assert made.about["people_without_a_team"] == 1


def test_where_no_practice_delivers_every_practice_is_a_team(tmp_path):
    tables = {"patient": people(1), "risk_stratification": [risk(1, 0.5, "high")]}

    made, (row,) = listed(tmp_path, tables)

    assert (row["neighbourhood"], row["practice_record_id"]) == ("A81001", None)
    assert {c.name: c.passed for c in made.checks}["everybody_listed_has_a_practice_record"] is False


@pytest.mark.parametrize("more", [{}, {"is_sensitive": True}], ids=["no practice", "sensitive"])
def test_people_without_a_practice_are_on_no_list_and_counted(more, tmp_path):
    tables = {
        "patient": [*people(1), {"patient_id": person(2), **more}],
        "patient_record": records(1, 2),
        "risk_stratification": [risk(1, 0.5, "high"), risk(2, 0.9, "very_high")],
    }

    made, rows = listed(tmp_path, tables)

    assert [number(row["patient_id"]) for row in rows] == [1]
    assert made.about["people_without_a_team"] == 1
    assert "1 person with a high risk" in (tmp_path / "pages" / "index.html").read_text()
    assert not any(str(person(2)) in page.read_text() for page in made.pages)


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["North & West", "North  West"], ["north-west.html", "north-west-2.html"]),
        (["index", "Index"], ["index-2.html", "index-3.html"]),
        (["Ynys Môn", "../../etc", "…"], ["ynys-m-n.html", "etc.html", "team.html"]),
        (["x" * 300, "x" * 301], ["x" * 80 + ".html", "x" * 80 + "-2.html"]),
    ],
)
def test_every_team_has_a_file_of_its_own(names, files):
    assert list(file_names(dict.fromkeys(names)).values()) == files


# Order --------------------------------------------------------------------------------------------------------------


def test_the_order_by_points_then_by_id(tmp_path):
    tables = {
        "patient": people(5, 4, 3, 2, 1),
        "patient_record": records(1, 2, 3, 4, 5),
        "risk_stratification": [risk(5, 0.3, "high"), risk(1, 0.3, "high"), risk(2, 0.4, "high"), risk(3, 0.3, "high")],
        "patient_activity": [stay(3, 20, 20), stay(3, 30, 30)],
        "care_gap": [gap(4)],
    }

    assert order(tmp_path, tables) == [3, 2, 1, 5, 4]


def test_meetings_take_as_many_as_they_can_discuss(tmp_path):
    numbers = range(1, 9)
    tables = {"patient": people(*numbers), "risk_stratification": [risk(n, 0.9 - n / 100, "high") for n in numbers]}

    made, rows = listed(tmp_path, tables, case_conferences=CaseConferences(capacity=2, meetings=3))

    assert [(number(r["patient_id"]), r["rank"], r["meeting"]) for r in rows] == [
        (1, 1, 1), (2, 2, 1), (3, 3, 2), (4, 4, 2), (5, 5, 3), (6, 6, 3),
    ]  # fmt: skip
    page = made.pages[1].read_text()
    assert page.count("<article") == 6
    assert re.search(r"<dt>More with a reason</dt><dd>2</dd>", page)


situation = st.fixed_dictionaries({
    "probability": st.none() | st.integers(0, 100).map(lambda n: n / 100),
    "before": st.none() | st.integers(0, 100).map(lambda n: n / 100),
    "emergencies": st.integers(0, 5),
    "gaps": st.integers(0, 12),
    "lost": st.integers(0, 3),
})  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(situation, st.sampled_from(["probability", "emergencies", "gaps", "lost"])), max_size=12))
def test_more_of_anything_never_ranks_lower(tmp_path_factory, cases):
    """Of each pair the second is as the first, but with more of one thing; both are listed, for both have a gap."""
    pairs = []
    for told, thing in cases:
        more = dict(told)
        more[thing] = min((told[thing] or 0) + 0.3, 1.0) if thing == "probability" else told[thing] + 1
        pairs += [told, more]
    numbers = range(1, len(pairs) + 1)
    tables = {
        "patient": people(*numbers),
        "risk_stratification": [risk(n, told["probability"], "low") for n, told in zip(numbers, pairs, strict=True)],
        "risk_before": [
            risk(n, told["before"]) | {"night": days_ago(30)} for n, told in zip(numbers, pairs, strict=True)
        ],
        "patient_activity": [
            stay(n, 60, 60) for n, t in zip(numbers, pairs, strict=True) for _ in range(t["emergencies"])
        ],
        "care_gap": [
            gap(n, f"{kind} {i}", seamlessness=kind == "lost")
            for n, told in zip(numbers, pairs, strict=True)
            for kind, most in (("own", told["gaps"] + 1), ("lost", told["lost"]))
            for i in range(most)
        ],
    }

    _, rows = listed(
        tmp_path_factory.mktemp("list"), tables, case_conferences=CaseConferences(capacity=500, meetings=1)
    )

    points = {number(row["patient_id"]): row["points"] for row in rows}
    assert len(points) == len(pairs)
    for first in numbers[::2]:
        assert points[first + 1] >= points[first]
    assert [row["points"] for row in rows] == sorted(points.values(), reverse=True)


# What is told -------------------------------------------------------------------------------------------------------

FULL = {
    "patient": people(1, birth_date=date(1943, 4, 2), sex="F", nhs_number="9990000018"),
    "patient_record": [*records(1), *records(1, provider="RX1")],
    "risk_stratification": [risk(1, 0.431, "very_high", reasons=["heart failure", "age 82", "frailty", "diabetes"])],
    "risk_before": [risk(1, 0.31) | {"night": days_ago(30)}],
    "care_gap": [gap(1, "foot", 40, title="Foot examination"), gap(1, "hba1c", 90, title="HbA1c"),
                 gap(1, "home", 3, seamlessness=True, title="No community contact within 2 days of discharge")],
    "patient_activity": [
        stay(1, 40, 31, diagnoses=["I500", "E119"]), stay(1, 20, 12, diagnoses=["I509"]),
        event(1, "RX1", activity_kind="attendance", start_time=at(20), end_time=at(20)),
        event(1, "GP1", activity_kind="contact", start_time=at(50), attendance_status="5"),
        event(1, "GP1", activity_kind="contact", start_time=at(8), attendance_status="3"),
        event(1, "GP1", activity_kind="medication", start_time=at(50), code="387475002", is_repeat=True),
        event(1, "GP1", activity_kind="medication", start_time=at(20), code="387475002", is_repeat=True),
        event(1, "GP1", activity_kind="medication", start_time=at(20), code="109081006", is_repeat=True),
    ],
    "patient_condition": [event(1, "GP1", code="84114007", coding_system="snomed", start_date=days_ago(900)),
                          event(1, "GP1", code="13645005", coding_system="snomed", end_date=days_ago(9)),
                          event(1, "GP1", code="38341003", coding_system="snomed"),
                          event(1, "GP1", code="35489007", coding_system="snomed")],
    "patient_care_service": [event(1, "LA1", service_type="Long Term Support: Community", start_date=days_ago(300))],
    "patient_care_plan": [event(1, "RY1", start_date=days_ago(400), updated_date=days_ago(45), coordinator_id="C7",
                                review_date=days_ago(3))],
    "patient_carer": [event(1, "LA1", relationship="Spouse", assessment_date=days_ago(100))],
    "patient_observation": [discussed(1, 120)],
}  # fmt: skip


def test_one_screen_tells_of_the_person_over_all_settings(tmp_path):
    row = listed(tmp_path, FULL)[1][0]

    assert row["why"] == [
        "Risk of an emergency admission in 12 months 43% (very high), up from 31% on 2 March 2026",
        "2 emergency admissions in the last 90 days",
        "Discharged from hospital on 20 March 2026",
        "1 gap between settings",
        "2 steps of care are due",
    ]
    assert row["gaps"] == [
        "No community contact within 2 days of discharge (due for 3 days)", "HbA1c (due for 3 months)",
        "Foot examination (due for 40 days)",
    ]  # fmt: skip
    assert row["summary"] == [
        "Risk is raised by: Heart failure; age 82; frailty.",
        "General practice (GP1): 1 contact, the last on 10 February 2026; 1 missed; 2 repeat medicines. Knows heart failure, hypertension, anxiety or depression.",
        "Hospital (RX1): 2 emergency admissions, the last on 12 March 2026; 17 nights in all, discharged on 20 March 2026; 1 emergency attendance. Knows heart failure, diabetes.",
        "Community (RY1): Nothing in 12 months.",
        "Social care (LA1): Gives long-term support at home; knows an unpaid carer (spouse), assessed on 22 December 2025.",
        "Care plan: One in force (RY1), last updated 45 days ago, review is late; coordinator RY1:C7.",
    ]
    assert row["settings"] == ["gp", "acute", "social_care"]
    told = {name: row[name] for name in ("age", "sex", "practice_record_id", "open_gaps", "care_plan_age_days")}
    assert told == {"age": 82, "sex": "F", "practice_record_id": "GP1:1", "open_gaps": 3, "care_plan_age_days": 45}
    assert (row["coordinator_key"], row["last_discussed"]) == ("RY1:C7", days_ago(120))
    assert (row["emergency_admissions_90_days"], row["emergency_admissions_12_months"]) == (2, 2)
    assert row["risk_change"] == pytest.approx(0.121)


def test_a_step_that_two_protocols_ask_for_is_one_thing_to_do(tmp_path):
    tables = {"patient": people(1), "care_gap": [gap(1, overdue=5, title="Feet examined"), gap(1, "foot", None),
                                                 gap(1, "feet", overdue=9, title="Feet examined")]}  # fmt: skip

    row = listed(tmp_path, tables)[1][0]

    assert (row["gaps"], row["open_gaps"], row["points"]) == (["Feet examined (due for 9 days)", "foot"], 3, 3)


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, ""), (1, " (due for 1 day)"), (60, " (due for 60 days)"), (61, " (due for 2 months)"),
     (730, " (due for 24 months)"), (731, " (due for 2 years)"), (5527, " (due for 15 years)")],
)  # fmt: skip
def test_how_long_something_has_been_due_is_told_as_people_say_it(days, words, tmp_path):
    (row,) = listed(tmp_path, {"patient": people(1), "care_gap": [gap(1, overdue=days)]})[1]

    assert row["gaps"] == [f"hba1c{words}"]


def test_plans_that_do_not_agree_are_told_and_no_coordinator_is_chosen(tmp_path):
    plans = [
        event(1, "RY1", start_date=days_ago(50), coordinator_id="C7"),
        event(1, "GP1", start_date=days_ago(9), coordinator_id="C8"),
    ]

    row = listed(tmp_path, {**FULL, "patient_care_plan": plans})[1][0]

    assert row["summary"][-1] == (
        "Care plan: 2 in force, made apart (GP1, RY1), last updated 9 days ago; 2 coordinators are named:"
        " GP1:C8, RY1:C7."
    )
    assert (row["coordinator_key"], row["care_plan_age_days"]) == (None, 9)


def test_who_is_in_hospital_tonight_is_told(tmp_path):
    row = listed(tmp_path, {"patient": people(1), "patient_activity": [stay(1, 4)]})[1][0]

    assert row["summary"][0].startswith("Hospital (RX1): In hospital since 28 March 2026; 1 emergency admission, ")


def test_who_was_discharged_and_is_in_again_is_not_told_to_be_home(tmp_path):
    row = listed(tmp_path, {"patient": people(1), "patient_activity": [stay(1, 20, 12), stay(1, 4)]})[1][0]

    assert row["why"][1] == "Discharged from hospital on 20 March 2026, in again since 28 March 2026"
    assert row["points"] == 30


def test_the_table_is_as_the_dictionary_says(tmp_path):
    made, rows = listed(tmp_path, FULL)

    assert list(rows[0]) == list(CONSUMER_TABLES["case_conference_list"].column_names)
    assert made.rows == {"case_conference_list": 1}
    assert made.about["code_lists"]["case_conference"]["version"]
    assert made.about["rule"]["points_of_emergency"] == conferences.POINTS_OF_EMERGENCY
    assert made.about["missing"] == []
    assert all(check.passed for check in made.checks)


def keyed(tables):
    """The same rows, with keys of their own, so that their order in the table says nothing."""
    return {
        name: [{**row, "event_key": f"{name}:{n}"} if name in EVENT_TABLES else row for n, row in enumerate(rows)]
        for name, rows in tables.items()
    }


def test_what_lies_after_the_night_changes_nothing(tmp_path):
    later = {
        "patient_activity": [
            stay(1, -1),
            event(1, "RV1", activity_kind="contact", start_time=at(-2)),
            event(1, "GP1", activity_kind="medication", start_time=at(-1), code="1", is_repeat=True),
        ],
        "patient_condition": [event(1, "GP1", code="73211009", coding_system="snomed", start_date=days_ago(-1))],
        "patient_care_service": [event(1, "LA1", service_type="End of Life", start_date=days_ago(-1))],
        "patient_care_plan": [event(1, "GP1", start_date=days_ago(-1), coordinator_id="C9")],
        "patient_carer": [event(1, "GP1", relationship="friend", start_date=days_ago(-1))],
        "patient_observation": [discussed(1, -1)],
    }
    both = {**FULL, **{name: [*FULL[name], *rows] for name, rows in later.items()}}

    assert listed(tmp_path, both)[1] == listed(tmp_path, FULL)[1]


def test_the_order_of_rows_in_the_registry_changes_nothing(tmp_path):
    tables = keyed(FULL)
    turned = {name: rows[::-1] for name, rows in tables.items()}

    first, again = listed(tmp_path / "first", tables), listed(tmp_path / "again", turned)

    assert again[1] == first[1]
    assert [page.read_bytes() for page in again[0].pages] == [page.read_bytes() for page in first[0].pages]


# What is missing ----------------------------------------------------------------------------------------------------


def test_without_risk_and_gaps_the_list_ranks_by_what_there_is_and_says_so(tmp_path):
    made, rows = listed(tmp_path, {"patient": people(1, 2), "patient_activity": [stay(2, 9, 5), stay(1, 60, 60)]})

    assert [number(row["patient_id"]) for row in rows] == [2, 1]
    assert {row["open_gaps"] for row in rows} == {row["emergency_admission_probability"] for row in rows} == {None}
    page = made.pages[1].read_text()
    for sentence in made.about["missing"]:
        assert sentence in page
    assert len(made.about["missing"]) == 4
    assert {c.name: c.observed for c in made.checks}["risk_and_gaps_are_known"] == "care_gap, risk_stratification"


def test_published_scores_stand_for_a_model_that_is_not_fitted_and_the_page_says_so(tmp_path):
    scores = {"electronic_frailty_category": "severe", "hospital_frailty_category": "low", "charlson_updated": 4}
    tables = {"patient": people(1), "risk_stratification": [risk(1, **scores)]}

    made, (row,) = listed(tmp_path, tables)

    assert row["why"] == ["Published scores: severe frailty, comorbidity index of 4"]
    assert "No model of emergency admission is fitted" in made.pages[1].read_text()


@pytest.mark.parametrize("tables", [{}, {"patient": people(1)}, {"patient": [{"patient_id": person(1)}]}],
                         ids=["nobody", "nothing known", "no practice"])  # fmt: skip
def test_a_registry_with_next_to_nothing_has_an_empty_list_and_its_pages(tables, tmp_path):
    made, rows = listed(tmp_path, tables, neighbourhoods={"North": ("B81001",)})

    assert rows == []
    assert "Nobody to discuss" in (tmp_path / "pages" / "north.html").read_text()
    assert (tmp_path / "pages" / "index.html") in made.pages
    assert all(page.is_file() for page in made.pages)


# No personal value --------------------------------------------------------------------------------------------------

ODD = "Zyxquortle"
PERSONAL = {
    "title": f"{ODD}title", "given_name": f"{ODD}given", "middle_names": f"{ODD}middle", "family_name": f"{ODD}family",
    "previous_family_name": f"{ODD}previous", "address": f"{ODD}street", "postcode": "ZX1 1AB",
    "phone": "07700900123", "email": f"{ODD}@mail.example", "nhs_number": "9990000018", "birth_date": date(1931, 7, 9),
    "ethnicity": "A",
}  # fmt: skip
WRITTEN = {
    "patient_activity": ("specialty", "reason", "description", "site", "staff_group", "code", "source", "diagnoses"),
    "patient_condition": ("description", "code"),
    "patient_care_plan": ("plan_type",),
    "patient_care_service": (
        "service_type", "service_component", "delivery_mechanism", "primary_support_reason", "accommodation_status",
    ),
    "patient_carer": ("relationship", "carer_local_id"),
    "patient_observation": ("description", "unit", "code"),
}  # fmt: skip
"""Columns in which a provider may have written anything."""


def test_no_personal_value_is_on_any_page_or_in_the_list(tmp_path):
    text = f"{ODD} 9990000018 09/07/1931"
    tables = {**FULL, "patient": people(1, **PERSONAL)}
    for table, columns in WRITTEN.items():
        odd = {column: [text] if column == "diagnoses" else text for column in columns}
        more = (
            {"activity_kind": "spell", "start_time": at(9), "is_emergency": True} if table == "patient_activity" else {}
        )
        tables[table] = [*FULL[table], event(1, "GP1", **more, **odd)]

    made, rows = listed(tmp_path, tables)

    assert len(rows) == 1
    written = [page.read_text() for page in made.pages] + [str(rows), str(made)]
    assert str(person(1)) in written[1]
    for personal in (ODD.lower(), "9990000018", "999 000 0018", "1931", "zx1", "07700900123", "9 july"):
        assert not any(personal in text.lower() for text in written), personal


@pytest.mark.parametrize(
    ("local_id", "is_shown"),
    [
        ("999-000-0018", False),
        ("P9990000018", False),
        ("9434765919", False),
        ("943 476 5919", False),
        ("MCDANIELS-J", False),
        ("JX19310709", False),
        ("X/09071931", False),
        ("9434765918", True),
        ("94347659", True),
        ("{209C475A-4FAE}", True),
    ],
    ids=[
        "the person's own",
        "within more",
        "another valid one",
        "as it is written",
        "family name",
        "birth date",
        "birth date as said",
        "wrong check digit",
        "short",
        "id",
    ],
)
def test_a_record_that_goes_by_an_nhs_number_is_not_shown(local_id, is_shown, tmp_path):
    """Some councils and practices use the number as their own id; the team then opens the person by the patient_id."""
    tables = {
        "patient": people(1, nhs_number="9990000018", family_name="McDaniels", birth_date=date(1931, 7, 9)),
        "patient_record": [event(1, "GP1", record_id=f"GP1:{local_id}", local_id=local_id, night=NIGHT)],
        "patient_activity": [stay(1, 9)],
    }

    made, rows = listed(tmp_path, tables)

    assert rows[0]["practice_record_id"] == f"GP1:{local_id}"
    page = made.pages[1].read_text()
    assert (local_id in page) is is_shown
    assert ("Record not shown" in page) is not is_shown


@pytest.mark.parametrize("said", [f"Dr {ODD}", f"{ODD}@mail.example", "07700900123", "9434765919", "999 000 0018"])
def test_a_coordinator_who_goes_by_no_id_is_told_without_it(said, tmp_path):
    tables = {
        "patient": people(1, nhs_number="9990000018"),
        "patient_activity": [stay(1, 9)],
        "patient_care_plan": [event(1, "RY1", coordinator_id=said)],
    }

    made, rows = listed(tmp_path, tables)

    assert rows[0]["coordinator_key"] is None
    assert "coordinator RY1 (id not shown)." in rows[0]["summary"][-1]
    assert not any(said in page.read_text() for page in made.pages)


def test_what_a_provider_wrote_is_text_to_the_page(tmp_path):
    odd = "<img src=x onerror=alert(1)>"
    tables = {
        "patient": people(1),
        "patient_record": [event(1, "GP1", record_id=f"GP1:{odd}", local_id=odd, night=NIGHT)],
        "patient_activity": [stay(1, 9)],
        "patient_care_plan": [event(1, "GP1", coordinator_id=odd)],
        "care_gap": [gap(1, title=odd)],
    }

    made, _ = listed(tmp_path, tables, neighbourhoods={odd: ("A81001",)})

    for page in made.pages:
        text = page.read_text()
        assert odd not in text
        assert "&lt;img" in text
        assert "default-src &#39;none&#39;" in text
