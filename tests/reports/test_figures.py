"""What a report counts, from small tables of input rows: each figure that could be wrong, and what is hidden."""

import dataclasses
import json
from collections import Counter
from datetime import timedelta

import duckdb
import pytest

from registry_pipeline.config import Agreement
from registry_pipeline.errors import BadInput
from registry_pipeline.reports import checklist
from registry_pipeline.reports.figures import ORDER, build_report, implausible
from registry_pipeline.storage import Home, write_json, write_table
from registry_pipeline.tables import TABLES
from tests.registry.conftest import FIRST_NIGHT, SETTINGS, CareSystem
from tests.reports.made_up_night import FEW, MANY, day, live, people_of, report, row, section, table

GP, GP2, HOSPITAL, COUNCIL = ({"provider": code} for code in ("GP1", "GP2", "RX1", "LA1"))
ALONE = people_of("alone", 30, GP)
"""People who are there in every test, so that nothing is hidden for want of others."""


@pytest.fixture
def system(tmp_path):
    return CareSystem(Home(tmp_path / "home"))


# Implausible links ---------------------------------------------------------------------------------------------------

CONTRADICTIONS = {
    "two_deaths": ("death_date", day("2026-01-01"), day("2026-03-01")),
    "two_sexes": ("sex", "F", "M"),
    "two_birth_dates": ("birth_date", day("1950-01-01"), day("1950-01-02")),
}


def test_people_whose_records_contradict_each_other_are_counted(system):
    people = dict(ALONE)
    for place, (kind, (column, one, other)) in enumerate(CONTRADICTIONS.items()):
        people |= people_of(f"alike_{kind}", 20, {**GP, column: one}, {**HOSPITAL, column: one}, HOSPITAL)
        people |= people_of(kind, MANY * 2**place, {**GP, column: one}, {**HOSPITAL, column: other})
    live(system, people)
    made = report(system)
    shown = {r[0]: r[1] for r in table(made, "implausible_links").rows}
    assert row(made, "consistency", "Sex")[0] == shown[implausible.KINDS["two_sexes"][0]]
    found = [shown.pop(implausible.KINDS[kind][0]) for kind in CONTRADICTIONS]
    assert found == [MANY, 2 * MANY, 4 * MANY]
    assert set(shown.values()) == {0}


def test_few_such_people_are_not_shown(system):
    live(system, {**ALONE, **people_of("few", FEW, {**GP, "sex": "F"}, {**HOSPITAL, "sex": "M"})})
    assert row(report(system), "implausible_links", "Two sexes")[:2] == ["*", "*"]


def test_people_with_two_valid_numbers_are_counted(system):
    people = people_of("contrary", MANY, GP, HOSPITAL)
    live(system, {**ALONE, **people})
    # The audit publishes no such person; what it would have stopped is written beside it.
    numbered = [
        {**r, "nhs_number": f"90000{n:03}{i:02}"} for n, both in enumerate(people.values()) for i, r in enumerate(both)
    ]
    system.deliver(system.night(1), [{k: v for k, v in r.items() if k != "provider"} for r in numbered])
    made = report(system)
    assert row(made, "implausible_links", "More than one valid NHS number")[0] == MANY
    assert table(made, "implausible_links").flags == {list(implausible.KINDS).index("two_nhs_numbers"): "red"}


def test_a_superseded_number_is_no_second_number(system):
    system.feeds = ("patient", "nhs_number_replacement")
    people = {
        name: [{**r, "nhs_number": f"90000{n:03}{place:02}"} for place, r in enumerate(records)]
        for n, (name, records) in enumerate(people_of("renamed", MANY, GP, HOSPITAL).items())
    }
    system.replaced("GP1", system.night(1), {f"90000{n:03}00": f"90000{n:03}01" for n in range(MANY)})
    live(system, {**ALONE, **people})
    assert row(report(system), "implausible_links", "More than one valid NHS number")[0] == 0


def test_only_practices_of_gp_records_count_as_registrations(system):
    moved = people_of("moved", MANY, {**GP, "gp_practice": "A81001"}, {**GP2, "gp_practice": "A81002"})
    told = people_of("told", 20, {**GP, "gp_practice": "A81001"}, {**HOSPITAL, "gp_practice": "A81002"})
    live(system, {**ALONE, **moved, **told})
    assert row(report(system), "implausible_links", "Two current general practices")[0] == MANY


