"""Each comparison level on literal values, through Splink as at night."""

from __future__ import annotations

import pytest

from registry_pipeline.link import match, records
from registry_pipeline.link.model import COMPARISONS, comparison_named, untrained_model
from registry_pipeline.storage import Home, connect

# comparison, what the one record holds, what the other one holds, the level that they reach
CASES = [
    ("given_name", {"given_name": "MARY"}, {"given_name": "MARY"}, "same"),
    ("given_name", {"given_name": "ELIZABETH"}, {"given_name": "LIZ"}, "variant"),
    ("given_name", {"given_name": "LIZ"}, {"given_name": "LIZZIE"}, "variant"),
    ("given_name", {"given_name": "GOSIA"}, {"given_name": "MALGORZATA"}, "variant"),
    ("given_name", {"given_name": "MARY ANN"}, {"given_name": "ANN"}, "variant"),
    ("given_name", {"given_name": "MARY ANN"}, {"given_name": "MARYANN"}, "variant"),
    ("given_name", {"given_name": "JOHN", "middle_names": "FERGUS"}, {"given_name": "FERGUS"}, "variant"),
    ("given_name", {"given_name": "YUSUF", "alias_names": ["JOSEPH"]}, {"given_name": "JOSEPH"}, "variant"),
    ("given_name", {"given_name": "OLU", "family_name": "ADEYEMI"}, {"given_name": "ADEYEMI", "family_name": "OLU"}, "swapped"),
    ("given_name", {"given_name": "MATTHIAS"}, {"given_name": "MATHIAS"}, "one_edit"),
    ("given_name", {"given_name": "MIHCAEL"}, {"given_name": "MICHAEL"}, "one_edit"),
    ("given_name", {"given_name": "OLUWA"}, {"given_name": "OLUWADAMILARE"}, "prefix"),
    ("given_name", {"given_name": "MUHAMMED"}, {"given_name": "MOHAMMAD"}, "close"),
    ("given_name", {"given_name": "GREGORY"}, {"given_name": "G"}, "initial"),
    ("given_name", {"given_name": "DOMINIC"}, {"given_name": "FELIX"}, "different"),
    ("given_name", {"given_name": "DOMINIC"}, {}, None),
    ("middle_names", {"middle_names": "FERGUS"}, {"middle_names": "FERGUS"}, "same"),
    ("middle_names", {"middle_names": "FERGUS IAN"}, {"middle_names": "IAN"}, "partly"),
    ("middle_names", {"middle_names": "FERGUS"}, {"middle_names": "F"}, "partly"),
    ("middle_names", {"middle_names": "FERGUS"}, {"middle_names": "FERGUSS"}, "partly"),
    ("middle_names", {"given_name": "JOHN", "middle_names": "FERGUS"}, {"given_name": "FERGUS", "middle_names": "JOHN"}, "partly"),
    ("middle_names", {"middle_names": "FERGUS"}, {"middle_names": "DESMOND"}, "different"),
    ("middle_names", {"middle_names": "FERGUS"}, {}, None),
    ("family_name", {"family_name": "OKAFOR"}, {"family_name": "OKAFOR"}, "same"),
    ("family_name", {"family_name": "SMITH JONES"}, {"family_name": "JONES"}, "shared_part"),
    ("family_name", {"family_name": "MAC DONALD"}, {"family_name": "MACDONALD"}, "shared_part"),
    ("family_name", {"family_name": "BELL", "previous_family_name": "TURNER"}, {"family_name": "TURNER"}, "shared_part"),
    ("family_name", {"given_name": "OLU", "family_name": "ADEYEMI"}, {"given_name": "ADEYEMI", "family_name": "OLU"}, "swapped"),
    ("family_name", {"family_name": "WINTERS"}, {"family_name": "WINTER"}, "one_edit"),
    ("family_name", {"family_name": "KOWALSKI"}, {"family_name": "KOVALSKY"}, "close"),
    ("family_name", {"given_name": "GILLIAN", "family_name": "LODGE"}, {"given_name": "LODGE", "family_name": "MARSH"}, "in_other_field"),
    ("family_name", {"family_name": "GILL", "middle_names": "KAUR"}, {"family_name": "KAUR"}, "in_other_field"),
    ("family_name", {"family_name": "VAN DER BERG"}, {"family_name": "BERG"}, "shared_part"),
    ("family_name", {"family_name": "BELL"}, {"family_name": "TURNER"}, "different"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1953-04-09"}, "same"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1953-09-04"}, "day_month_swapped"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1958-04-09"}, "one_digit"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1935-04-09"}, "one_digit"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1953-04-27"}, "same_month_and_year"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1988-04-09"}, "two_parts"),
    ("birth_date", {"birth_date": "1953-01-01"}, {"birth_date": "1953-11-27"}, "year_only"),
    ("birth_date", {"birth_date": "1953-04-09"}, {"birth_date": "1988-11-27"}, "different"),
    ("birth_date", {"birth_date": "1953-04-09"}, {}, None),
    ("sex", {"sex": "M"}, {"sex": "M"}, "same"),
    ("sex", {"sex": "M"}, {"sex": "F"}, "different"),
    ("sex", {"sex": "M"}, {"sex": "O"}, None),
    ("home", {"address": "4 MILL HILL", "postcode": "ZX1 1AA"}, {"address": "MILL HILL 4", "postcode": "ZX1 1AA"}, "same_address"),
    ("home", {"address": "4 MILL HILL"}, {"address": "MILL HILL 4"}, "same_address"),
    ("home", {"address": "4 MILL HILL"}, {"address": "4 MILLHILL"}, "same_address"),
    ("home", {"postcode": "ZX1 1AA"}, {"postcode": "ZX1 1AA"}, "same_postcode"),
    ("home", {"postcode": "ZX1 1AA"}, {"postcode": "ZX1 1AB"}, "similar"),
    ("home", {"postcode": "ZX1 1AA"}, {"postcode": "ZX9 7QQ"}, "different"),
    ("home", {"postcode": "ZX1 1AA", "gp_practice": "Z00001"}, {"postcode": "ZX9 7QQ", "gp_practice": "Z00001"}, "same_practice"),
    ("home", {"postcode": "ZX1 1AA", "gp_practice": "Z00001"}, {"gp_practice": "Z00001"}, "same_practice"),
    ("home", {"postcode": "ZX1 1AA", "gp_practice": "Z00001"}, {"postcode": "ZX9 7QQ", "gp_practice": "Z00002"}, "different"),
    ("home", {"postcode": "ZX1 1AA", "gp_practice": "Z00001"}, {"gp_practice": "Z00002"}, None),
    ("home", {"postcode": "ZX1 1AA"}, {"address": "4 MILL HILL"}, None),
    ("phone", {"phone": "07700900111"}, {"phone": "07700900111"}, "same"),
    ("phone", {"phone": "07700900111", "postcode": "ZX1 1AA"}, {"phone": "07700900111", "postcode": "ZX1 1AA"}, "same_in_one_home"),
    ("phone", {"phone": "07700900111"}, {"phone": "07700900112"}, "one_digit"),
    ("phone", {"phone": "07700900111"}, {"phone": "01632960001"}, "different"),
    ("email", {"email": "a.bell@example.org"}, {"email": "a.bell@example.org"}, "same"),
    ("email", {"email": "a.bell@example.org"}, {"email": "abell@example.org"}, "close"),
    ("email", {"email": "a.bell@example.org"}, {"email": "zoe@example.com"}, "different"),
    ("nhs_number", {"nhs_number": "9990000018"}, {"nhs_number": "9990000018"}, "same"),
    ("nhs_number", {"nhs_number": "9990000026"}, {"nhs_number": "9990000034"}, "superseded"),
    ("nhs_number", {"nhs_number": "9990000018"}, {"nhs_number": "9990000108"}, "one_digit"),
    ("nhs_number", {"nhs_number": "9990000018"}, {"nhs_number": "9990000081"}, "one_digit"),  # a transposition
    ("nhs_number", {"nhs_number": "9990000018"}, {"nhs_number": "9991234567"}, "different"),
    ("nhs_number", {"nhs_number": "9990000018"}, {}, None),
]  # fmt: skip


