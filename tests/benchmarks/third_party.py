"""Labelled linkage data that nobody here made, described as providers of this project.

What belongs here: which files there are, how a provider file names their columns, and writing a deployment of one data
set without the columns that give the truth away. What does not: measuring (`datasets`, `tests/linkage/test_datasets`),
and anything learned from the truth.

The canonical columns carry what the data has as far as they can: a city or state is part of the address. A national
identifier of another country is no NHS number and has no canonical column, so it is left out of the descriptions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry_pipeline.config import REPOSITORY
from registry_pipeline.storage import Home, connect

DATASETS = Path(os.environ.get("REGISTRY_DATASETS", REPOSITORY.parent / "shared" / "datasets"))
"""Where the labelled data lies; absent on most machines."""

LEAKS = ("true_id", "rec_id", "ID", "Dummy1", "Dummy2", "Dummy3", "cluster", "group", "unique_id", "external_id",
         "identifiers")  # fmt: skip
"""Columns that give the truth away, of any of the data sets (see the README beside the data)."""

_ADDRESS = "{from: [street_number, address_1, address_2, suburb, postcode, state]}"
_SEX_CODES = "{m: '1', f: '2', M: '1', F: '2', male: '1', female: '2', Male: '1', Female: '2'}"
_FEBRL = (
    'given_name: given_name, family_name: surname, birth_date: {from: date_of_birth, format: "%Y%m%d"},'
    f" address: {_ADDRESS}"
)
_UGANDA = (
    'given_name: given_name, family_name: surname, birth_date: {from: date_of_birth, format: "%Y%m%d"},'
    f" sex: {{from: sex, values: {_SEX_CODES}}}, phone: phone_number"
)
_KENYA = (
    'given_name: Given_Name, family_name: Family_Name, birth_date: {from: Date_of_Birth, format: "%Y%m%d"},'
    f" sex: {{from: Gender_at_Birth, values: {_SEX_CODES}}}, address: City, phone: Phone_Number"
)
_FAKE = "given_name: first_name, family_name: surname, birth_date: dob, address: city, email: email"
_CDC = (
    "given_name: given, middle_names: middle, family_name: family, birth_date: birth_date,"
    f" sex: {{from: sex, values: {_SEX_CODES}}}, address: {{from: [address, city, state, postal_code]}},"
    " phone: phone, email: email"
)


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        providers: provider code to its file below `DATASETS` (without suffix).
        columns: the `columns` map of each provider, as YAML.
        identifier: column of a national identifier that the canonical columns cannot carry, if there is one.
    """

    name: str
    providers: Mapping[str, str]
    columns: str
    identifier: str | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Provider code to its Parquet file."""
        return {code: DATASETS / f"{file}.parquet" for code, file in self.providers.items()}


DATA: Mapping[str, DataSet] = {
    made.name: made
    for made in (
        DataSet("febrl1", {"F1": "febrl1/records"}, _FEBRL, "soc_sec_id"),
        DataSet("febrl2", {"F2": "febrl2/records"}, _FEBRL, "soc_sec_id"),
        DataSet("febrl3", {"F3": "febrl3/records"}, _FEBRL, "soc_sec_id"),
        DataSet("febrl4", {"A": "febrl4/a", "B": "febrl4/b"}, _FEBRL, "soc_sec_id"),
        DataSet("jempi_kenya", {"KE": "jempi_kenya/records"}, _KENYA, "National_ID"),
        DataSet("opencr_uganda", {"UG": "opencr_uganda/records"}, _UGANDA, "uganda_nin"),
        DataSet("splink_fake_1000", {"SF": "splink_fake_1000/records"}, _FAKE),
        DataSet("splink_fake_20000", {"SF": "splink_fake_20000/records"}, _FAKE),
        DataSet("cdc_recordlinker_clusters", {"CDC": "cdc_recordlinker_clusters/records"}, _CDC, "ssn"),
    )
}
"""Every data set whose truth says which records are one person."""


def described(folder: Path, data: DataSet) -> Path:
    """Write a deployment: registry.yaml, a YAML file a provider, its delivery without leaks, and the truth apart.

    Returns:
        The folder; the truth is its `truth.parquet` (provider, local_id, true_id).
    """
    (folder / "providers").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "registry.yaml").write_text("name: data that nobody here made\nmodels: models\nhome: home\n")
    connection = connect(Home(folder / "home"))
    try:
        truths = []
        for code, source in data.files.items():
            there = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM '{source}'").fetchall()]
            leaks = ", ".join(f'"{name}"' for name in LEAKS if name in there)
            connection.execute(f"COPY (SELECT * EXCLUDE ({leaks}) FROM '{source}') TO '{folder / code}.parquet'")
            truths.append(f"SELECT '{code}' AS provider, row_id AS local_id, true_id FROM '{source}'")
            (folder / "providers" / f"{code}.yaml").write_text(
                f"provider: {code}\nsetting: gp\nfeeds:\n  patient:\n"
                f"    source: {{kind: parquet, path: {code}.parquet}}\n"
                f"    columns: {{local_id: row_id, {data.columns}}}\n"
            )
        connection.execute(f"COPY ({' UNION ALL '.join(truths)}) TO '{folder / 'truth.parquet'}'")
    finally:
        connection.close()
    return folder