DEAD = {**GP2, "death_date": day("2026-03-01")}

AFTER_DEATH = (
    ("spell", {"start_time": "2026-03-20", "end_time": "2026-03-22"}, True),
    ("spell", {"start_time": "2026-03-06", "end_time": "2026-03-22"}, False),  # late recording
    ("attendance", {"start_time": "2026-03-20"}, True),
    ("contact", {"start_time": "2026-03-20", "attendance_status": "5"}, True),
    ("contact", {"start_time": "2026-03-20", "attendance_status": "3"}, False),  # did not attend
    ("medication", {"start_time": "2026-03-20"}, False),  # issued before anybody knew
    ("referral", {"start_time": "2026-03-20"}, False),
)


def events_of(system, rows):
    """Events of records at providers, from rows with `record_id`, the feed, and the event's own columns."""
    by_feed = {}
    for place, (record, feed, columns) in enumerate(rows):
        provider, _, local_id = record.partition(":")
        event = {"event_id": place, "record_id": record, "local_id": local_id, "activity_kind": feed, **columns}
        by_feed.setdefault((provider, feed), []).append(event)
    system.feeds = ("patient", *sorted({feed for _, feed in by_feed}))
    for (provider, feed), events in by_feed.items():
        system.events("activity", feed, provider, system.night(1), events)


def counting(cases):
    """Cases with so many people each that what is counted says which cases were: 10, 20, 40, ..."""
    return [(f"case{place}_", MANY * 2**place, *case) for place, case in enumerate(cases)]


def test_activity_after_death_is_what_needs_the_person_alive(system):
    people, events, expected = dict(ALONE), [], 0
    for kind, count, feed, columns, counts in counting(AFTER_DEATH):
        people |= people_of(kind, count, DEAD, HOSPITAL)
        events += [(f"RX1:{kind}{n}x1", feed, columns) for n in range(count)]
        expected += count if counts else 0
    people |= people_of("living", 20, GP, HOSPITAL)
    events += [(f"RX1:living{n}x1", "spell", AFTER_DEATH[0][1]) for n in range(20)]
    events_of(system, events)
    live(system, people)
    assert row(report(system), "implausible_links", implausible.KINDS["after_death"][0])[0] == expected


ORDINARY = {"patient_classification": "1"}
STAYS = (
    (("2026-03-01", "2026-03-10"), ("2026-03-04", "2026-03-06"), ORDINARY, True),
    (("2026-03-20", None), ("2026-03-25", None), ORDINARY, True),  # still in both
    (("2026-03-01", "2026-03-05"), ("2026-03-05", "2026-03-09"), ORDINARY, False),  # a transfer
    (("2026-03-01", "2026-03-05 20:00"), ("2026-03-05 09:00", "2026-03-09"), ORDINARY, False),  # by night
    (("2026-03-01", "2026-03-10"), ("2026-03-04", "2026-03-06"), {"patient_classification": "2"}, False),  # a day case
    (("2025-06-01", None), ("2026-03-04", "2026-03-06"), ORDINARY, False),  # a discharge that was never recorded
)


def test_stays_at_two_hospitals_at_once_are_counted(system):
    people, events, expected = dict(ALONE), [], 0
    for kind, count, one, other, columns, counts in counting(STAYS):
        people |= people_of(kind, count, GP2, HOSPITAL)
        for place, provider, (start, end) in ((0, "GP2", one), (1, "RX1", other)):
            stay = {"start_time": start, "end_time": end, **columns}
            events += [(f"{provider}:{kind}{n}x{place}", "spell", stay) for n in range(count)]
        expected += count if counts else 0
    events_of(system, events)
    live(system, people)
    assert row(report(system), "implausible_links", implausible.KINDS["overlapping_stays"][0])[0] == expected


def test_people_are_told_by_how_many_records_they_have(system):
    live(system, {**ALONE, **people_of("two", 20, GP, HOSPITAL), **people_of("many", MANY, *[HOSPITAL] * 12)})
    shown = {r[0]: r[1] for r in table(report(system), "cluster_sizes").rows}
    assert (shown["1"], shown["2"], shown["3"], shown["10 or more"]) == (30, 20, 0, MANY)


