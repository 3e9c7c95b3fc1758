"""Where pairs come from: replaced numbers, the provider's own merges, capped blocks."""

from __future__ import annotations

import pytest

from registry_pipeline.link import block, match, records
from registry_pipeline.link.model import MOST_RECORDS_IN_A_BLOCK, MOST_RECORDS_OF_A_PHONE
from registry_pipeline.storage import Home, connect, load_sql

PERSON_RECORD = (
    "record_id VARCHAR, provider VARCHAR, setting VARCHAR, night DATE, given_name VARCHAR, middle_names VARCHAR,"
    " family_name VARCHAR, previous_family_name VARCHAR, alias_names VARCHAR[], birth_date DATE, death_date DATE, sex VARCHAR,"
    " address VARCHAR, postcode VARCHAR, phone VARCHAR, email VARCHAR, gp_practice VARCHAR, nhs_number VARCHAR,"
    " is_nhs_number_verified BOOLEAN, merged_into VARCHAR"
)


@pytest.fixture
def connection(tmp_path):
    opened = connect(Home(tmp_path))
    opened.execute(f"CREATE TABLE person_record ({PERSON_RECORD})")
    opened.execute("CREATE TABLE nhs_number_replacement (nhs_number VARCHAR, replaced_by VARCHAR, start_date DATE)")
    records.load_nicknames(opened)
    yield opened
    opened.close()


def replaced(connection, *statements):
    for old, new, start in statements:
        connection.execute(
            "INSERT INTO nhs_number_replacement VALUES ($old, $new, $start)", {"old": old, "new": new, "start": start}
        )
    connection.execute(load_sql("link_replaced_numbers"))
    return dict(connection.execute("SELECT nhs_number, current_number FROM replaced_number").fetchall())


def test_chains_of_replacements_are_followed_to_their_end(connection):
    found = replaced(connection, ("A", "B", "2020-01-01"), ("B", "C", "2021-01-01"), ("X", "Y", None))
    assert found == {"A": "C", "B": "C", "X": "Y"}


def test_the_latest_statement_about_a_number_stands(connection):
    assert replaced(connection, ("A", "B", "2020-01-01"), ("A", "C", "2022-01-01")) == {"A": "C"}


def test_a_circle_replaces_nothing(connection):
    assert (
        replaced(connection, ("A", "B", "2020-01-01"), ("B", "A", "2021-01-01"), ("C", "A", None), ("S", "S", None))
        == {}
    )


def blocked(connection):
    connection.execute(load_sql("link_replaced_numbers"))
    match.make_features(connection)
    found = match.block(connection)
    pairs = connection.execute(
        "SELECT l.record_id, r.record_id, rule FROM candidate_pair INNER JOIN link_record AS l ON l.id = id_l"
        " INNER JOIN link_record AS r ON r.id = id_r ORDER BY ALL"
    ).fetchall()
    return found, pairs


def add(connection, record_id, **values):
    names = ["record_id", *values]
    connection.execute(
        f"INSERT INTO person_record ({', '.join(names)}) VALUES ({', '.join('$' + n for n in names)})",
        {"record_id": record_id, **values},
    )


def test_a_local_merge_makes_a_pair_whatever_the_records_hold(connection):
    add(connection, "P:1", given_name="ADA", merged_into="P:2")
    add(connection, "P:2", family_name="LOVE")
    add(connection, "P:3", given_name="ZOE", merged_into="P:9")
    found, pairs = blocked(connection)
    assert pairs == [("P:1", "P:2", 0)]
    assert found.pairs == {"local_merge": 1}


def test_two_verified_numbers_are_never_compared_and_one_number_once(connection):
    same = {"given_name": "ADA", "family_name": "LOVE", "birth_date": "1990-01-01"}
    add(connection, "P:1", nhs_number="N1", is_nhs_number_verified=True, **same)
    add(connection, "P:2", nhs_number="N2", is_nhs_number_verified=True, **same)
    add(connection, "P:3", nhs_number="N1", is_nhs_number_verified=True, **same)
    found, pairs = blocked(connection)
    assert pairs == [("P:1", "P:3", 1)]
    assert found.pairs == {"same_nhs_number": 1}


def test_missing_values_never_block(connection):
    for number in range(5):
        add(connection, f"P:{number}")
    assert blocked(connection)[1] == []


def test_values_in_too_many_records_are_left_out_and_counted(connection):
    connection.execute(
        "INSERT INTO person_record (record_id, birth_date) SELECT 'P:' || i, '1990-01-01' FROM range($n) AS made(i)",
        {"n": MOST_RECORDS_IN_A_BLOCK + 1},
    )
    found, pairs = blocked(connection)
    assert pairs == []
    assert found.values_left_out["birth_date"] == block.LeftOut(1, MOST_RECORDS_IN_A_BLOCK + 1)


def test_a_telephone_number_of_very_many_brings_no_records_together(connection):
    connection.execute(
        "INSERT INTO person_record (record_id, phone) SELECT 'P:' || i, '07700900000' FROM range($n) AS made(i)",
        {"n": MOST_RECORDS_OF_A_PHONE + 1},
    )
    add(connection, "Q:1", phone="07700900001")
    add(connection, "Q:2", phone="07700900001")
    assert [pair[:2] for pair in blocked(connection)[1]] == [("Q:1", "Q:2")]


@pytest.mark.parametrize(
    ("sizes", "budget", "expected"),
    [
        ([(2, 10, 10), (3, 1, 3)], 100, MOST_RECORDS_IN_A_BLOCK),
        ([(2, 10, 10), (30, 2, 870)], 100, 2),
        ([(MOST_RECORDS_IN_A_BLOCK + 1, 1, 125_250)], 1e9, 0),
        ([], 100, MOST_RECORDS_IN_A_BLOCK),
    ],
)
def test_the_largest_block_keeps_the_pairs_within_the_budget(sizes, budget, expected):
    assert block.largest_block(sizes, budget) == expected


def test_records_of_one_content_are_scored_once(connection):
    same = {"given_name": "ADA", "family_name": "LOVE", "birth_date": "1990-01-01", "postcode": "ZZ1 1AA"}
    for number in range(4):
        add(connection, f"P:{number}", **same)
    add(connection, "Q:1", **same | {"given_name": "ADAH"})
    add(connection, "Q:2", **same | {"given_name": "ADAH"})
    _, pairs = blocked(connection)
    records.run_script(connection, "link_pairs_to_score", {})
    assert len(pairs) == 15
    # ADA with ADA, ADA with ADAH, ADAH with ADAH.
    assert connection.execute("SELECT count(*) FROM content_pair").fetchall() == [(3,)]
    assert connection.execute("SELECT count(*) FROM pair_to_score").fetchall() == [(15,)]
