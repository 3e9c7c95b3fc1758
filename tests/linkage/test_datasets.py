"""Linkage of data that nobody here made: from provider files alone, through every stage, with a model trained on it.

The truth is read only to measure; columns that give it away are dropped before anything sees them.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from registry_pipeline import link, night
from registry_pipeline.config import REPOSITORY, load_configuration
from registry_pipeline.outcomes import shares_of_night
from registry_pipeline.storage import Home, connect

DATASETS = Path(os.environ.get("REGISTRY_DATASETS", REPOSITORY.parent / "shared" / "datasets"))
NIGHT = date(2026, 4, 1)

pytestmark = pytest.mark.skipif(
    not DATASETS.is_dir(),
    reason=f"the labelled datasets are not in {DATASETS} (REGISTRY_DATASETS may name their folder)",
)

ADDRESS = "address: {from: [street_number, address_1, address_2, suburb, postcode, state]}"
FEBRL = f"""given_name: given_name, family_name: surname, birth_date: {{from: date_of_birth, format: "%Y%m%d"}}, {ADDRESS}"""
UGANDA = """given_name: given_name, family_name: surname, birth_date: {from: date_of_birth, format: "%Y%m%d"}, sex: SEX,
      phone: phone_number"""
KENYA = """given_name: Given_Name, family_name: Family_Name, birth_date: {from: Date_of_Birth, format: "%Y%m%d"},
      sex: SEX, address: City, phone: Phone_Number"""
LEAKS = ("true_id", "rec_id", "ID", "Dummy1", "Dummy2", "Dummy3")

CASES = {
    # name: providers (file, columns), fewest true pairs, most false pairs
    "febrl4": ({"A": ("febrl4/a", FEBRL), "B": ("febrl4/b", FEBRL)}, 4_980, 2),
    "opencr_uganda": ({"UG": ("opencr_uganda/records", UGANDA)}, 990, 1),
    "jempi_kenya": ({"KE": ("jempi_kenya/records", KENYA)}, 14_000, 10),
}


def described(folder: Path, providers: dict[str, tuple[str, str]]) -> Path:
    """Write a deployment: registry.yaml, a YAML file a provider, its delivery without leaks, and the truth apart."""
    (folder / "providers").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "registry.yaml").write_text("name: data that nobody here made\nmodels: models\nhome: home\n")
    connection = connect(Home(folder / "home"))
    try:
        truths = []
        for code, (file, columns) in providers.items():
            source = DATASETS / f"{file}.parquet"
            there = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM '{source}'").fetchall()]
            leaks = ", ".join(name for name in LEAKS if name in there)
            connection.execute(f"COPY (SELECT * EXCLUDE ({leaks}) FROM '{source}') TO '{folder / code}.parquet'")
            truths.append(f"SELECT '{code}' AS provider, row_id AS local_id, true_id FROM '{source}'")
            sex = next((name for name in there if name.lower() in ("sex", "gender_at_birth")), "")
            codes = "{m: '1', f: '2', male: '1', female: '2', M: '1', F: '2', Male: '1', Female: '2'}"
            mapped = columns.replace("SEX", f"{{from: {sex}, values: {codes}}}")
            (folder / "providers" / f"{code}.yaml").write_text(
                f"provider: {code}\nsetting: gp\nfeeds:\n  patient:\n"
                f"    source: {{kind: parquet, path: {code}.parquet}}\n"
                f"    columns: {{local_id: row_id, {mapped}}}\n"
            )
        connection.execute(f"COPY ({' UNION ALL '.join(truths)}) TO '{folder / 'truth.parquet'}'")
    finally:
        connection.close()
    return folder


@pytest.mark.parametrize("name", CASES)
def test_dataset(name, tmp_path):
    providers, fewest_true, most_false = CASES[name]
    folder = described(tmp_path / name, providers)
    configuration = load_configuration(folder, environment={})
    trained = night.train_model(configuration, NIGHT)
    assert trained.path.is_relative_to(folder)
    shares = shares_of_night(configuration, NIGHT)
    link.link_night(configuration, NIGHT, shares)
    found = link.evaluate(configuration, NIGHT, folder / "truth.parquet")
    print(
        f"{name}: precision {found.precision:.4%}, recall {found.recall:.4%} ({found.true_joined_pairs:,} of"
        f" {found.true_pairs:,} true pairs, {found.false_pairs} false), blocking recall {found.blocking_recall:.4%}"
    )
    assert found.true_joined_pairs >= fewest_true
    assert found.false_pairs <= most_false