# Linkage rates -------------------------------------------------------------------------------------------------------


def test_rates_are_told_by_setting_and_by_pair_of_settings(system):
    people = {
        **people_of("gp", 40, GP),
        **people_of("both", 20, GP, HOSPITAL),
        **people_of("all", MANY, GP, HOSPITAL, COUNCIL),
        **people_of("hospital", MANY, HOSPITAL),
    }
    live(system, people)
    made = report(system)
    assert row(made, "people_overall", "People in the registry")[0] == 80
    assert row(made, "people_overall", "of them with more than one record") == [30, 30 / 80]
    # people of the practice, of the hospital, of both, of those who could be
    assert row(made, "linkage_by_pair", "General practice", "Hospitals") == [70, 40, 30, 30 / 40]
    assert row(made, "linkage_by_pair", "General practice", "Adult social care") == [70, 10, 10, 1.0]
    assert row(made, "linkage_by_setting", "Hospitals") == [40, 30 / 40, 40, 30, 30 / 40]
    assert row(made, "linkage_by_provider", "GP1", "General practice") == [70, 30, 30 / 70]
    methods = {r[0]: r[1] for r in table(made, "link_methods").rows}
    assert sum(methods.values()) == 120
    assert methods["same NHS number"] == 70


# Groups --------------------------------------------------------------------------------------------------------------


def of_groups(**more):
    return [{**GP, **more}, {**HOSPITAL, **more}]


def test_small_groups_are_hidden_and_large_ones_told(system):
    people = {
        **people_of("most", 300, *of_groups(ethnicity="A", sex="F")),
        **people_of("some", 100, {**GP, "ethnicity": "H", "sex": "M"}),
        **people_of("linked", 50, *of_groups(ethnicity="H", sex="M")),
        **people_of("few", FEW, *of_groups(ethnicity="R", sex="F")),
    }
    live(system, people)
    made = report(system)
    assert row(made, "groups_ethnicity", "A British")[:3] == [300, 300, 1.0]
    assert row(made, "groups_ethnicity", "H Indian")[:3] == [150, 50, 50 / 150]
    assert row(made, "groups_ethnicity", "R Chinese")[:8] == ["*", "*", "*", "*", None, None, None, None]
    assert row(made, "groups_sex", "male")[0] == 150


def test_a_group_of_which_much_is_missed_is_marked(system):
    live(
        system,
        people_of("most", 300, *of_groups(ethnicity="A"))
        | people_of("some", 300, *of_groups(ethnicity="H"))
        | people_of("others", 300, *of_groups(ethnicity="R")),
    )

    def measured(value):
        return {"value": value, "low": value / 2, "high": value * 2, "of": 300.0}

    def found(name, missed, behind):
        return {
            "by": "ethnicity", "group": name, "people": 300, "records": 600, "missed": measured(missed), "false": measured(0.0),
            "missed_gap": missed - 0.02, "is_compared": True, "falls_behind": bool(behind), "falls_behind_in": behind,
        }  # fmt: skip

    groups = [
        found("A British", 0.01, []),
        found("H Indian", 0.06, ["missed"]),
        found("R Chinese", 0.01, ["false"]),
        found("not known", 0.3, ["missed"]),
    ]
    estimates = {"missed": measured(0.02), "false": measured(0.001), "groups": groups, "method": "made up"}
    made = report(system, linkage={"estimates": estimates})
    ethnicity = table(made, "groups_ethnicity")
    assert {ethnicity.rows[number][0]: colour for number, colour in ethnicity.flags.items()} == {
        "H Indian": "red",
        "R Chinese": "amber",
        "not known": "red",
    }
    light = next(each for each in made.lights if each.section == "groups")
    # Those of whom the group is not known are no group that somebody could be asked about.
    assert (light.colour, light.value, "H Indian" in light.meaning) == ("red", "+4.0 points", True)
    assert next(c for c in section(made, "groups").charts if c.id == "missed_by_ethnicity").data[1]["flag"] == "red"


# Identifiers ---------------------------------------------------------------------------------------------------------


