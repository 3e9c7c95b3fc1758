"""One million person rows for the validation benchmark: `python -m tests.benchmarks.validate_million FOLDER make|validate`.

A few rows in a hundred break some rule, so that quarantine and counting have work to do.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import duckdb

PATIENTS = """
WITH person AS (
    SELECT
        range AS n,
        (hash(range) % 1000000007)::BIGINT AS h,
        (900000000 + range % 99999999)::VARCHAR AS nine
    FROM range({first}, {last})
),
numbered AS (
    SELECT *, 11 - list_sum(list_transform(range(9), lambda i: (10 - i) * nine[i + 1]::INTEGER)) % 11 AS digit FROM person
)
SELECT
    'L' || n AS local_id,
    CASE WHEN h % 20 = 0 THEN NULL WHEN digit = 10 THEN NULL WHEN h % 97 = 0 THEN nine || '0' ELSE nine || (digit % 11) END AS nhs_number,
    CASE WHEN h % 20 = 0 OR digit = 10 THEN '07' ELSE '01' END AS nhs_number_status,
    ['Mr', 'Ms', 'Mrs', 'Dr'][h % 4 + 1] AS title,
    'Given' || chr((65 + h % 26)::INTEGER) || chr((65 + h // 26 % 26)::INTEGER) || chr((65 + h // 676 % 26)::INTEGER) AS given_name,
    'Family' || chr((65 + h // 7 % 26)::INTEGER) || chr((65 + h // 182 % 26)::INTEGER) || chr((65 + h // 4732 % 26)::INTEGER) AS family_name,
    CASE WHEN h % 500 = 0 THEN '2099-01-01' WHEN h % 501 = 0 THEN 'not known' ELSE (DATE '1930-01-01' + (h % 33000)::INTEGER)::VARCHAR END AS birth_date,
    ['1', '2', '9', 'X'][h % 4 + 1] AS sex,
    ['A', 'B', 'H', 'M', 'Z', '99'][h % 6 + 1] AS ethnicity,
    (h % 200)::VARCHAR || ' Made Up Street' AS address,
    'ZX' || (h % 20)::VARCHAR || ' ' || (h % 9)::VARCHAR || 'AB' AS postcode,
    '07700900' || lpad((h % 1000)::VARCHAR, 3, '0') AS phone,
    'person' || n || '@example.org' AS email,
    'A81' || lpad((h % 999)::VARCHAR, 3, '0') AS gp_practice
FROM numbered
"""
ROWS = 1_000_000


def main(folder: Path, step: str) -> None:
    """Make the rows and take them in, or validate what was taken in."""
    from registry_pipeline.config import load_configuration

    if step == "make":
        from registry_pipeline.extract import extract_feed

        (folder / "providers").mkdir(parents=True, exist_ok=True)
        (folder / "registry.yaml").write_text("synthetic_nhs_numbers: true\nhome: home\n")
        provider = "provider: M1\nsetting: gp\nfeeds: {patient: {source: {kind: csv, path: patients.csv}}}\n"
        (folder / "providers" / "M1.yaml").write_text(provider)
        query = PATIENTS.format(first=0, last=ROWS)
        duckdb.connect().execute(f"COPY ({query}) TO '{folder / 'patients.csv'}' (HEADER)")
        configuration = load_configuration(folder, environment={})
        extract_feed(configuration, configuration.provider("M1"), "patient", date(2026, 4, 1))
        return
    from registry_pipeline.validate import validate_feed

    configuration = load_configuration(folder, environment={})
    judged = validate_feed(configuration, configuration.provider("M1"), "patient", date(2026, 4, 1), earlier_rows=[])
    print(f'{{"accepted": {judged.accepted}, "quarantined": {judged.quarantined}, "checks": {len(judged.checks)}}}')


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
