"""Undoing a join gives back exactly what was there before: ids, and what they resolve to."""

from datetime import date

import pytest

from registry_pipeline.link.identity import resolve
from registry_pipeline.link.undo import Join, Member, give_back


@pytest.fixture
def care_system(care_system):
    care_system.providers = ("GP1", "RX1")
    return care_system


MUST, CANNOT = "must_link", "cannot_link"


def _all(care_system, folder):
    """Everything that a reader can ask of ids: each record's, and what each id ever given out resolves to."""
    ids = care_system.ids(folder)
    given_out = {e[2] for e in care_system.history(folder)}
    return ids, {patient_id: resolve(folder, patient_id) for patient_id in given_out}


def _tonight(care_system, folder, number):
    return sorted(e[:4] for e in care_system.history(folder) if e[4] == care_system.night(number))


APART = {"a": ["GP1:1", "GP1:2"], "b": ["RX1:1", "RX1:2", "RX1:9"]}
ONE = {"one": ["GP1:1", "GP1:2", "RX1:1", "RX1:2", "RX1:9"]}


@pytest.mark.parametrize(
    ("joins", "parts", "cause"),
    [
        pytest.param([(7, MUST, "GP1:1", "RX1:1")], [], "override_undone", id="a must-link that is taken back"),
        pytest.param([], [(8, CANNOT, "GP1:1", "RX1:1")], "join_undone", id="a join by data, parted by a cannot-link"),
    ],
)
def test_everything_is_as_it_was(care_system, joins, parts, cause):
    before = _all(care_system, care_system.live(1, APART))
    ids = before[0]
    second = care_system.live(2, ONE, *joins)
    survivor, joined = sorted({ids["GP1:1"], ids["RX1:1"]}, key=lambda i: i != care_system.ids(second)["GP1:1"])
    decided = [("overridden", "must_link:7", joined, survivor)] if joins else []
    assert _tonight(care_system, second, 2) == sorted([("joined", "records_linked", joined, survivor), *decided])
    third = care_system.live(3, APART, *parts)
    assert _all(care_system, third) == before
    decided = [("overridden", "cannot_link:8", joined, survivor)] if parts else []
    assert _tonight(care_system, third, 3) == sorted([("resurrected", cause, joined, survivor), *decided])
    assert [resolve(third, joined, care_system.night(n)) for n in (1, 2, 3)] == [joined, survivor, joined]


def test_a_split_by_data_alone_gives_a_new_id(care_system):
    before = care_system.ids(care_system.live(1, APART))
    joined = care_system.ids(care_system.live(2, ONE))["GP1:1"]
    third = care_system.live(3, APART)
    ids = care_system.ids(third)
    assert joined in ids.values()
    assert len(set(ids.values()) - set(before.values())) == 1
    assert [e[0] for e in _tonight(care_system, third, 3)] == ["created", "split"]


def test_the_smaller_part_keeps_the_id_that_was_its_own(care_system):
    old = care_system.ids(care_system.live(1, {"a": ["GP1:1"]}))["GP1:1"]
    young = care_system.ids(care_system.live(2, {"a": ["GP1:1"], "b": ["RX1:1", "RX1:2", "RX1:3"]}))["RX1:1"]
    must = (1, MUST, "GP1:1", "RX1:2")
    assert set(care_system.ids(care_system.live(3, {"one": ["GP1:1", "RX1:1", "RX1:2", "RX1:3"]}, must)).values()) == {
        old
    }
    fourth = care_system.live(4, {"a": ["GP1:1"], "b": ["RX1:1", "RX1:2", "RX1:3"]})
    assert care_system.ids(fourth) == {"GP1:1": old, "RX1:1": young, "RX1:2": young, "RX1:3": young}


def _three(care_system):
    """a, b and c, each older than the next."""
    care_system.live(1, {"a": ["GP1:1"]})
    care_system.live(2, {"a": ["GP1:1"], "b": ["GP1:2"]})
    return care_system.live(3, {"a": ["GP1:1"], "b": ["GP1:2"], "c": ["GP1:3"]})