def set_to_null(system, provider, column, reasons):
    """Say of people of some kinds why a column of theirs is empty."""
    file = system.home.staged("person_record", provider, system.night(1))
    cases = " ".join(f"WHEN local_id LIKE '{kind}%' THEN MAP {{'{column}': '{why}'}}" for kind, why in reasons.items())
    with duckdb.connect() as connection:
        rewritten = f"SELECT * REPLACE (CASE {cases} ELSE MAP {{}} END AS null_reasons) FROM '{file}'"
        write_table(connection, rewritten, TABLES["person_record"], file)


def test_identifiers_are_delivered_usable_or_stand_for_not_known(system):
    whole = {**HOSPITAL, "postcode": "ZX1 1AB", "ethnicity": "A", "nhs_number": None}
    people = {
        **people_of("whole", 60, whole),
        **people_of("nfa", 20, {**whole, "postcode": None}),
        **people_of("wrong", MANY, {**whole, "postcode": None}),
        **people_of("empty", MANY, {**whole, "postcode": None, "ethnicity": "Z"}),
    }
    live(system, people)
    set_to_null(system, "RX1", "postcode", {"nfa": "no_fixed_abode", "wrong": "not_a_uk_postcode"})
    made = report(system)
    columns = [c.name for c in table(made, "completeness").columns]
    postcode, ethnicity = columns.index("Postcode") - 1, columns.index("Ethnicity") - 1

    def cell(name, place):
        return row(made, name, "RX1")[place]

    assert cell("completeness", postcode) == 0.9
    assert cell("validity", postcode) == pytest.approx(60 / 90)
    assert cell("placeholders", postcode) == 0.2
    assert (cell("completeness", ethnicity), cell("validity", ethnicity)) == (1.0, 0.9)
    # 20 homeless of 100 are 18 beyond the 2 that are allowed: (60 + 20 - 18) / 100.
    index = [c.name for c in table(made, "dqmi").columns].index("Postcode") - 1
    assert cell("dqmi", index) == pytest.approx(0.62)
    reasons = {(r[0], r[1]): r[3] for r in table(made, "set_to_null").rows}
    assert reasons == {("Postcode", "no fixed abode"): 20, ("Postcode", "not a UK postcode"): MANY}


def test_coverage_is_the_nights_that_came_of_those_that_ran(system):
    for number in (1, 2, 3):
        system.deliver(system.night(number), [])
    live(system, ALONE, 4)
    system.home.outcome("GP1", "patient", system.night(2)).unlink()
    made = report(system, f"{system.night(4)}.1")
    assert row(made, "dqmi", "GP1")[1:3] == [0.75, "3 of 4"]


# Ids, drift and what changed -----------------------------------------------------------------------------------------


def test_what_happened_to_ids_is_told_by_cause(system):
    live(system, {**ALONE, **people_of("one", MANY, GP), **people_of("other", MANY, HOSPITAL)})
    joined = {
        f"j{n}": [{**GP, "record_id": f"GP1:one{n}x0"}, {**HOSPITAL, "record_id": f"RX1:other{n}x0"}]
        for n in range(MANY)
    }
    second = live(system, {**ALONE, **joined, **people_of("new", 20, GP)}, 2)
    made = report(system, second)
    rows = {(r[0], r[1]): r[2] for r in table(made, "identity_events").rows}
    assert {r[3] for r in table(made, "identity_events").rows} == {None}, "the first night is no usual one"
    assert rows["joined into another", "records of two people were linked"] == MANY
    assert rows["created", "a person not met before"] == 20
    assert any(f"{MANY} joined" in sentence for sentence in made.changes)
    third = live(system, {**ALONE, **joined, **people_of("new", 20, GP), **people_of("newer", 40, GP)}, 3)
    made = report(system, third)
    # The first night is no usual one: what is usual is what the second brought.
    assert row(made, "identity_events", "created", "a person not met before") == [40, 20]
    assert [r["value"] for r in section(made, "churn").charts[0].data if r["group"] == "created"] == [20, 40]


