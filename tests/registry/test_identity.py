"""What happens to ids, case by case; the laws over many nights stand in test_identity_laws.py."""

import uuid

import pytest

from registry_pipeline.errors import BadInput
from registry_pipeline.link.identity import resolve


def _types(care_system, snapshot, number):
    night = care_system.night(number)
    return sorted((e[0], e[1]) for e in care_system.history(snapshot) if e[4] == night)


def test_first_night_gives_every_cluster_a_random_id(care_system):
    care_system.people(care_system.night(1), {"ann": ["GP1:1", "RX1:1"], "bob": ["GP1:2"]})
    snapshot = care_system.carry_ids(care_system.night(1))
    ids = care_system.ids(snapshot)
    assert ids["GP1:1"] == ids["RX1:1"] != ids["GP1:2"]
    assert all(uuid.UUID(i).version == 4 for i in ids.values())
    assert _types(care_system, snapshot, 1) == [("created", "new_person")] * 2


def test_a_night_that_changes_nothing_changes_no_id_and_adds_no_event(care_system):
    people = {"ann": ["GP1:1", "RX1:1"], "bob": ["GP1:2"]}
    care_system.people(care_system.night(1), people)
    first = care_system.carry_ids(care_system.night(1))
    care_system.people(care_system.night(2), people)
    second = care_system.carry_ids(care_system.night(2))
    assert care_system.ids(second) == care_system.ids(first)
    assert sorted(care_system.history(second)) == sorted(care_system.history(first))


def test_the_same_night_again_gives_the_same_ids(care_system):
    care_system.people(care_system.night(1), {"ann": ["GP1:1", "RX1:1"], "bob": ["GP1:2"]})
    first = care_system.carry_ids(care_system.night(1))
    again = care_system.carry_ids(care_system.night(1))
    assert (first.name, again.name) == ("2026-04-01.1", "2026-04-01.2")
    assert care_system.ids(again) == care_system.ids(first)
    assert care_system.history(again) == care_system.history(first)


def test_a_run_killed_before_publishing_is_no_prior(care_system):
    care_system.people(care_system.night(1), {"ann": ["GP1:1"]})
    killed = care_system.build(care_system.night(1)).folder
    published = care_system.carry_ids(care_system.night(1))
    assert published.name == "2026-04-01.2"
    assert care_system.ids(published) != care_system.ids(killed)
    assert len(care_system.history(published)) == 1


def test_of_two_that_join_the_older_lives_on_though_it_has_fewer_records(care_system, rows_of):
    care_system.people(care_system.night(1), {"old": ["RX1:9"]})
    first = care_system.carry_ids(care_system.night(1))
    care_system.people(care_system.night(2), {"old": ["RX1:9"], "young": ["GP1:1", "LA1:1"]})
    second = care_system.carry_ids(care_system.night(2))
    care_system.people(care_system.night(3), {"one": ["RX1:9", "GP1:1", "LA1:1"]})
    third = care_system.carry_ids(care_system.night(3))
    old, young = care_system.ids(first)["RX1:9"], care_system.ids(second)["GP1:1"]
    assert set(care_system.ids(third).values()) == {old}
    assert [e for e in care_system.history(third) if e[4] == care_system.night(3)] == [
        ("joined", "records_linked", young, old, care_system.night(3), 0)
    ]
    assert resolve(third, young) == old


def test_of_a_split_the_larger_part_keeps_the_id(care_system):
    care_system.people(care_system.night(1), {"one": ["GP1:1", "GP2:1", "RX1:1"]})
    before = care_system.ids(care_system.carry_ids(care_system.night(1)))["GP1:1"]
    care_system.people(care_system.night(2), {"a": ["GP1:1"], "b": ["GP2:1", "RX1:1"]})
    snapshot = care_system.carry_ids(care_system.night(2))
    ids = care_system.ids(snapshot)
    assert ids["GP2:1"] == ids["RX1:1"] == before != ids["GP1:1"]
    tonight = sorted(e[:4] for e in care_system.history(snapshot) if e[4] == care_system.night(2))
    assert tonight == [
        ("created", "parted_from_other", ids["GP1:1"], None),
        ("split", "records_parted", ids["GP1:1"], before),
    ]


def test_of_equal_parts_the_one_with_the_oldest_record_key_keeps_the_id(care_system):
    care_system.people(care_system.night(1), {"one": ["GP2:1", "GP1:5"]})
    before = care_system.ids(care_system.carry_ids(care_system.night(1)))["GP1:5"]
    care_system.people(care_system.night(2), {"a": ["GP2:1"], "b": ["GP1:5"]})
    ids = care_system.ids(care_system.carry_ids(care_system.night(2)))
    assert ids["GP1:5"] == before != ids["GP2:1"]


def test_a_record_that_moves_to_another_person_changes_neither_id(care_system):
    care_system.people(care_system.night(1), {"a": ["GP1:1", "RX1:1", "LA1:1"], "b": ["GP2:2", "RX1:2"]})
    before = care_system.ids(care_system.carry_ids(care_system.night(1)))
    care_system.people(care_system.night(2), {"a": ["GP1:1", "RX1:1"], "b": ["GP2:2", "RX1:2", "LA1:1"]})
    snapshot = care_system.carry_ids(care_system.night(2))
    after = care_system.ids(snapshot)
    assert (after["GP1:1"], after["GP2:2"], after["LA1:1"]) == (before["GP1:1"], before["GP2:2"], before["GP2:2"])
    assert _types(care_system, snapshot, 2) == [("split", "records_moved")]