A, B, C = "GP1:1", "GP1:2", "GP1:3"
BC, AB = (1, MUST, B, C), (2, MUST, A, B)
ALL_APART = {"a": [A], "b": [B], "c": [C]}


@pytest.mark.parametrize(
    ("first", "second"), [pytest.param(BC, AB, id="b and c first"), pytest.param(AB, BC, id="a and b first")]
)
@pytest.mark.parametrize("undo", ["first", "second", "both at once"])
def test_two_joins_in_a_chain_are_undone_in_any_order(care_system, first, second, undo):
    together = {BC: {"a": [A], "bc": [B, C]}, AB: {"ab": [A, B], "c": [C]}}
    apart = _all(care_system, _three(care_system))
    one_join = _all(care_system, care_system.live(4, together[first], first))
    care_system.live(5, {"abc": [A, B, C]}, first, second)
    if undo == "second":
        assert _all(care_system, care_system.live(6, together[first], first)) == one_join
    elif undo == "first":
        ids, goes_by = _all(care_system, care_system.live(6, together[second], second))
        expected = {BC: {A: A, B: A, C: C}, AB: {A: A, B: B, C: B}}[first]
        assert ids == {record: apart[0][as_] for record, as_ in expected.items()}
        assert goes_by == {apart[0][record]: apart[0][as_] for record, as_ in expected.items()}
    assert _all(care_system, care_system.live(7, ALL_APART)) == apart


def test_a_part_that_gained_a_record_and_lost_one_goes_back_all_the_same(care_system):
    before = care_system.ids(care_system.live(1, APART))
    must = (7, MUST, "GP1:1", "RX1:1")
    care_system.live(2, ONE, must)
    care_system.live(3, {"one": ["GP1:1", "GP1:2", "GP1:8", "GP1:9", "RX1:1", "RX1:9"]}, must)  # RX1:2 left, GP2 came
    fourth = care_system.live(4, {"a": ["GP1:1", "GP1:2"], "b": ["RX1:1", "RX1:9", "GP1:8", "GP1:9"]})
    ids = care_system.ids(fourth)
    assert {ids[r] for r in ("GP1:1", "GP1:2")} == {before["GP1:1"]}
    assert {ids[r] for r in ("RX1:1", "RX1:9", "GP1:8", "GP1:9")} == {before["RX1:1"]}
    # The record that left is b's again: it returns alone, and finds b retired.
    care_system.live(5, {"a": ["GP1:1", "GP1:2"]})
    sixth = care_system.live(6, {"a": ["GP1:1", "GP1:2"], "b": ["RX1:2"]})
    assert care_system.ids(sixth)["RX1:2"] == before["RX1:1"]


def test_records_that_came_since_do_not_outvote_the_one_whose_id_it_was(care_system):
    old = care_system.ids(care_system.live(1, {"a": [A]}))[A]
    young = care_system.ids(care_system.live(2, {"a": [A], "b": [B]}))[B]
    care_system.live(3, {"ab": [A, B]}, AB)
    care_system.live(4, {"ab": [A, B, "RX1:1", "RX1:2", "RX1:9"]}, AB)
    fifth = care_system.live(5, {"a": [A], "b": [B, "RX1:1", "RX1:2", "RX1:9"]})
    assert (care_system.ids(fifth)[A], care_system.ids(fifth)["RX1:9"]) == (old, young)


def test_an_id_whose_records_left_meanwhile_is_retired_and_not_taken_over(care_system):
    old = care_system.ids(care_system.live(1, {"a": [A]}))[A]
    young = care_system.ids(care_system.live(2, {"a": [A], "b": [B]}))[B]
    care_system.live(3, {"ab": [A, B]}, AB)
    care_system.live(4, {"b": [B]}, AB)
    fifth = care_system.live(5, {"b": [B]})
    assert care_system.ids(fifth) == {B: young}
    assert [e[0] for e in _tonight(care_system, fifth, 5)] == ["resurrected", "retired"]
    sixth = care_system.live(6, {"a": [A], "b": [B]})
    assert care_system.ids(sixth) == {A: old, B: young}


