"""How well a made-up night was linked, counted from the published registry: `python -m tests.benchmarks.accuracy HOME TRUTH`.

What belongs here: the issue's accuracy figures, worked out from `patient_record` and the truth alone, so that they also
check what `registry evaluate` says. What does not: anything of the pipeline but where the registry lies.

    HOME    the data folder of a published night
    TRUTH   folder with person_record.parquet (provider, local_id, person_id) and person.parquet (person_id, ethnicity)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb

RECORDS = """
CREATE TABLE record AS
SELECT record_id, patient_id, person_id, ethnicity,
    -- The five groups of the ethnic category 2001 (GOV.UK's harmonised groups); Z and 99 are not stated and not known.
    CASE WHEN ethnicity IN ('A', 'B', 'C') THEN 'White' WHEN ethnicity IN ('D', 'E', 'F', 'G') THEN 'Mixed'
        WHEN ethnicity IN ('H', 'J', 'K', 'L') THEN 'Asian' WHEN ethnicity IN ('M', 'N', 'P') THEN 'Black'
        WHEN ethnicity IN ('R', 'S') THEN 'Other' END AS ethnic_group
FROM read_parquet($registry) AS registry
INNER JOIN read_parquet($records) AS known USING (provider, local_id)
INNER JOIN read_parquet($people) AS person USING (person_id)
"""
TOTALS = """
WITH by_person AS (SELECT person_id, count(*) AS n FROM record GROUP BY 1),
by_cluster AS (SELECT patient_id, count(*) AS n, count(DISTINCT person_id) AS people FROM record GROUP BY 1),
by_both AS (SELECT patient_id, person_id, count(*) AS n FROM record GROUP BY 1, 2)
SELECT
    (SELECT sum(n * (n - 1) // 2) FROM by_person) AS true_pairs,
    (SELECT sum(n * (n - 1) // 2) FROM by_cluster) AS joined_pairs,
    (SELECT sum(n * (n - 1) // 2) FROM by_both) AS true_joined_pairs,
    (SELECT count(*) FROM by_cluster) AS clusters,
    (SELECT count(*) FROM by_cluster WHERE people > 1) AS mixed_clusters
"""
BY_GROUP = """
WITH by_person AS (SELECT {column} AS part, person_id, count(*) AS n FROM record GROUP BY ALL),
by_both AS (SELECT {column} AS part, person_id, patient_id, count(*) AS n FROM record GROUP BY ALL),
pairs AS (SELECT part, sum(n * (n - 1) // 2) AS true_pairs FROM by_person GROUP BY part),
joined AS (SELECT part, sum(n * (n - 1) // 2) AS found FROM by_both GROUP BY part)
SELECT part, true_pairs, found FROM pairs INNER JOIN joined USING (part)
WHERE part IS NOT NULL AND true_pairs > 0 ORDER BY part
"""


def main(home: Path, truth: Path) -> None:
    """Print the figures as one JSON object."""
    connection = duckdb.connect()
    connection.execute(
        RECORDS,
        {
            "registry": str(home / "registry" / "current" / "patient_record.parquet"),
            "records": str(truth / "person_record.parquet"),
            "people": str(truth / "person.parquet"),
        },
    )
    true, joined, both, clusters, mixed = (int(n) for n in connection.execute(TOTALS).fetchall()[0])
    told: dict[str, Any] = {
        "true_pairs": true,
        "precision": both / joined,
        "recall": both / true,
        "clusters": clusters,
        "mixed_clusters": mixed,
        "mixed_per_100000": 100_000 * mixed / clusters,
    }
    for column in ("ethnic_group", "ethnicity"):
        recalls = {
            part: (found / pairs, int(pairs))
            for part, pairs, found in connection.execute(BY_GROUP.format(column=column)).fetchall()
        }
        shares = [share for share, _ in recalls.values()]
        told[f"recall_by_{column}"] = recalls
        told[f"gap_by_{column}"] = max(shares) - min(shares)
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
