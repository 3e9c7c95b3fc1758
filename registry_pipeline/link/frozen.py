"""What is counted once per model version and then held fixed: term frequencies, common address words, block caps.

What belongs here: counting, writing and reading it under `linkage/frozen/<model version>/<n>/`. What does not: the
model's own numbers (`model`), and what is counted anew each night.

Were these counted each night, one new record would change the weight of every pair, and a night that links only what
changed could not equal one that links everything. They are counted anew when the number of records has moved so far
that the prior and the caps no longer fit, and then every pair is scored anew. A value is kept as a digest with its
count: enough to weigh an agreement with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.errors import BadInput
from registry_pipeline.link.model import LinkageModel
from registry_pipeline.storage import (
    file_digest,
    load_sql,
    read_json,
    scan,
    whole_folder,
    write_json,
    write_table,
)
from registry_pipeline.tables import Column, Table

if TYPE_CHECKING:
    import duckdb

RECORDS_MAY_MOVE_BY = 0.25
"""Share by which the number of records may move before all is counted anew: a quarter changes the prior's weight by a
third of a bit, less than any step between levels."""

FREQUENCY_TABLE = Table(
    "term_frequency",
    "value that more than two records hold, by its digest",
    ("column_name", "digest"),
    (
        Column("column_name", "VARCHAR", "Column of the person record"),
        Column("digest", "UBIGINT", "Digest of the value; the value itself is not kept"),
        Column("records", "INTEGER", "Records that held it when it was counted"),
    ),
)


@dataclass(frozen=True)
class Frozen:
    """What was counted, and for which model.

    Attributes:
        name: `<model version>.<n>`.
        model_digest: of the model's file: numbers counted for another one are refused.
        records: person records when it was counted; the prior follows from it.
        totals: column to the records that held any value.
        common_address_words: words (street, town) that say nothing about a home.
        caps: blocking rule to the largest block that it compares; rules that are not used are absent.
        duckdb: version whose digests these are.
        table_sha256: of the table of frequencies: another version's table in its place is refused.
    """

    name: str
    model_version: str
    model_digest: str
    counted_on: date
    records: int
    totals: Mapping[str, int]
    common_address_words: tuple[str, ...]
    caps: Mapping[str, int]
    duckdb: str
    table_sha256: str

    @property
    def digest(self) -> str:
        """Of everything here, which is written beside it: an altered count or cap is refused."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()

    def fits(self, records: int) -> bool:
        """Whether the number of records has not moved too far since it was counted."""
        return abs(records - self.records) <= RECORDS_MAY_MOVE_BY * self.records


def count_common_words(connection: duckdb.DuckDBPyConnection, share: float) -> None:
    """Make `common_address_word` from `everybody`: words in more than this share of addresses."""
    for statement in connection.extract_statements(load_sql("link_common_words")):
        connection.execute(statement, {"common_address_word": share})


def keep(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    model: LinkageModel,
    night: date,
    records: int,
    caps: Mapping[str, int],
) -> Frozen:
    """Write what was counted on this connection as the next one of the model's version.

    Args:
        connection: holds `frozen_frequency`, `frozen_total` and `common_address_word`.
        folder: of all frozen numbers (`Home.frozen`).
        model: whose levels use them.
        night: whose records were counted.
        records: person records.
        caps: blocking rule to its largest block.
    """
    import duckdb

    number = 1 + max((int(path.name) for path in _counted(folder, model.version)), default=0)
    kept = Frozen(
        name=f"{model.version}.{number}",
        model_version=model.version,
        model_digest=model.digest,
        counted_on=night,
        records=records,
        totals=dict(
            connection.execute("SELECT column_name, records FROM frozen_total ORDER BY column_name").fetchall()
        ),
        common_address_words=tuple(
            word for (word,) in connection.execute("SELECT word FROM common_address_word ORDER BY word").fetchall()
        ),
        caps=dict(caps),
        duckdb=duckdb.__version__,
        table_sha256="",
    )
    with whole_folder(folder / model.version / str(number)) as made:
        query = "SELECT * FROM frozen_frequency ORDER BY column_name, digest"
        write_table(connection, query, FREQUENCY_TABLE, made / "term_frequency.parquet")
        kept = replace(kept, table_sha256=file_digest(made / "term_frequency.parquet"))
        write_json(made / "frozen.json", {**asdict(kept), "sha256": kept.digest})
    return kept


def find(folder: Path, model: LinkageModel) -> tuple[Frozen, Path] | None:
    """The newest numbers that were counted for a model's version, and where they lie; None if there are none.

    Raises:
        BadInput: they were counted for another model, or cannot be read.
    """
    found = _counted(folder, model.version)
    if not found:
        return None
    path = found[-1]
    try:
        content = read_json(path / "frozen.json")
        kept, written = _read(content), content["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadInput(_UNUSABLE.format(path=path, why="cannot be read")) from problem
    if (kept.model_version, kept.model_digest) != (model.version, model.digest):
        raise BadInput(
            _UNUSABLE.format(
                path=path, why=f"were counted for another model {kept.model_version} than {model.version} as it is now"
            )
        )
    table = path / "term_frequency.parquet"
    if written != kept.digest or not table.is_file() or file_digest(table) != kept.table_sha256:
        raise BadInput(_UNUSABLE.format(path=path, why="are not as they were written"))
    return kept, path


_UNUSABLE = (
    "The frozen term frequencies in {path} {why}: put the right ones back, or run the night with --full, which counts"
    " them anew and links every record again."
)


def load(connection: duckdb.DuckDBPyConnection, kept: Frozen, path: Path) -> None:
    """Make `frozen_frequency`, `frozen_total` and `common_address_word` from what was written.

    Raises:
        BadInput: the table cannot be read.
    """
    import duckdb

    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE frozen_frequency AS SELECT * FROM {scan(path / 'term_frequency.parquet')}"  # noqa: S608
        )
    except duckdb.Error as problem:
        raise BadInput(_UNUSABLE.format(path=path, why="cannot be read")) from problem
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE frozen_total AS"
        " SELECT unnest($names) AS column_name, unnest($records) AS records",
        {"names": list(kept.totals), "records": list(kept.totals.values())},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE common_address_word AS SELECT unnest($words::VARCHAR[]) AS word",
        {"words": list(kept.common_address_words)},
    )


def _counted(folder: Path, version: str) -> list[Path]:
    return sorted(
        (path for path in (folder / version).glob("[0-9]*") if path.name.isdigit()), key=lambda path: int(path.name)
    )


def _read(content: Mapping[str, Any]) -> Frozen:
    return Frozen(
        name=str(content["name"]),
        model_version=str(content["model_version"]),
        model_digest=str(content["model_digest"]),
        counted_on=date.fromisoformat(content["counted_on"]),
        records=int(content["records"]),
        totals={str(name): int(records) for name, records in content["totals"].items()},
        common_address_words=tuple(content["common_address_words"]),
        caps={str(rule): int(cap) for rule, cap in content["caps"].items()},
        duckdb=str(content["duckdb"]),
        table_sha256=str(content["table_sha256"]),
    )