def earlier_nights(system, people, count=10):
    """Published snapshots before tonight, of which only the manifest is left to read."""
    for number in range(1, count + 1):
        night = FIRST_NIGHT - timedelta(days=number)
        folder = system.home.snapshot(f"{night}.1")
        rows = {"patient": people + number % 3, "patient_record": people, "needs_attention": 0}
        manifest = {
            "night": night.isoformat(),
            "rows": rows,
            "prior_snapshot": "an earlier one",
            "inputs": [],
            "about": {},
        }
        write_json(folder / "manifest.json", manifest)
        write_json(folder / "published.json", {})


def published_beside(system, people):
    """Tonight's snapshot, made as on a first night, with a month of nights before it."""
    snapshot = live(system, people)
    earlier_nights(system, 30)
    return snapshot


def test_a_figure_that_leaves_its_limits_is_flagged(system):
    snapshot = published_beside(system, {**ALONE, **people_of("sudden", 200, GP)})
    made = report(system, snapshot)
    drift = table(made, "drift_figures")
    flagged = {drift.rows[number][0] for number in drift.flags}
    assert {"People in the registry", "Person records"} <= flagged
    chart = next(c for c in section(made, "drift").charts if c.id == "drift_people")
    assert "above" in chart.data[-1]["flag"]
    assert chart.data[-1]["value"] == 230
    assert len(chart.data) == 11


def test_a_usual_night_is_not_flagged(system):
    drift = table(report(system, published_beside(system, ALONE)), "drift_figures")
    assert not drift.flags


def test_earlier_reports_give_what_no_manifest_holds(system):
    snapshot = live(system, ALONE)
    for number in range(1, 9):
        night = FIRST_NIGHT - timedelta(days=number)
        write_json(system.home.report(f"{night}.1") / "linkage_quality.json", {"headline": {"dqmi": 90.0 + number % 2}})
    (system.home.report(f"{FIRST_NIGHT - timedelta(days=9)}.1")).mkdir(parents=True)
    (system.home.report(f"{FIRST_NIGHT - timedelta(days=9)}.1") / "linkage_quality.json").write_text("{cut off")
    write_json(system.home.report("not-a-snapshot") / "linkage_quality.json", {"headline": {"dqmi": 1.0}})
    made = report(system, snapshot)
    drift = {r[0]: r for r in table(made, "drift_figures").rows}
    assert drift["DQMI"][5] == 8
    assert "below" in drift["DQMI"][6]


def test_what_changed_is_said_in_sentences(system):
    system.agreements = {code: Agreement(reference=f"A {code}", ends=None) for code in SETTINGS}
    system.agreements["GP1"] = Agreement(reference="A1", ends=system.night(1))
    live(system, {**ALONE, **people_of("hospital", 60, HOSPITAL)})
    night = system.night(2)
    system.deliver(night, [{"record_id": f"GP2:new{n}x0"} for n in range(90)])
    nothing = {
        "provider": "RX1",
        "feed": "patient",
        "night": str(night),
        "status": "missing",
        "problem": "Nothing came.",
    }
    write_json(system.home.outcome("RX1", "patient", night), nothing)
    records = [*(f"GP2:new{n}x0" for n in range(90)), *(f"RX1:hospital{n}x0" for n in range(60))]
    system.cluster(night, [[record] for record in records])
    snapshot = system.publish(night, model_version="another", people_fall_at_most=1.0).snapshot_id
    agreements = [{"provider": "GP1", "reference": "A1", "in_force": False, "ends_in_days": -1}]
    made = report(system, snapshot, governance={"agreements": agreements})
    told = " ".join(made.changes)
    assert "150 people: 60 more than in 2026-04-01.1." in told
    assert "RX1 is carried forward now." in told
    assert "GP1 is no longer in the registry." in told
    assert "The agreement A1 of GP1 has ended." in told
    assert "The linkage model is another; it was test_model." in told
    lights = {light.name: light for light in made.lights}
    assert lights["People in the registry"].colour == "red"  # 90 people, then 150
    assert lights["Extracts in tonight"].colour == "amber"
    assert table(made, "agreements_in_force").flags == {0: "red"}
    assert row(made, "deliveries", "RX1", "patient")[0] == "amber"


# A report without anything handed over -------------------------------------------------------------------------------