def test_both_gone_when_the_override_ends_go_back_when_they_return(care_system):
    before = care_system.ids(_three(care_system))
    care_system.live(4, {"ab": [A, B], "c": [C]}, AB)
    care_system.live(5, {"c": [C]}, AB)
    care_system.live(6, {"c": [C]})
    assert care_system.ids(care_system.live(7, ALL_APART)) == before


def test_joined_again_and_undone_again(care_system):
    before = _all(care_system, _three(care_system))
    for number in (4, 6):
        care_system.live(number, {"ab": [A, B], "c": [C]}, AB)
        assert _all(care_system, care_system.live(number + 1, ALL_APART)) == before


def test_an_override_made_and_taken_back_on_one_night_leaves_no_trace(care_system):
    _three(care_system)
    before = care_system.live(4, ALL_APART)
    events = care_system.history(before)
    care_system.live(5, ALL_APART)
    care_system.live(5, {"ab": [A, B], "c": [C]}, AB)
    again = care_system.live(5, ALL_APART)
    assert care_system.ids(again) == care_system.ids(before)
    assert sorted(care_system.history(again), key=str) == sorted(events, key=str)


def test_a_data_split_on_the_night_of_an_undoing_gives_new_ids_as_ever(care_system):
    care_system.live(1, {"a": ["GP1:1", "GP1:2", "GP1:3"]})
    before = care_system.ids(care_system.live(2, {"a": ["GP1:1", "GP1:2", "GP1:3"], "b": ["RX1:1"]}))
    care_system.live(3, {"ab": ["GP1:1", "GP1:2", "GP1:3", "RX1:1"]}, (1, MUST, "GP1:1", "RX1:1"))
    ids = care_system.ids(care_system.live(4, {"a": ["GP1:1"], "x": ["GP1:2", "GP1:3"], "b": ["RX1:1"]}))
    assert ids["RX1:1"] == before["RX1:1"]
    assert ids["GP1:2"] == before["GP1:1"]  # the larger part
    assert ids["GP1:1"] not in before.values()


def test_a_must_link_that_ends_without_parting_anybody_changes_nothing(care_system):
    care_system.live(1, APART)
    second = care_system.live(2, ONE, (7, MUST, "GP1:1", "RX1:1"))
    third = care_system.live(3, ONE)
    assert care_system.ids(third) == care_system.ids(second)
    assert _tonight(care_system, third, 3) == []


