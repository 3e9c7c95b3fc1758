"""From nightly extracts to a registry of patients over all care settings.

Each provider's extract is taken in (`extract`), checked and parted into accepted and quarantined rows (`validate`),
and put into one shape (`standardise`). Over all providers, records of one person are found (`link`), given a
`patient_id` that lasts and published as a registry in Parquet (`registry`). `night` says in which order; `defs` shows
it to Dagster, `cli` to the terminal. Consumers and reports read the published registry and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def open_registry(home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """The published registry, for reading: a DuckDB connection with a view per table.

    All views of the registry show one snapshot, whatever is published meanwhile; so does the view of each table that a
    consumer made (risk_stratification, care_gap, ...), where it made one. The connection can write no file.

        with open_registry() as registry:
            registry.sql("SELECT count(*) FROM patient").show()

    Args:
        home: the data folder; None takes REGISTRY_HOME, else `registry_home` in the working directory.

    Raises:
        RegistryError: nothing is published there yet.
    """
    from registry_pipeline import registry
    from registry_pipeline.storage import Home

    root = Path(home if home is not None else os.environ.get("REGISTRY_HOME") or "registry_home")
    return registry.open_current(Home(root.resolve()))
