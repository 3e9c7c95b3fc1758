"""Pairs whose outcome rests on what became of other pairs: who is left over, and who fits two people."""

from __future__ import annotations

import pytest

from registry_pipeline.link import match
from registry_pipeline.link.model import CERTAIN, RIVAL_WEIGHT
from registry_pipeline.storage import Home, connect

MATCH, NAMED, UNNAMED = 4.0, 6, -1
RECORDS = 1_000
"""At each of the providers A (ids from 1) and B (ids from 1,001)."""


@pytest.fixture
def decide(tmp_path):
    """Decide again over pairs (id at A, id at B, weight, level of the given name), the first 990 of both matched."""
    connection = connect(Home(tmp_path))
    connection.execute(
        "CREATE TABLE link_record AS SELECT i::INTEGER AS id, CASE WHEN i <= $records THEN 'A' ELSE 'B' END AS provider,"
        " NULL::INTEGER AS number_id FROM range(1, 2 * $records + 1) AS made(i)",
        {"records": RECORDS},
    )
    connection.execute(
        "CREATE TABLE judged_part (id_l INTEGER, id_r INTEGER, match_weight DOUBLE, match_probability DOUBLE,"
        " given_name_level INTEGER, same_provider BOOLEAN, decided_by VARCHAR, outcome VARCHAR)"
    )
    connection.execute("CREATE TABLE apart_edge (id_l INTEGER, id_r INTEGER)")
    match.set_levels(connection)

    def run(*pairs, apart=(), is_one_each=True, matched=990):
        easy = [(i, RECORDS + i, 30.0, NAMED) for i in range(1, matched + 1)]
        for left, right, weight, level in (*easy, *pairs):
            outcome = "match" if weight >= MATCH else "possible_match"
            connection.execute(
                "INSERT INTO judged_part VALUES ($l, $r, $w, 1 / (1 + pow(2, -$w)), $level, false, 'match_weight', $o)",
                {"l": left, "r": right, "w": weight, "level": level, "o": outcome},
            )
        for left, right in apart:
            connection.execute("INSERT INTO apart_edge VALUES ($l, $r)", {"l": left, "r": right})
        bound = {
            "match_weight": MATCH,
            "prior_odds": 1 / RECORDS,
            "rival_weight": RIVAL_WEIGHT,
            "is_one_each": is_one_each,
            "certain": list(CERTAIN),
        }
        match.run_script(connection, "link_left_over", bound)
        found = connection.execute("SELECT id_l, id_r, decided_by, outcome FROM decided_again ORDER BY ALL").fetchall()
        return {(left, right): (decided_by, outcome) for left, right, decided_by, outcome in found}

    yield run
    connection.close()


def test_two_who_are_left_over_are_one_person(decide):
    pairs = [(n, RECORDS + n, 2.0, NAMED) for n in range(991, 999)]
    assert decide(*pairs) == {(left, right): ("left_over", "match") for left, right, *_ in pairs}


def test_a_record_that_has_its_match_is_not_left_over(decide):
    assert decide((991, 1_005, 3.0, NAMED), (5, 1_991, 3.0, NAMED)) == {}


def test_two_candidates_of_about_the_same_weight_stay_for_review(decide):
    pairs = [(n, RECORDS + n, 2.0, NAMED) for n in range(991, 997)]
    found = decide(*pairs, (998, 1_998, 3.0, NAMED), (998, 1_999, 1.0, NAMED))
    assert (991, 1_991) in found
    assert not {(998, 1_998), (998, 1_999)} & set(found)


def test_where_many_are_left_who_have_nobody_a_weak_pair_stays_weak(decide):
    assert decide((991, 1_991, 2.0, NAMED), matched=100) == {}


def test_nothing_follows_where_a_provider_may_know_a_person_twice(decide):
    pairs = [(n, RECORDS + n, 2.0, NAMED) for n in range(991, 999)]
    assert decide(*pairs, is_one_each=False) == {}


def test_a_record_without_given_name_joins_neither_of_two_people(decide):
    found = decide((991, 1_991, 12.0, UNNAMED), (992, 1_991, 12.5, UNNAMED), apart=[(991, 992)])
    assert found == dict.fromkeys(((991, 1991), (992, 1991)), ("fits_two_people", "possible_match"))


def test_it_joins_the_one_that_fits_far_better(decide):
    found = decide((991, 1_991, 12.0, UNNAMED), (992, 1_991, 12.1 + RIVAL_WEIGHT, UNNAMED), apart=[(991, 992)])
    assert found == {(991, 1_991): ("fits_two_people", "possible_match")}


def test_two_records_of_one_person_tear_nobody(decide):
    assert decide((991, 1_991, 12.0, UNNAMED), (992, 1_991, 12.5, UNNAMED)) == {}
