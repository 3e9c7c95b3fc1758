"""This project beside a well-set plain Splink, on labelled data that nobody here made: `python -m tests.benchmarks.datasets`.

What belongs here: linking each data set twice from the same columns and printing pairwise precision, recall and F1 of
the clusters side by side. What does not: assertions, and any use of the truth but for measuring.

    python -m tests.benchmarks.datasets [--only NAME ...] [--json FILE]

The baseline is what an expert writes from Splink's own documentation: fitting comparisons with term frequencies,
several blocking rules, u by random sampling, m by EM over two or three blocks, connected components. It is shown at the
threshold that Splink's examples use (probability 0.95, chosen without the truth) and at the threshold that is best with
the truth known, which nobody has: an upper bound. Where the data has a national identifier of another country, which
this project has no column for, the baseline is shown without it (the same columns on both sides) and with it.
"""

from __future__ import annotations

import argparse
import atexit
import json
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from registry_pipeline.cli import _hush_duckdb_at_exit
from tests.benchmarks.third_party import DATA, DATASETS, LEAKS, DataSet, described

NIGHT = date(2026, 4, 1)
SPLINK_THRESHOLD = 0.95
"""Probability at which Splink's own examples cluster."""


@dataclass(frozen=True)
class Measured:
    """Pairs within clusters, against the truth."""

    data: str
    way: str
    true_pairs: int
    found: int
    false: int
    seconds: float
    threshold: float | None = None

    @property
    def precision(self) -> float:
        joined = self.found + self.false
        return self.found / joined if joined else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.true_pairs

    @property
    def f1(self) -> float:
        return 2 * self.found / (self.found + self.false + self.true_pairs)

    def line(self) -> str:
        at = "" if self.threshold is None else f"{self.threshold:.1f}"
        return (
            f"{self.data:<26}{self.way:<62}{self.found:>7,}{self.true_pairs:>8,}{self.false:>7,}"
            f"{self.precision:>10.4%}{self.recall:>10.4%}{self.f1:>9.4f}{at:>8}{self.seconds:>7.1f}"
        )


HEAD = f"{'data':<26}{'linked by':<62}{'found':>7}{'of':>8}{'false':>7}{'precision':>10}{'recall':>10}{'F1':>9}{'weight':>8}{'s':>7}"


def ours(data: DataSet) -> Measured:
    """This project: provider files, every stage, a model trained without the truth, the night linked."""
    from registry_pipeline import link, night
    from registry_pipeline.config import load_configuration
    from registry_pipeline.outcomes import shares_of_night

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        configuration = load_configuration(described(Path(folder) / data.name, data), environment={})
        night.train_model(configuration, NIGHT)
        link.link_night(configuration, NIGHT, shares_of_night(configuration, NIGHT))
        found = link.evaluate(configuration, NIGHT, configuration.directory / "truth.parquet")
        # Records that were set aside on the way count as missed: the baseline links them all.
        true_pairs = _true_pairs(_people(data).values())
    return Measured(
        data.name, "this project", true_pairs, found.true_joined_pairs, found.false_pairs, time.perf_counter() - began
    )


def _people(data: DataSet) -> dict[str, str]:
    """Record to person, of every file."""
    query = "SELECT row_id, true_id FROM read_parquet(?)"
    return dict(duckdb.connect().execute(query, [[str(file) for file in data.files.values()]]).fetchall())


