"""Made-up care systems of many small providers: `python -m tests.benchmarks.many_providers FOLDER PROVIDERS PEOPLE`.

Every provider has one CSV of patients, made from the same million-row generator as the validation benchmark.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from tests.benchmarks.validate_million import PATIENTS

PROVIDER = """\
provider: P{number:03}
name: Provider {number}
setting: gp
feeds:
  patient:
    source: {{kind: csv, path: "drop/P{number:03}.csv"}}
"""


def main(folder: Path, providers: int, people: int) -> None:
    """Write one deployment of so many providers, each with its own people."""
    target = folder / str(providers)
    (target / "providers").mkdir(parents=True, exist_ok=True)
    (target / "drop").mkdir(exist_ok=True)
    (target / "registry.yaml").write_text("synthetic_nhs_numbers: true\n")
    connection = duckdb.connect()
    for number in range(providers):
        (target / "providers" / f"P{number:03}.yaml").write_text(PROVIDER.format(number=number))
        query = PATIENTS.format(first=number * people, last=(number + 1) * people)
        connection.execute(f"COPY ({query}) TO '{target / 'drop' / f'P{number:03}.csv'}' (HEADER)")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
