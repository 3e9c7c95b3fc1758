"""Who is left over: the one thing of clustering that rests on all records of the night."""

from __future__ import annotations

import pytest

from registry_pipeline.link import cluster
from registry_pipeline.link.model import LinkageModel
from registry_pipeline.storage import Home, connect

MATCH = 4.0
RECORDS = 1_000
"""At each of the providers A (ids from 1) and B (ids from 1,001)."""


@pytest.fixture
def decide(tmp_path):
    """Who is left over among pairs (id at A, id at B, weight), the first 990 of both providers matched."""
    connection = connect(Home(tmp_path))
    connection.execute(
        "CREATE TABLE cluster_record AS SELECT i::INTEGER AS id,"
        " CASE WHEN i <= $records THEN 'A' ELSE 'B' END AS provider FROM range(1, 2 * $records + 1) AS made(i)",
        {"records": RECORDS},
    )
    connection.execute(
        "CREATE TABLE judged_part (id_l INTEGER, id_r INTEGER, match_weight DOUBLE, match_probability DOUBLE,"
        " same_provider BOOLEAN, judged_by VARCHAR, judged_outcome VARCHAR)"
    )

    def run(*pairs, has_households=False, known_twice=0, matched=990):
        easy = [(i, RECORDS + i, 30.0, False) for i in range(1, matched + 1)]
        twice = [(2 * i, 2 * i + 1, 30.0, True) for i in range(1, known_twice + 1)]
        connection.executemany(
            "INSERT INTO judged_part VALUES ($l, $r, $w, 1 / (1 + pow(2, -$w)), $s, 'match_weight', $o)",
            [
                {"l": left, "r": right, "w": weight, "s": same, "o": "match" if weight >= MATCH else "possible_match"}
                for left, right, weight, same in (*easy, *twice, *((*pair, False) for pair in pairs))
            ],
        )
        model = LinkageModel("test", 0.5, {}, has_households=has_households, match_weight=MATCH)
        cluster._find_left_over(connection, model, 1 / (1 + RECORDS))
        return set(connection.execute("SELECT id_l, id_r FROM left_over").fetchall())

    yield run
    connection.close()


def test_two_who_are_left_over_are_one_person(decide):
    pairs = [(n, RECORDS + n, 2.0) for n in range(991, 999)]
    assert decide(*pairs) == {(left, right) for left, right, _ in pairs}


def test_a_record_that_has_its_match_is_not_left_over(decide):
    assert decide((991, 1_005, 3.0), (5, 1_991, 3.0)) == set()


def test_a_rival_counts_at_whichever_end_of_its_pair_a_record_is(decide):
    """A record fits two others alike, once as the larger number of its pair and once as the smaller."""
    pairs = [(n, RECORDS + n, 2.0) for n in range(991, 997)]
    found = decide(*pairs, (998, 1_998, 3.0), (1_998, 1_999, 3.0))
    assert found == {(left, right) for left, right, _ in pairs}


def test_two_candidates_of_about_the_same_weight_stay_for_review(decide):
    pairs = [(n, RECORDS + n, 2.0) for n in range(991, 997)]
    found = decide(*pairs, (998, 1_998, 3.0), (998, 1_999, 1.0))
    assert (991, 1_991) in found
    assert not {(998, 1_998), (998, 1_999)} & found


def test_where_many_are_left_who_have_nobody_a_weak_pair_stays_weak(decide):
    assert decide((991, 1_991, 2.0), matched=100) == set()


@pytest.mark.parametrize("data", [{"has_households": True}, {"known_twice": 20}])
def test_nothing_follows_where_there_are_families_or_a_provider_may_know_a_person_twice(decide, data):
    pairs = [(n, RECORDS + n, 2.0) for n in range(991, 999)]
    assert decide(*pairs, **data) == set()
