"""Floods: very many records that share one value, among ordinary people: `python -m tests.benchmarks.floods FOLDER KIND RECORDS`.

What belongs here: making them, linking them, and counting pairs, recall and what was left out. What does not: asking
anything of the figures (`tests/linkage/test_floods.py` does).

Every flooded person is somebody of their own, with the errors that records have, and shares one value (or two) with all
the others: a placeholder, a hostel, a switchboard. They are as findable as others by everything else.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from registry_pipeline import link
from registry_pipeline.config import REPOSITORY, Configuration
from registry_pipeline.link.model import BLOCKING_RULES
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import Home, connect, scan
from tests.linkage import made_up_records
from tests.linkage.made_up_records import NIGHT, shares_and, stage_table

RECORDS_OF_A_PERSON = 1.8
"""About what `made_up_records` makes."""

KINDS: Mapping[str, str] = {
    "none": "",
    "postcode": "'AB1 1AA' AS postcode",
    "family_name_and_birth_date": "'FLOODED' AS family_name, DATE '1970-06-15' AS birth_date",
    "phone": "'01632960000' AS phone",
    "email": "'nobody@example.org' AS email",
    "address": "'1 HOSTEL HOUSE LONG STREET TOWN' AS address, 'AB1 1AA' AS postcode",
    "nhs_number": "'9434765919' AS nhs_number",
}
"""What the flooded records share."""


@dataclass(frozen=True)
class Flooded:
    """What came of one flood.

    Attributes:
        pairs: pairs compared, and by the first rule that found them.
        budget: pairs that the rules' budgets allow for so many records.
        ordinary_recall: share of the true pairs of ordinary people that one cluster holds; likewise flooded_recall.
        ordinary_false: joined pairs of two people, neither of them flooded; false: all others.
        left_out: rule to (values not blocked on, records of the commonest).
    """

    kind: str
    records: int
    seconds: float
    pairs: int
    pairs_by_rule: Mapping[str, int]
    budget: float
    ordinary_recall: float
    flooded_recall: float
    ordinary_false: int
    false: int
    left_out: Mapping[str, tuple[int, int]]


def staged(folder: Path, kind: str, records: int, ordinary: int) -> tuple[Configuration, list[Share], Path]:
    """Write the person records of a flood as the providers' shares of the night; the repository's models link them.

    Args:
        folder: for the home and the truth.
        kind: one of KINDS.
        records: about so many are flooded.
        ordinary: people who are not.

    Returns:
        The deployment, the shares, and the truth (Parquet with record_id, person_id, is_flooded).
    """
    from registry_pipeline.link.records import load_nicknames

    connection = connect(Home(folder / "home"))
    try:
        load_nicknames(connection)
        people = ordinary + int(records / RECORDS_OF_A_PERSON)
        for script in (made_up_records._PEOPLE, made_up_records._RECORDS):
            for statement in connection.extract_statements(script):
                connection.execute(statement, dict.fromkeys(statement.named_parameters, people))
        shared = f", * REPLACE ({KINDS[kind]})" if KINDS[kind] else ", *"
        emails = "SELECT *, 'person' || person_id || '@example.org' AS email FROM made"
        connection.execute(
            f"CREATE TABLE flooded AS SELECT * FROM ({emails}) WHERE person_id::BIGINT < {ordinary}"
            f" UNION ALL BY NAME SELECT {shared[2:]} FROM ({emails}) WHERE person_id::BIGINT >= {ordinary}"
        )
        truth = folder / "truth.parquet"
        connection.execute(
            f"COPY (SELECT provider || ':' || local_id AS record_id, person_id, person_id::BIGINT >= {ordinary}"
            f" AS is_flooded FROM flooded) TO '{truth}'"
        )
        configuration = stage_table(connection, "flooded", folder, REPOSITORY / "linkage_models")
        return configuration, shares_and(folder)[0], truth
    finally:
        connection.close()


COUNTED = """
WITH record AS (SELECT record_id, cluster_id, person_id, is_flooded FROM {clusters} AS clustered
    INNER JOIN {truth} AS known USING (record_id)),
person AS (SELECT is_flooded, person_id, count(*) AS n FROM record GROUP BY ALL),
both_ways AS (SELECT is_flooded, person_id, cluster_id, count(*) AS n FROM record GROUP BY ALL),
cluster AS (SELECT cluster_id, bool_or(is_flooded) AS is_flooded, count(*) AS n FROM record GROUP BY cluster_id),
cluster_true AS (SELECT cluster_id, sum(n * (n - 1) // 2) AS n FROM both_ways GROUP BY cluster_id)
SELECT
    (SELECT count(*) FROM record),
    (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM person WHERE NOT is_flooded),
    (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM both_ways WHERE NOT is_flooded),
    (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM person WHERE is_flooded),
    (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM both_ways WHERE is_flooded),
    (SELECT sum(c.n * (c.n - 1) // 2 - t.n) FROM cluster AS c INNER JOIN cluster_true AS t USING (cluster_id)
        WHERE NOT is_flooded),
    (SELECT sum(c.n * (c.n - 1) // 2 - t.n) FROM cluster AS c INNER JOIN cluster_true AS t USING (cluster_id)
        WHERE is_flooded)
"""


def linked(configuration: Configuration, shares: list[Share], truth: Path, kind: str, night: date = NIGHT) -> Flooded:
    """Link the night and count what came of it."""
    began = time.perf_counter()
    done = link.link_night(configuration, night, shares)
    seconds = time.perf_counter() - began
    home = Home(configuration.home)
    query = COUNTED.format(clusters=scan(home.linked("person_cluster", night)), truth=scan(truth))
    counts: Any = connect(home).execute(query).fetchall()[0]
    records, true, found, true_flooded, found_flooded, false, false_flooded = (int(n or 0) for n in counts)
    return Flooded(
        kind=kind,
        records=records,
        seconds=seconds,
        pairs=sum(done.pairs_by_rule.values()),
        pairs_by_rule=done.pairs_by_rule,
        budget=sum(rule.pairs_per_record for rule in BLOCKING_RULES) * records,
        ordinary_recall=found / true,
        flooded_recall=found_flooded / true_flooded,
        ordinary_false=false,
        false=false_flooded,
        left_out={rule: (left.values, left.most_records) for rule, left in done.values_left_out.items()},
    )


def next_night(shares: list[Share]) -> list[Share]:
    """The same providers' shares one night later."""
    return [Share(s.provider, s.feed, tuple(night + timedelta(days=1) for night in s.nights), 0, False) for s in shares]


def main(folder: Path, kind: str, records: int) -> None:
    """Make one flood among 20,000 ordinary people, link it, print the figures as one JSON object."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(json.dumps(asdict(linked(*staged(folder, kind, records, 20_000), kind))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