def test_an_override_that_moves_or_parts_records_is_told(care_system):
    before = care_system.ids(care_system.live(1, {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2", "RX1:2", "RX1:8"]}))
    a, b = before["GP1:1"], before["GP1:2"]
    moved = care_system.live(
        2, {"a": ["GP1:1", "RX1:1", "RX1:8"], "b": ["GP1:2", "RX1:2"]}, (4, MUST, "GP1:1", "RX1:8")
    )
    assert _tonight(care_system, moved, 2) == [("overridden", "must_link:4", a, b), ("split", "records_moved", a, b)]
    parted = care_system.live(
        3, {"a": ["GP1:1", "RX1:8"], "x": ["RX1:1"], "b": ["GP1:2", "RX1:2"]}, (5, CANNOT, "GP1:1", "RX1:1")
    )
    new = care_system.ids(parted)["RX1:1"]
    assert _tonight(care_system, parted, 3) == [
        ("created", "parted_from_other", new, None), ("overridden", "cannot_link:5", new, a), ("split", "records_parted", new, a),
    ]  # fmt: skip


# The choice itself -------------------------------------------------------------------------------------------------

_N = [date(2026, 4, n) for n in range(1, 10)]


@pytest.mark.parametrize(
    ("parts", "undone", "claims"),
    [
        ({"a": "p", "b": "p", "c": "q"}, {"p", "q"}, {"c": "C"}),
        ({"a": "p", "b": "q", "c": "q"}, {"p", "q"}, {"b": "B", "c": "B"}),
        ({"a": "p", "b": "q", "c": "r"}, {"p", "q", "r"}, {"b": "B", "c": "C"}),
        ({"a": "p", "b": "p", "c": "q"}, set(), {}),
        ({"b": "p", "c": "q"}, {"p", "q"}, {"c": "C"}),
    ],
)
def test_the_path_of_each_record_leads_back(parts, undone, claims):
    joins = [Join("C", "B", _N[2], _N[2]), Join("B", "A", _N[3], _N[3])]
    moves = [("b", _N[2], "B"), ("c", _N[2], "C"), ("a", _N[3], "A"), ("b", _N[3], "B"), ("c", _N[3], "B")]
    given = give_back([Member(r, "A", p) for r, p in parts.items()], joins, moves, {"A": undone})
    assert given.claims == claims


def test_a_record_that_leaves_takes_nobodys_id_along(care_system):
    """A must-link that is in force, and whose own record is not there: who parts gets the old id back, for a while."""
    before = care_system.ids(care_system.live(1, {"a": ["GP1:1", "GP1:2"], "b": ["RX1:1"]}))
    must = (1, MUST, "GP1:1", "RX1:1")
    joined = care_system.ids(care_system.live(2, {"ab": ["GP1:1", "GP1:2", "RX1:1"]}, must))
    third = care_system.live(3, {"a": ["GP1:2"], "b": ["RX1:1"]}, must)
    assert care_system.ids(third) == {"GP1:2": before["GP1:2"], "RX1:1": before["RX1:1"]}
    assert [e[1] for e in _tonight(care_system, third, 3)] == ["override_rests"]
    fourth = care_system.live(4, {"ab": ["GP1:1", "GP1:2", "RX1:1"]}, must)
    assert care_system.ids(fourth) == joined


def test_the_one_that_stays_behind_alone_keeps_the_id_while_the_override_holds(care_system):
    _three(care_system)
    joined = care_system.ids(care_system.live(4, {"ab": [A, B], "c": [C]}, AB))
    assert care_system.ids(care_system.live(5, {"b": [B], "c": [C]}, AB))[B] == joined[B]
    assert care_system.ids(care_system.live(6, {"ab": [A, B], "c": [C]}, AB)) == joined


def test_two_people_who_swap_half_of_their_records_keep_both_ids(care_system):
    before = care_system.ids(care_system.live(1, {"a": ["GP1:1", "GP1:2"], "b": ["RX1:1", "RX1:2"]}))
    second = care_system.live(2, {"x": ["GP1:1", "RX1:1"], "y": ["GP1:2", "RX1:2"]})
    assert set(care_system.ids(second).values()) == set(before.values())
    assert [e[:2] for e in _tonight(care_system, second, 2)] == [("split", "records_moved")] * 2


def test_the_part_with_the_verified_nhs_number_is_the_larger_of_two_equals(care_system):
    old = care_system.ids(care_system.live(1, {"one": ["GP1:1", "RX1:1"]}))["GP1:1"]
    night = care_system.night(2)
    care_system.deliver(night, [{"record_id": "GP1:1"}, {"record_id": "RX1:1", "is_nhs_number_verified": True}])
    care_system.cluster(night, [["GP1:1"], ["RX1:1"]])
    ids = care_system.ids(care_system.carry_ids(night))
    assert ids["RX1:1"] == old != ids["GP1:1"]


def test_an_id_resolves_to_where_its_records_stayed_when_what_it_was_joined_into_goes_elsewhere(care_system):
    """c joined b, b joined a; now b is parted from both, and c stays with a by data."""
    apart = care_system.ids(_three(care_system))
    care_system.live(4, {"a": [A], "bc": [B, C]})
    care_system.live(5, {"abc": [A, B, C]})
    cannot = [(1, CANNOT, A, B), (2, CANNOT, B, C)]
    sixth = care_system.live(6, {"ac": [A, C], "b": [B]}, *cannot)
    assert care_system.ids(sixth) == {A: apart[A], B: apart[B], C: apart[A]}
    assert resolve(sixth, apart[C]) == apart[A]
    assert [resolve(sixth, apart[C], care_system.night(n)) for n in (3, 4, 5)] == [apart[C], apart[B], apart[A]]
    seventh = care_system.live(7, ALL_APART, *cannot, (3, CANNOT, A, C))
    assert care_system.ids(seventh) == apart