@pytest.fixture(scope="module")
def levels(tmp_path_factory):
    """Case number to the number of the level that Splink puts it into."""
    connection = connect(Home(tmp_path_factory.mktemp("levels")))
    try:
        connection.execute("CREATE TABLE filler AS SELECT 1")
        columns = (
            "given_name VARCHAR, middle_names VARCHAR, family_name VARCHAR, previous_family_name VARCHAR,"
            " alias_names VARCHAR[], birth_date DATE, death_date DATE, sex VARCHAR, address VARCHAR, postcode VARCHAR, phone VARCHAR,"
            " email VARCHAR, gp_practice VARCHAR, nhs_number VARCHAR, is_nhs_number_verified BOOLEAN, merged_into VARCHAR"
        )
        connection.execute(
            f"CREATE TABLE person_record (record_id VARCHAR, provider VARCHAR, setting VARCHAR, night DATE, {columns})"
        )
        for number, (_, left, right, _level) in enumerate(CASES):
            for side, record in (("l", left), ("r", right)):
                names = ", ".join(record)
                connection.execute(
                    f"INSERT INTO person_record (record_id{', ' if names else ''}{names}) VALUES ("
                    f"$record_id{', ' if names else ''}{', '.join('$' + n for n in record)})",
                    {"record_id": f"{number:03}{side}", **record},
                )
        connection.execute(
            "CREATE TABLE replaced_number AS SELECT '9990000026' AS nhs_number, '9990000034' AS current_number"
        )
        records.load_nicknames(connection)
        present = match.make_features(connection, common_address_word=1.0)
        comparisons = [c.name for c in COMPARISONS]
        scorer = match.Scorer(connection, untrained_model(comparisons), comparisons, present)
        connection.execute(
            "CREATE TABLE pair AS SELECT l.id AS id_l, r.id AS id_r, 0::UTINYINT AS rule FROM link_record AS l"
            " INNER JOIN link_record AS r ON l.record_id[1:3] = r.record_id[1:3] AND l.id < r.id"
        )
        wanted = ", ".join(f"{c.name}_level" for c in COMPARISONS)
        rows = scorer.score(
            "pair",
            lambda: connection.execute(
                f"SELECT record_id[1:3]::INTEGER, {wanted} FROM scored INNER JOIN link_record ON id = id_l"
            ).fetchall(),
        )
        return {row[0]: dict(zip((c.name for c in COMPARISONS), row[1:], strict=True)) for row in rows}
    finally:
        connection.close()


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{c}: {level} {n}" for n, (c, _, _, level) in enumerate(CASES)]
)
def test_level(levels, number):
    comparison, _, _, level = CASES[number]
    expected = -1 if level is None else comparison_named(comparison).gamma(level)
    assert levels[number][comparison] == expected


def test_every_level_has_a_case():
    reached = {(comparison, level) for comparison, _, _, level in CASES}
    every = {(c.name, level.name) for c in COMPARISONS for level in c.levels}
    assert every - reached == {("home", "remotely_similar")}