def _true_pairs(people: Iterable[str]) -> int:
    return sum(n * (n - 1) // 2 for n in Counter(people).values())


# The baseline ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlainSplink:
    """How an expert sets Splink for one shape of data.

    Attributes:
        prepared: SQL of the columns that are compared, out of the data's own.
        comparisons: over those columns.
        blocking: what predictions are made of.
        deterministic: what the prior is estimated from, and the share of true pairs that they are assumed to find.
        em: blocks that m is learned over.
        identifier: comparison of the national identifier, for the run that has it.
    """

    prepared: str
    comparisons: Callable[[], list[Any]]
    blocking: Sequence[Any]
    deterministic: Sequence[Any]
    recall: float
    em: Sequence[Any]
    identifier: Callable[[], Any] | None = None
    identifier_blocking: Sequence[Any] = ()


def _frequencies(comparison: Any) -> Any:
    return comparison.configure(term_frequency_adjustments=True)


FEBRL = PlainSplink(
    prepared="""given_name, surname, date_of_birth, street_number, address_1, address_2, suburb, postcode, state,
        soc_sec_id, substr(date_of_birth, 1, 4) AS birth_year, substr(date_of_birth, 5, 4) AS birthday""",
    comparisons=lambda: [
        cl.ForenameSurnameComparison("given_name", "surname", jaro_winkler_thresholds=[0.92, 0.8]),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
        _frequencies(cl.ExactMatch("street_number")),
        _frequencies(cl.JaroWinklerAtThresholds("address_1", [0.92, 0.8])),
        _frequencies(cl.JaroWinklerAtThresholds("address_2", [0.92, 0.8])),
        _frequencies(cl.JaroWinklerAtThresholds("suburb", [0.92, 0.8])),
        _frequencies(cl.DamerauLevenshteinAtThresholds("postcode", [1, 2])),
        _frequencies(cl.ExactMatch("state")),
    ],
    blocking=[
        block_on("date_of_birth"),
        block_on("given_name", "surname"),
        block_on("given_name", "postcode"),
        block_on("surname", "postcode"),
        block_on("given_name", "birth_year"),
        block_on("surname", "birth_year"),
        block_on("given_name", "birthday"),
        block_on("surname", "birthday"),
        block_on("address_1", "street_number"),
        block_on("address_1", "postcode"),
        block_on("suburb", "postcode"),
        block_on("address_2", "postcode"),
        block_on("given_name", "suburb"),
        block_on("surname", "suburb"),
        block_on("surname", "address_1"),
        block_on("given_name", "address_1"),
        "l.given_name = r.surname and l.surname = r.given_name",
        block_on("street_number", "postcode", "birth_year"),
    ],
    deterministic=[
        block_on("date_of_birth", "postcode"),
        block_on("given_name", "surname", "date_of_birth"),
        block_on("given_name", "surname", "address_1"),
        block_on("address_1", "suburb", "street_number"),
    ],
    recall=0.9,
    em=[block_on("date_of_birth"), block_on("postcode", "street_number"), block_on("given_name", "surname")],
    identifier=lambda: cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
    identifier_blocking=[block_on("soc_sec_id")],
)

UGANDA = PlainSplink(
    prepared="""given_name, surname, date_of_birth, sex, replace(phone_number, ' ', '') AS phone, uganda_nin,
        substr(date_of_birth, 1, 4) AS birth_year, substr(date_of_birth, 5, 4) AS birthday""",
    comparisons=lambda: [
        cl.ForenameSurnameComparison("given_name", "surname", jaro_winkler_thresholds=[0.92, 0.8]),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
        cl.ExactMatch("sex"),
        cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
    ],
    blocking=[
        block_on("date_of_birth"),
        block_on("phone"),
        block_on("given_name", "surname"),
        block_on("given_name", "birth_year"),
        block_on("surname", "birth_year"),
        block_on("given_name", "birthday"),
        block_on("surname", "birthday"),
        "l.given_name = r.surname and l.surname = r.given_name",
        block_on("surname", "sex"),
    ],
    deterministic=[block_on("phone"), block_on("given_name", "surname", "date_of_birth")],
    recall=0.9,
    em=[block_on("date_of_birth"), block_on("phone"), block_on("given_name", "surname")],
    identifier=lambda: cl.DamerauLevenshteinAtThresholds("uganda_nin", [1, 2]),
    identifier_blocking=[block_on("uganda_nin")],
)

KENYA = PlainSplink(
    prepared="""Given_Name AS given_name, Family_Name AS surname, Date_of_Birth AS date_of_birth,
        Gender_at_Birth AS sex, City AS city, Phone_Number AS phone, National_ID AS national_id,
        substr(Date_of_Birth, 1, 4) AS birth_year, substr(Date_of_Birth, 5, 4) AS birthday""",
    comparisons=lambda: [
        cl.ForenameSurnameComparison("given_name", "surname", jaro_winkler_thresholds=[0.92, 0.8]),
        cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
        cl.ExactMatch("sex"),
        _frequencies(cl.JaroWinklerAtThresholds("city", [0.9, 0.75])),
        cl.DamerauLevenshteinAtThresholds("phone", [1, 2, 3]),
    ],
    blocking=[
        block_on("date_of_birth"),
        block_on("phone"),
        block_on("given_name", "surname"),
        block_on("given_name", "city"),
        block_on("surname", "city"),
        block_on("given_name", "birth_year"),
        block_on("surname", "birth_year"),
        block_on("given_name", "birthday"),
        block_on("surname", "birthday"),
        block_on("substr(phone, 1, 7)"),
        block_on("substr(phone, 5, 8)"),
        "l.given_name = r.surname and l.surname = r.given_name",
    ],
    deterministic=[block_on("phone"), block_on("given_name", "surname", "date_of_birth")],
    recall=0.7,
    em=[block_on("date_of_birth"), block_on("phone"), block_on("given_name", "surname")],
    identifier=lambda: cl.DamerauLevenshteinAtThresholds("national_id", [1, 2, 3]),
    identifier_blocking=[block_on("national_id")],
)

FAKE = PlainSplink(
    prepared="""lower(first_name) AS first_name, lower(surname) AS surname, dob, city, lower(email) AS email,
        substr(dob, 1, 4) AS birth_year, substr(dob, 6, 5) AS birthday""",
    comparisons=lambda: [
        cl.ForenameSurnameComparison("first_name", "surname", jaro_winkler_thresholds=[0.92, 0.8]),
        cl.DateOfBirthComparison("dob", input_is_string=True),
        _frequencies(cl.JaroWinklerAtThresholds("city", [0.9, 0.75])),
        cl.EmailComparison("email"),
    ],
    blocking=[
        block_on("email"),
        block_on("first_name", "surname"),
        block_on("dob"),
        block_on("first_name", "birth_year"),
        block_on("surname", "birth_year"),
        block_on("first_name", "birthday"),
        block_on("surname", "birthday"),
        block_on("first_name", "city"),
        block_on("surname", "city"),
        block_on("split_part(email, '@', 1)"),
        "l.first_name = r.surname and l.surname = r.first_name",
    ],
    deterministic=[
        block_on("first_name", "surname", "dob"),
        block_on("email"),
        block_on("dob", "city", "surname"),
    ],
    recall=0.7,
    em=[block_on("dob"), block_on("email"), block_on("first_name", "surname")],
)

CDC = PlainSplink(
    prepared="""given, family, birth_date, sex, lower(address) AS address, city, state, postal_code, phone, ssn,
        substr(birth_date, 1, 4) AS birth_year""",
    comparisons=lambda: [
        cl.ForenameSurnameComparison("given", "family", jaro_winkler_thresholds=[0.92, 0.8]),
        cl.DateOfBirthComparison("birth_date", input_is_string=True),
        cl.ExactMatch("sex"),
        cl.JaroWinklerAtThresholds("address", [0.92, 0.8]),
        cl.JaroWinklerAtThresholds("city", [0.92, 0.8]),
        cl.ExactMatch("state"),
        cl.DamerauLevenshteinAtThresholds("postal_code", [1, 2]),
        cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
    ],
    blocking=[
        block_on("birth_date"),
        block_on("phone"),
        block_on("given", "family"),
        block_on("address"),
        block_on("postal_code"),
        block_on("given", "birth_year"),
        block_on("family", "birth_year"),
    ],
    deterministic=[block_on("phone"), block_on("given", "family", "birth_date")],
    recall=0.8,
    em=[block_on("birth_date"), block_on("phone"), block_on("given", "family")],
    identifier=lambda: cl.DamerauLevenshteinAtThresholds("ssn", [1, 2]),
    identifier_blocking=[block_on("ssn")],
)

BASELINES = {
    **dict.fromkeys(("febrl1", "febrl2", "febrl3", "febrl4"), FEBRL),
    "opencr_uganda": UGANDA,
    "jempi_kenya": KENYA,
    **dict.fromkeys(("splink_fake_1000", "splink_fake_20000"), FAKE),
    "cdc_recordlinker_clusters": CDC,
}


def plain(data: DataSet, *, with_identifier: bool) -> list[Measured]:
    """A well-set plain Splink on the data: at Splink's usual threshold, and at the best one with the truth known."""
    spec = BASELINES[data.name]
    began = time.perf_counter()
    connection = duckdb.connect()
    files = list(data.files.items())
    tables = []
    for code, file in files:
        there = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()]
        leaks = ", ".join(f'"{name}"' for name in LEAKS if name in there)
        connection.execute(
            f"CREATE TABLE source_{code} AS SELECT row_id AS unique_id, {spec.prepared}"
            f" FROM (SELECT * EXCLUDE ({leaks}) FROM '{file}')"
        )
        tables.append(f"source_{code}")
    settings = SettingsCreator(
        link_type="dedupe_only" if len(files) == 1 else "link_only",
        comparisons=[*spec.comparisons(), *([spec.identifier()] if with_identifier and spec.identifier else [])],
        blocking_rules_to_generate_predictions=[
            *(spec.identifier_blocking if with_identifier else ()),
            *spec.blocking,
        ],
    )
    api = DuckDBAPI(connection=connection)
    registered = [api.register(table, dataset_display_name=f"{table}_rows") for table in tables]
    linker = Linker(registered[0] if len(registered) == 1 else registered, settings)
    linker.training.estimate_probability_two_random_records_match(list(spec.deterministic), recall=spec.recall)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=1, min_count_per_level=None)
    for rule in spec.em:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_weight=-20)
    ends = connection.execute(
        f"SELECT unique_id_l, unique_id_r, match_weight, match_probability FROM {pairs.physical_name}"
        " ORDER BY match_weight DESC, unique_id_l, unique_id_r"
    ).fetchall()
    people = _people(data)
    seconds = time.perf_counter() - began
    way = "plain Splink" + (f" with {data.identifier}" if with_identifier else "")
    steps = _clusters_by_threshold(ends, people)
    true_pairs = _true_pairs(people.values())
    usual = [step for step in steps if step[3] >= SPLINK_THRESHOLD][-1]
    best = max(steps, key=lambda step: 2 * step[0] / (step[0] + step[1] + true_pairs))
    return [
        Measured(data.name, f"{way}, probability 0.95", true_pairs, usual[0], usual[1], seconds, usual[2]),
        Measured(data.name, f"{way}, best threshold (truth known)", true_pairs, best[0], best[1], seconds, best[2]),
    ]