def test_an_id_without_records_is_retired_and_lives_again_when_one_returns(care_system):
    care_system.people(care_system.night(1), {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2"]})
    before = care_system.ids(care_system.carry_ids(care_system.night(1)))
    care_system.people(care_system.night(2), {"b": ["GP1:2"]})
    second = care_system.carry_ids(care_system.night(2))
    assert _types(care_system, second, 2) == [("retired", "no_records_left")]
    assert resolve(second, before["GP1:1"]) == before["GP1:1"]
    care_system.people(care_system.night(3), {"b": ["GP1:2"]})
    assert _types(care_system, care_system.carry_ids(care_system.night(3)), 3) == []
    care_system.people(care_system.night(4), {"a": ["RX1:1"], "b": ["GP1:2"]})
    fourth = care_system.carry_ids(care_system.night(4))
    assert care_system.ids(fourth) == {"RX1:1": before["RX1:1"], "GP1:2": before["GP1:2"]}
    assert _types(care_system, fourth, 4) == [("resurrected", "records_returned")]


def test_a_retired_id_whose_record_returns_in_somebody_else_resolves_to_them(care_system):
    care_system.people(care_system.night(1), {"a": ["GP1:1"]})
    gone = care_system.ids(care_system.carry_ids(care_system.night(1)))["GP1:1"]
    care_system.people(care_system.night(2), {"b": ["GP2:2"]})
    other = care_system.ids(care_system.carry_ids(care_system.night(2)))["GP2:2"]
    care_system.people(care_system.night(3), {"b": ["GP2:2", "GP1:1"]})
    third = care_system.carry_ids(care_system.night(3))
    assert set(care_system.ids(third).values()) == {other}
    assert resolve(third, gone) == other
    assert _types(care_system, third, 3) == [("joined", "records_returned_to_other")]


def test_a_joined_id_never_comes_back(care_system):
    care_system.people(care_system.night(1), {"a": ["GP1:1", "LA1:1"], "b": ["RX1:2"]})
    first = care_system.ids(care_system.carry_ids(care_system.night(1)))
    care_system.people(care_system.night(2), {"one": ["GP1:1", "LA1:1", "RX1:2"]})
    care_system.carry_ids(care_system.night(2))
    care_system.people(care_system.night(3), {"a": ["GP1:1", "LA1:1"], "b": ["RX1:2"]})
    third = care_system.carry_ids(care_system.night(3))
    assert care_system.ids(third)["GP1:1"] == first["GP1:1"]
    assert care_system.ids(third)["RX1:2"] not in first.values()
    assert resolve(third, first["RX1:2"]) == first["GP1:1"]


def test_a_chain_of_joins_resolves_to_its_end(care_system):
    care_system.people(care_system.night(1), {"a": ["GP1:1"]})
    care_system.carry_ids(care_system.night(1))
    care_system.people(care_system.night(2), {"a": ["GP1:1"], "b": ["GP1:2"]})
    care_system.carry_ids(care_system.night(2))
    care_system.people(care_system.night(3), {"a": ["GP1:1"], "b": ["GP1:2"], "c": ["GP1:3"]})
    ids = care_system.ids(care_system.carry_ids(care_system.night(3)))
    care_system.people(care_system.night(4), {"a": ["GP1:1"], "b": ["GP1:2", "GP1:3"]})
    care_system.carry_ids(care_system.night(4))
    care_system.people(care_system.night(5), {"a": ["GP1:1", "GP1:2", "GP1:3"]})
    last = care_system.carry_ids(care_system.night(5))
    assert [resolve(last, i) for i in ids.values()] == [ids["GP1:1"]] * 3


@pytest.mark.parametrize(
    ("asked", "says"), [("nobody", "give a UUID"), ("7a0c5f0e-4a55-4d3e-9d0c-1f2b6b0d9c11", "never gave out")]
)
def test_an_id_that_was_never_given_out_is_said_to_be_so(care_system, asked, says):
    care_system.people(care_system.night(1), {"a": ["GP1:1"]})
    snapshot = care_system.carry_ids(care_system.night(1))
    with pytest.raises(BadInput, match=says):
        resolve(snapshot, asked)


def test_a_back_fill_goes_by_the_ids_of_later_nights(care_system):
    care_system.people(care_system.night(3), {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2"]})
    later = care_system.ids(care_system.carry_ids(care_system.night(3)))
    care_system.people(care_system.night(1), {"a": ["GP1:1"], "z": ["GP2:7"]})
    before = care_system.carry_ids(care_system.night(1))
    assert care_system.ids(before)["GP1:1"] == later["GP1:1"]
    assert _types(care_system, before, 1) == [("created", "back_fill"), ("created", "new_person")]
    care_system.people(care_system.night(2), {"a": ["GP1:1"], "b": ["GP1:2"], "z": ["GP2:7"]})
    between = care_system.carry_ids(care_system.night(2))
    assert care_system.ids(between)["GP1:2"] == later["GP1:2"]
    assert care_system.ids(between)["GP2:7"] == care_system.ids(before)["GP2:7"]
    assert _types(care_system, between, 2) == [("created", "back_fill")]


def test_a_night_again_on_other_input_keeps_one_row_per_event(care_system):
    one, parted = {"one": ["GP1:1", "GP2:1"], "b": ["GP1:9"]}, {"b": ["GP1:9"]}
    care_system.people(care_system.night(1), one)
    care_system.carry_ids(care_system.night(1))
    for people in (parted, one, parted):
        care_system.people(care_system.night(2), people)
        last = care_system.carry_ids(care_system.night(2))
    events = [(e[0], e[2], e[3], e[4]) for e in care_system.history(last)]
    assert len(events) == len(set(events))
    assert _types(care_system, last, 2) == [("retired", "no_records_left")]  # what came of the night in the end