def test_with_nothing_handed_over_every_section_says_so(system):
    live(system, ALONE)
    made = report(system)
    assert [each.id for each in made.sections] == list(ORDER)
    silent = {each.id for each in made.sections if each.lead.startswith(checklist.NO_FIGURES)}
    assert silent == {"estimates", "sensitivity", "model", "weights", "blocking", "ties", "agreements", "outputs"}
    assert Counter(light.colour for light in made.lights)["grey"] == 4  # a first night, and nothing estimated
    assert len(made.lights) == 5
    json.dumps(dataclasses.asdict(made))
    assert_checklist_is_whole(made)


def test_a_night_without_its_records_and_without_inputs_still_makes_a_report(system):
    snapshot = live(system, ALONE)
    for provider in SETTINGS:
        system.home.staged("person_record", provider, system.night(1)).unlink()
        system.home.outcome(provider, "patient", system.night(1)).unlink()
    made = report(system, snapshot)
    assert "no longer there" in section(made, "identifiers").lead
    assert row(made, "people_overall", "People in the registry")[0] == 30
    assert_checklist_is_whole(made)


def test_there_is_no_report_of_a_snapshot_that_is_not_there(system):
    with pytest.raises(BadInput, match=r"no snapshot '2026-04-01\.7'"):
        build_report(system.configuration, "2026-04-01.7", linkage={}, governance={})


def assert_checklist_is_whole(made):
    """Every item is answered by a section that is there, or says why it is not."""
    assert [item.number for item in made.checklist] == list(range(1, 19))
    sections = {each.id for each in made.sections}
    for item in made.checklist:
        assert item.section in sections if item.section else item.reason, item


def test_every_identifier_of_the_page_is_there_once(system):
    live(system, ALONE)
    made = report(system)
    ids = (
        [each.id for each in made.sections]
        + [t.id for s in made.sections for t in s.tables]
        + [c.id for s in made.sections for c in s.charts]
    )
    twice = [name for name, times in Counter(ids).items() if times > 1]
    assert not twice
    for part in made.sections:
        for each in part.tables:
            assert all(len(cells) == len(each.columns) for cells in each.rows), each.id


# What was left out, and outputs --------------------------------------------------------------------------------------


def test_outputs_and_objections_are_told(system):
    live(system, ALONE)
    outputs = [
        {
            "purpose": "audit", "made": True, "is_current": False, "waits_for_signatures": 2,
            "providers": {"covered": [{"provider": "GP1"}], "not_covered": []}, "left_out": {"local": "*", "type_1": 20},
            "k_anonymity": {
                "asked": 5, "people": 30,
                "sets": [{"columns": ["age_band", "sex"], "groups": 3, "smallest_group": 2, "people_below": "*", "share_below": "*"}],
            },
        },
        {"purpose": "research", "made": False, "is_current": False, "waits_for_signatures": 0},
    ]  # fmt: skip
    governance = {
        "outputs": outputs,
        "objections": {"audit": {"local": "*", "type_1": 20}},
        "waiting": {"audit": 1, "direct_care": 0},
        "signatures": [{"who": "J Signatory", "role": "Caldicott Guardian"}],
        "forgotten": {"people": 2},
        "overrides": {"in_force": {"must_link": 3}, "made_last_30_nights": 1},
        "journal": {"entries": 12, "head": "ab" * 32},
    }
    made = report(system, governance=governance)
    assert row(made, "outputs_by_purpose", "audit") == [
        "waits for 2 signatures", 30, 1, 0, "objection made to this registry: not shown; type 1 opt-out, at the practice: 20",
    ]  # fmt: skip
    assert row(made, "outputs_by_purpose", "research")[0] == "could not be made"
    assert row(made, "k_anonymity", "audit", "age band and sex") == [5, "smaller than asked", "*", "*"]
    assert row(made, "objections", "audit", "type 1 opt-out, at the practice") == [20]
    assert row(made, "protected_people", "Erased at their request, and kept out") == ["*"]
    assert row(made, "overrides", "must link") == [3]
    assert (made.about["signature"], made.about["signed"]) == ("signed by 1 person; audit waits for 1 more", False)
    assert "Caldicott Guardian" in section(made, "outputs").notes[0]
    assert "J Signatory" not in json.dumps(dataclasses.asdict(made))