def _clusters_by_threshold(
    ends: Sequence[tuple[str, str, float, float]], people: dict[str, str]
) -> list[tuple[int, int, float, float]]:
    """(true pairs, false pairs, weight, probability) of the connected components, for each weight from the top."""
    parent = {record: record for record in people}
    members: dict[str, Counter[str]] = {record: Counter({person: 1}) for record, person in people.items()}

    def root(record: str) -> str:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    true = false = 0
    steps = []
    for place, (left, right, weight, probability) in enumerate(ends):
        a, b = sorted((root(left), root(right)), key=lambda r: len(members[r]))
        if a != b:
            same = sum(count * members[b][person] for person, count in members[a].items())
            true += same
            false += members[a].total() * members[b].total() - same
            parent[a] = b
            members[b].update(members.pop(a))
        if place + 1 == len(ends) or ends[place + 1][2] != weight:
            steps.append((true, false, weight, probability))
    return steps


def main(given: Sequence[str] | None = None) -> list[Measured]:
    """Link the data sets asked for both ways; print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--baseline-only", action="store_true", help="plain Splink alone")
    parser.add_argument("--ours-only", action="store_true", help="this project alone")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    asked = parser.parse_args(given)
    if not DATASETS.is_dir():
        sys.exit(f"The labelled data sets are not in {DATASETS}: REGISTRY_DATASETS may name their folder.")
    warnings.simplefilter("ignore")
    atexit.register(_hush_duckdb_at_exit)
    logging.getLogger("splink").setLevel(logging.ERROR)
    print(HEAD, flush=True)
    figures: list[Measured] = []

    def show(measured: Sequence[Measured]) -> None:
        figures.extend(measured)
        for one in measured:
            print(one.line(), flush=True)

    for name in asked.only:
        data = DATA[name]
        if not asked.baseline_only:
            show([ours(data)])
        if not asked.ours_only:
            show(plain(data, with_identifier=False))
            if data.identifier:
                show(plain(data, with_identifier=True))
    if asked.json:
        shares = [asdict(f) | {"precision": f.precision, "recall": f.recall, "f1": f.f1} for f in figures]
        asked.json.write_text(json.dumps(shares, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    main()
