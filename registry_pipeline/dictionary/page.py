"""The dictionary as one HTML page.

What belongs here: what the page shows of each table, in the order of the page. What does not: its frame (`pages.shell`)
and its facts (`tables`, `code_lists`, `codes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from registry_pipeline import codes, dictionary
from registry_pipeline.config import Configuration
from registry_pipeline.dictionary import code_lists, reading
from registry_pipeline.pages import shell
from registry_pipeline.tables import PUBLISHED, Table

FAMILIES: Mapping[str, tuple[str, str, str]] = {
    "registry": (
        "The registry",
        "Identifiable, for direct care: everything that providers delivered, under one patient_id a person.",
        "registry/current/{table}.parquet",
    ),
    "consumer": (
        "What is made of the registry",
        "Risk, care gaps, care teams, case conferences and clinical audit, made of every published night.",
        "consumers/{table}/current/{table}.parquet",
    ),
    "output": (
        "Outputs without identity",
        "The registry as a purpose sees it that must not see identities: pseudonyms under its own key.",
        "outputs/{purpose}/current/{table}.parquet",
    ),
}
"""By family: its title, what it is for, and where its files lie under REGISTRY_HOME."""


@dataclass(frozen=True)
class Entry:
    """One table on the page."""

    id: str
    table: Table
    file: str
    purposes: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """Tables that belong together."""

    id: str
    title: str
    lead: str
    entries: tuple[Entry, ...]


def render(configuration: Configuration) -> str:
    """The page.

    Raises:
        BadInput: a clinical code list cannot be used.
    """
    families = [_family(name) for name in FAMILIES]
    lists = code_lists.load()
    return shell.render(
        "registry_pipeline.dictionary",
        "dictionary.html",
        title="Data dictionary of the patient registry",
        heading="Data dictionary",
        subtitle="Patient registry: every published table",
        styles=("dictionary.css",),
        scripts=("dictionary.js",),
        families=families,
        tables=sum(len(family.entries) for family in families),
        columns=sum(len(entry.table.columns) for family in families for entry in family.entries),
        lists=lists.values(),
        known=lists,
        clinical=[codes.load(configuration, name) for name in codes.names(configuration)],
        made_from=dictionary.MADE_FROM,
        examples=reading.EXAMPLES,
        version=metadata.version("registry-pipeline"),
    )


def _family(name: str) -> Family:
    title, lead, file = FAMILIES[name]
    entries = tuple(
        Entry(
            f"{name}-{table.name}",
            table,
            file.format(table=table.name, purpose="PURPOSE"),
            dictionary.purposes_of(name, table.name),
        )
        for table in PUBLISHED[name].values()
    )
    return Family(name, title, lead, entries)
