"""The data dictionary for readers: one HTML page that opens offline, and the JSON Schema of every published table.

What belongs here: writing both, the code lists of columns with their sources, and the examples of reading. What does
not: what a table or column is (`tables`), what a purpose may see (`registry.purposes`), the frame of a page (`pages`).

* `code_lists`, `code_lists.yaml`: the lists that columns are coded in.
* `json_schema`: the form of a row.
* `reading`: how each reader reads a file.
* `page`, `templates/`: the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from registry_pipeline import storage
from registry_pipeline.config import REPOSITORY, Configuration, Deployment, Purpose
from registry_pipeline.consumer import PURPOSE_OF
from registry_pipeline.dictionary.json_schema import schema_of
from registry_pipeline.tables import OUTPUT_CONSUMER_TABLES, PUBLISHED

PAGE = "dictionary.html"
SCHEMAS = "schemas"

WITHOUT_OUTPUT: tuple[Purpose, ...] = ("direct_care", "case_conference")
"""Purposes that see identities, and so need no output."""

MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "hospital_frailty_score": ("hospital_frailty",),
    "hospital_frailty_category": ("hospital_frailty",),
    "charlson_original": ("charlson_quan",),
    "charlson_updated": ("charlson_quan",),
    "charlson_age_adjusted": ("charlson_quan",),
    "electronic_frailty_index": ("electronic_frailty_index", "efi_deficits"),
    "electronic_frailty_category": ("electronic_frailty_index", "efi_deficits"),
    "cambridge_multimorbidity_score": ("cambridge_multimorbidity",),
    "long_term_conditions": ("cambridge_multimorbidity",),
}
"""Clinical code lists (`codes/lists`) that a column is made from; those of protocols and measures stand in their own
descriptions."""


@dataclass(frozen=True)
class Written:
    """What was written: the page, and one schema a table."""

    page: Path
    schemas: tuple[Path, ...]


def purposes_of(family: str, table: str) -> tuple[Purpose, ...]:
    """Which purposes may see a published table.

    The registry's own tables hold identities and are direct care's. A purpose without identity has its own output,
    where the deployment describes one for it.
    """
    if family == "registry":
        return ("direct_care",)
    if family == "consumer":
        return tuple(purpose for name, purpose in PURPOSE_OF.items() if name == table)
    named: tuple[Purpose, ...] = get_args(Purpose)
    if table in OUTPUT_CONSUMER_TABLES:
        return tuple(purpose for purpose in named if purpose == table)
    return tuple(purpose for purpose in named if purpose not in WITHOUT_OUTPUT)


def write(folder: Path, configuration: Configuration | None = None) -> Written:
    """Write the dictionary, all of it or nothing.

    Args:
        folder: made if it is not there; an earlier dictionary in it is replaced.
        configuration: a deployment, whose own code lists are then told; None tells of those that come with the code.

    Raises:
        BadInput: a clinical code list cannot be used.
        RunFailed: the disk is full.
    """
    from registry_pipeline.dictionary.page import render

    schemas = {
        folder / SCHEMAS / f"{family}.{table.name}.schema.json": schema_of(
            family, table, purposes_of(family, table.name), MADE_FROM
        )
        for family, tables in PUBLISHED.items()
        for table in tables.values()
    }
    told = configuration or Configuration(directory=REPOSITORY, home=folder, deployment=Deployment(), providers={})
    texts = {file: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for file, schema in schemas.items()}
    page = folder / PAGE
    storage.write_texts({page: render(told), **texts})
    return Written(page, tuple(texts))
