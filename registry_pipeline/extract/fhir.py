"""FHIR R4 Patient resources, one JSON object a line, flattened to the canonical patient columns.

What belongs here: parting the file into lines, setting aside what is no Patient, and running the flattening
(`sql/fhir_patient.sql`, which says where each column comes from). What does not: other resource types; providers
deliver those as tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline.errors import BadInput
from registry_pipeline.extract.parquet import set_aside_beyond_limits
from registry_pipeline.extract.parts import ROW_LIMIT, Part, Place, quoted, readable_and_aside
from registry_pipeline.extract.unpack import Text, as_text, members
from registry_pipeline.storage import load_sql, raise_if_disk_full
from registry_pipeline.tables import FEEDS

if TYPE_CHECKING:
    import duckdb

COLUMNS = FEEDS["patient"].column_names
"""The flattened columns: the canonical ones; a provider's `columns` may take a choice of them, or swap some."""


def read(connection: duckdb.DuckDBPyConnection, place: Place, files: Iterable[Path], folder: Path) -> list[Part]:
    """Every file and member of a delivery.

    Args:
        connection: where the parts will be read.
        place: whose feed, for messages.
        files: landed files, in order.
        folder: for lines and flattened rows; the caller removes it after use.

    Raises:
        BadInput: the feed is not `patient`.
        FeedFault: a file cannot be unpacked, is not UTF-8 or is empty.
        RunFailed: the disk is full.
    """
    if place.feed != "patient":
        raise BadInput(
            f"{place.provider}, feed {place.feed}: fhir_ndjson is read for the patient feed only: deliver it as csv"
            " or parquet."
        )
    texts = [as_text(place, member, folder) for file in files for member in members(place, file)]
    return [_read_text(connection, place, text, folder) for text in texts]


def _read_text(connection: duckdb.DuckDBPyConnection, place: Place, text: Text, folder: Path) -> Part:
    if not text.survey.size:
        # Bulk export leaves out a file that would have no resources, so an empty one is a failed transfer.
        raise place.fault("unreadable", "the file is empty: ask for it to be sent again", file=text.name)
    stem = f"{len(list(folder.iterdir())):04d}"
    flat = folder / f"{stem}.flat.parquet"
    try:
        with readable_and_aside(folder, stem, 1) as lines:
            for number, line in _lines(text.path):
                lines.add(number, [line], len(line or ""))
    except OSError as problem:
        raise_if_disk_full(problem, flat)
        raise
    delivered = lines.part(text.name, ("resource",)).relation
    connection.execute(f"CREATE OR REPLACE TEMP VIEW delivered_line AS {delivered}")
    connection.execute(f"COPY ({load_sql('fhir_patient')}) TO {quoted(flat)} (FORMAT parquet)")
    cells = ", ".join(f"nullif({name}, '') AS c{i}" for i, name in enumerate(COLUMNS))
    relation = f"SELECT part_row, part_line, reason, {cells} FROM read_parquet({quoted(flat)})"  # noqa: S608  # our own file
    return set_aside_beyond_limits(connection, text.name, COLUMNS, relation, folder, reason="reason")


def _lines(path: Path) -> Iterator[tuple[int, str | None]]:
    """Lines with their numbers, without empty ones; None for one too long to be held."""
    with path.open(encoding="utf-8", newline="\n") as file:
        number = 0
        while piece := file.readline(ROW_LIMIT):
            number += 1
            line: str | None = piece.strip()
            while len(piece) == ROW_LIMIT and not piece.endswith("\n"):
                line = None
                piece = file.readline(ROW_LIMIT)
            if line != "":
                yield number, line
