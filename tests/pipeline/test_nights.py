"""Whole nights from extract to publish: what a registry holds, and what stays the same from night to night."""

from datetime import timedelta

import pytest

import registry_pipeline
from tests.pipeline.conftest import FIRST, PEOPLE, SECOND


def test_three_providers_become_one_registry(first_night):
    records = first_night.query("SELECT provider, setting, count(*) FROM {patient_record} GROUP BY ALL ORDER BY 1")
    people = first_night.query("SELECT count(*), count(DISTINCT nhs_number) FROM {patient}")

    assert records == [("GP1", "gp", PEOPLE), ("RX1", "acute", PEOPLE), ("RY1", "community", PEOPLE)]
    assert people == [(PEOPLE, PEOPLE)]
    assert first_night.current()["snapshot_id"].startswith(FIRST.isoformat())


def test_readers_open_the_registry_read_only(first_night):
    with registry_pipeline.open_registry(first_night.home.root) as reader:
        assert reader.sql("SELECT count(*) FROM patient").fetchall() == [(PEOPLE,)]
        with pytest.raises(Exception, match=r"(?i)disabled|not allowed|permission|cannot"):
            reader.execute("COPY (SELECT 1) TO '" + str(first_night.folder / "x.parquet") + "'")


def test_the_same_night_again_gives_the_same_registry(first_night):
    ids = "SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL"
    before, events = first_night.query(ids), first_night.query("SELECT count(*) FROM {identity_event}")

    code, _, said = first_night.run(FIRST)

    assert (code, said) == (0, "")
    assert first_night.query(ids) == before
    assert first_night.query("SELECT count(*) FROM {identity_event}") == events


def test_a_night_without_change_changes_no_id(first_night):
    ids = "SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL"
    before = first_night.query(ids)
    first_night.deliver(SECOND)

    assert first_night.run(SECOND)[0] == 0

    assert first_night.query(ids) == before
    assert first_night.current()["night"] == SECOND.isoformat()


def test_a_past_night_is_filled_in_without_becoming_current(first_night):
    third = SECOND + timedelta(days=1)
    first_night.deliver(third)
    first_night.run(third)
    first_night.deliver(SECOND)

    code, printed, _ = first_night.run(SECOND)

    assert code == 0
    assert "kept beside the later night" in printed
    assert first_night.current()["night"] == third.isoformat()
    assert [p.name for p in first_night.home.snapshots.glob(f"{SECOND}*")]


def test_a_late_extract_is_taken_when_the_night_runs_again(first_night):
    first_night.deliver(SECOND, "GP1", "RY1")
    first_night.run(SECOND)
    assert first_night.outcome("RX1", SECOND).status == "missing"
    first_night.deliver(SECOND, "RX1")

    assert first_night.run(SECOND)[0] == 0

    assert first_night.outcome("RX1", SECOND).accepted
    assert first_night.query("SELECT DISTINCT night FROM {patient_record}") == [(SECOND,)]


def test_a_second_delivery_of_a_night_is_a_version_beside_the_first(first_night):
    first_night.write("RX1", FIRST, first_night.rows("RX1")[:-1])

    assert first_night.run(FIRST)[0] == 0

    versions = sorted(p.name for p in first_night.home.landing("RX1", "patient", FIRST).iterdir())
    assert versions == ["v1", "v2"]
    assert first_night.query("SELECT count(*) FROM {patient_record} WHERE provider = 'RX1'") == [(PEOPLE - 1,)]


@pytest.mark.parametrize("further", ["", "unbalanced", "emptied"])
def test_a_further_delivery_that_cannot_be_used_leaves_the_accepted_one_of_the_night(first_night, further):
    if further == "emptied":
        first_night.write("RX1", FIRST, [])
    else:
        first_night.drop("RX1", FIRST).write_text(further)

    code, _, problems = first_night.run(FIRST)

    assert code == 0
    assert "RX1" in problems
    assert first_night.outcome("RX1", FIRST).accepted
    assert first_night.query("SELECT count(*), max(night) FROM {patient_record} WHERE provider = 'RX1'") == [
        (PEOPLE, FIRST)
    ]


def test_numbers_of_made_up_people_are_refused_in_a_live_deployment_and_the_person_says_how_to_allow_them(system):
    (system.folder / "registry.yaml").write_text("home: home\n")
    system.deliver(FIRST)

    code, _, said = system.run(FIRST)

    assert code == 0
    assert f"{3 * PEOPLE} NHS numbers of the range for made-up people" in said
    assert "synthetic_nhs_numbers: true" in said
    assert system.query("SELECT count(nhs_number) FROM {patient}") == [(0,)]


def test_a_stale_provider_is_marked_and_stays(first_night):
    later = FIRST + timedelta(days=4)
    first_night.deliver(later, "GP1", "RY1")

    assert first_night.run(later)[0] == 0

    stale = first_night.query("SELECT provider, bool_and(is_stale) FROM {patient_record} GROUP BY 1 ORDER BY 1")
    assert stale == [("GP1", False), ("RX1", True), ("RY1", False)]


def test_a_person_is_explained_by_keys_weights_and_rules_without_any_value(first_night):
    [(patient_id, number, family)] = first_night.query(
        "SELECT patient_id, nhs_number, family_name FROM {patient} ORDER BY 1 LIMIT 1"
    )

    code, printed, _ = first_night.registry("explain", str(patient_id))

    assert code == 0
    for part in ("GP1:G", "RX1:R", "RY1:R", "same_nhs_number", "birth_date", "created"):
        assert part in printed
    assert number not in printed
    assert family not in printed


def test_status_and_check_config_tell_what_stands(first_night):
    code, printed, _ = first_night.registry("status")
    assert code == 0
    assert f"{PEOPLE} people" in printed
    assert "GP1 patient" in printed

    code, printed, _ = first_night.registry("check-config")
    assert code == 0
    assert "3 providers with 3 feeds; nothing is wrong" in printed
