"""Whose a person record would be at a moved threshold, by the ids of the registry."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.storage import load_sql

PEOPLE = {letter: f"00000000-0000-4000-8000-00000000000{n}" for n, letter in enumerate("ABCD")}
LETTERS = {uuid: letter for letter, uuid in PEOPLE.items()}


def alternatives(people: str, clusters: str, move: float = -2.0) -> dict[str, str]:
    """Records r0, r1, ... of these people, which a moved threshold puts into these clusters: record to other person.

    A person who stands for nobody in the registry is `?`, followed by the records that share the id.
    """
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE moved_record (id INTEGER, record_id VARCHAR)")
        connection.execute("CREATE TABLE clustered (id INTEGER, cluster INTEGER)")
        connection.execute("CREATE TABLE published (record_id VARCHAR, patient_id UUID)")
        for n, (person, cluster) in enumerate(zip(people, clusters, strict=True)):
            connection.execute("INSERT INTO moved_record VALUES (?, ?)", [n, f"r{n}"])
            connection.execute("INSERT INTO clustered VALUES (?, ?)", [n, int(cluster)])
            connection.execute("INSERT INTO published VALUES (?, ?)", [f"r{n}", PEOPLE[person]])
        rows = connection.execute(load_sql("link_alternative"), {"move": move}).fetchall()
    assert all(row[1] == move for row in rows)
    assert all(str(row[2]) == PEOPLE[people[int(row[0][1:])]] for row in rows)
    named = {row[0]: LETTERS.get(str(row[3]), str(row[3])) for row in rows}
    strangers: dict[str, list[str]] = {}
    for record, other in sorted(named.items()):
        if other not in PEOPLE:
            strangers.setdefault(other, []).append(record)
    return {
        record: f"? {' '.join(strangers[other])}" if other in strangers else other for record, other in named.items()
    }


@pytest.mark.parametrize(
    ("people", "clusters", "expected"),
    [
        ("AAB", "001", {}),
        ("AAA", "000", {}),
        # Two people joined: the one with fewer records goes by the other's id.
        ("AAB", "000", {"r2": "A"}),
        ("ABB", "000", {"r0": "B"}),
        ("AB", "00", {"r1": "A"}),
        ("AABCC", "00000", {"r2": "A", "r3": "A", "r4": "A"}),
        # One person parted: the larger part keeps the id.
        ("AAA", "001", {"r2": "? r2"}),
        ("AAA", "011", {"r0": "? r0"}),
        ("AAAA", "0011", {"r2": "? r2 r3", "r3": "? r2 r3"}),
        ("AAA", "012", {"r1": "? r1", "r2": "? r2"}),
        # A record that goes over to somebody else.
        ("AAABB", "00111", {"r2": "B"}),
        # Parted and joined: what has no id of its own goes by that of whom it joined.
        ("AAAB", "0011", {"r2": "B"}),
    ],
)
def test_a_moved_record_goes_by_the_id_of_whom_it_joins(people, clusters, expected):
    assert alternatives(people, clusters) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 3)), min_size=1, max_size=7))
def test_records_share_an_alternative_id_exactly_where_they_share_a_cluster(drawn):
    people, clusters = "".join(p for p, _ in drawn), "".join(str(c) for _, c in drawn)
    moved = alternatives(people, clusters)
    final = [moved.get(f"r{n}", person) for n, person in enumerate(people)]
    for i, one in enumerate(final):
        for j, other in enumerate(final):
            assert (one == other) == (clusters[i] == clusters[j])
