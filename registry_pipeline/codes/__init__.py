"""Code lists: which clinical codes mean a thing, each list with its source.

What belongs here: reading and checking lists (`lists/*.csv` and a deployment's own), and naming what the codes of a
registry mean. What does not: what is made of a meaning (`risk`, `care`, `audit`).

A list is two files: `<name>.csv` (UTF-8; `coding_system,code,term` and, where it has them, `item` and `weight`) and
`<name>.yaml` (title, version, source, licence, note). The deployment's folder (`code_lists` of `registry.yaml`) comes
before the lists that come with this code: a list of the same name there takes its place.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from registry_pipeline.config import Configuration, read_described
from registry_pipeline.errors import BadInput
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    import duckdb

LISTS = Path(__file__).resolve().parent / "lists"
"""The lists that come with this code."""

REQUIRED = ("coding_system", "code", "term")
OPTIONAL = ("item", "weight")

MATCHES_AS: Mapping[str, str] = {
    "snomed": "snomed",
    "dmd": "snomed",
    "icd10": "icd10",
    "read2": "read2",
    "ctv3": "ctv3",
    "opcs4": "opcs4",
}
"""Coding systems of lists, and as what system the registry holds their codes: dm+d codes are SNOMED CT identifiers."""

_FORMS: Mapping[str, tuple[str, str]] = {
    "icd10": (r"[A-Z][0-9]{2}[0-9]{0,2}", "a capital letter and two to four digits, without dot or filler X, as I10"),
    "read2": (r"[0-9A-Za-z][0-9A-Za-z.]{4}", "five characters, filled up with dots, as C10E."),
    "ctv3": (r"[0-9A-Za-z][0-9A-Za-z.]{4}", "five characters, filled up with dots, as X40J5"),
    "opcs4": (r"[A-Z][0-9]{2}[0-9]?", "a capital letter and two or three digits, without dot, as W371"),
}  # fmt: skip

_PARTITIONS = ("00", "10", "01", "11")
"""Partition identifiers (the two digits before the check digit) of SNOMED CT concepts and descriptions."""


@dataclass(frozen=True)
class Code:
    """One line of a list.

    Attributes:
        coding_system: snomed, dmd, icd10, read2, ctv3 or opcs4.
        code: without dots for ICD-10 and OPCS-4.
        term: what it means, for people who read the list.
        item: the sub-group of the list that it belongs to; None where the list has none.
        weight: points; None where the list has none.
        line: line of the file, from 1.
    """

    coding_system: str
    code: str
    term: str
    item: str | None
    weight: float | None
    line: int


@dataclass(frozen=True)
class CodeList:
    """A list with where it comes from; see the keys of its `.yaml`."""

    name: str
    title: str
    version: str
    source: str
    licence: str
    note: str
    file: Path
    codes: tuple[Code, ...]

    @property
    def items(self) -> tuple[str, ...]:
        """Its sub-groups, in the order of the file; none where it has none."""
        return tuple(dict.fromkeys(code.item for code in self.codes if code.item is not None))

    @property
    def about(self) -> dict[str, str]:
        """What a manifest says of it."""
        return {"title": self.title, "version": self.version, "source": self.source}


class _Sidecar(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    title: str = Field(min_length=1)
    version: str = Field(min_length=1)
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    note: str = ""

    @field_validator("version", mode="before")
    @classmethod
    def _date_as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value


def names(configuration: Configuration) -> tuple[str, ...]:
    """Every list that can be loaded, sorted."""
    return tuple(sorted({file.stem for folder in _folders(configuration) for file in folder.glob("*.csv")}))


def load(configuration: Configuration, name: str) -> CodeList:
    """One list, checked.

    Raises:
        BadInput: there is no such list, or a line of it cannot be used; the sentence names file and line.
    """
    file = next((f for f in (folder / f"{name}.csv" for folder in _folders(configuration)) if f.is_file()), None)
    if file is None:
        near = difflib.get_close_matches(name, names(configuration), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else "; add NAME.csv and NAME.yaml to the folder code_lists."
        raise BadInput(f"There is no code list {name!r} in {' or '.join(map(str, _folders(configuration)))}{hint}")
    sidecar = file.with_suffix(".yaml")
    if not sidecar.is_file():
        raise BadInput(f"{file} has no {sidecar.name} beside it: write there its title, version, source and licence.")
    said = read_described(sidecar, _Sidecar)
    return CodeList(
        name=name,
        title=said.title,
        version=said.version,
        source=said.source,
        licence=said.licence,
        note=said.note,
        file=file,
        codes=tuple(_codes(file)),
    )


def check(configuration: Configuration) -> None:
    """Load every list.

    Raises:
        BadInput: the first line of a list that cannot be used.
    """
    folder = configuration.deployment.code_lists
    if folder is not None and not (configuration.directory / folder).is_dir():
        raise BadInput(
            f"There is no folder {configuration.directory / folder}, which code_lists of registry.yaml names."
        )
    for name in names(configuration):
        load(configuration, name)


def _folders(configuration: Configuration) -> tuple[Path, ...]:
    """Where lists are looked for, first one first."""
    own = configuration.deployment.code_lists
    return (LISTS,) if own is None else (configuration.directory / own, LISTS)


def _codes(file: Path) -> Iterator[Code]:
    rows = _rows(file)
    first, header = next(rows, (1, []))
    _check_header(file, first, header)
    seen: dict[tuple[str | None, str, str], int] = {}
    for line, cells in rows:
        if len(cells) != len(header):
            raise BadInput(
                f"{file}, line {line}: it has {len(cells)} cells and the header {len(header)}: quote commas."
            )
        code = _code(file, line, dict(zip(header, cells, strict=True)))
        key = (code.item, MATCHES_AS[code.coding_system], code.code)
        if key in seen:
            of_item = "" if code.item is None else f" of {code.item}"
            raise BadInput(
                f"{file}, line {line}: {code.coding_system} {code.code}{of_item} stands on line {seen[key]} already:"
                " leave one."
            )
        seen[key] = line
        yield code
    if not seen:
        raise BadInput(f"{file} holds no code: add one line a code, or remove the list.")


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines with anything on them, cells trimmed."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise BadInput(f"{file}, line {line}: it is not UTF-8 text: save it as UTF-8.") from problem
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise BadInput(f"{file}, line {line}: it is not CSV ({problem}).") from problem
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]


def _check_header(file: Path, line: int, header: list[str]) -> None:
    wanted = f"{','.join(REQUIRED)}[,item][,weight]"
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise BadInput(f"{file}, line {line}: the header has no column {missing[0]}: begin the file with {wanted}.")
    unknown = [column for column in header if column not in REQUIRED + OPTIONAL]
    if unknown:
        raise BadInput(f"{file}, line {line}: the header has a column {unknown[0]!r}, which no list has: use {wanted}.")
    if len(set(header)) < len(header):
        raise BadInput(f"{file}, line {line}: the header names a column twice: use {wanted}.")


def _code(file: Path, line: int, cells: dict[str, str]) -> Code:
    system, code = cells["coding_system"], cells["code"]
    if system not in MATCHES_AS:
        raise BadInput(f"{file}, line {line}: there is no coding system {system!r}: use {', '.join(MATCHES_AS)}.")
    fault = _fault(system, code)
    if fault is not None:
        raise BadInput(f"{file}, line {line}: {code!r} is no {system} code: {fault}.")
    for column in ("term", "item"):
        if cells.get(column) == "":
            raise BadInput(f"{file}, line {line}: the {column} of {system} {code} is empty: fill it.")
    return Code(system, code, cells["term"], cells.get("item"), _weight(file, line, cells.get("weight")), line)


def _weight(file: Path, line: int, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise BadInput(f"{file}, line {line}: the weight {text!r} is no number: write it as 1.5.")
    return weight


def _fault(system: str, code: str) -> str | None:
    """What is wrong with the form of a code, in words."""
    if MATCHES_AS[system] == "snomed":
        return _snomed_fault(code)
    pattern, words = _FORMS[system]
    return None if re.fullmatch(pattern, code) else f"it should be {words}"


def _snomed_fault(code: str) -> str | None:
    from stdnum import verhoeff

    if not re.fullmatch(r"[1-9][0-9]{5,17}", code):
        return "it should be 6 to 18 digits, the first not 0 (a spreadsheet may have rounded it)"
    if not verhoeff.is_valid(code):
        return "its check digit (Verhoeff) is wrong: compare it with its source"
    if code[-3:-1] not in _PARTITIONS:
        return f"its partition {code[-3:-1]} is that of neither a concept (00, 10) nor a description (01, 11)"
    return None


def name_coded_events(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the TEMP VIEW `coded_event`: every coded thing that is known of people, one row per event and code.

    Its columns are patient_id, event_key, record_id, provider, setting, kind, day, end_day, coding_system, code, value,
    is_main, unit. `kind` is condition, spell, attendance (their diagnoses), procedure (of spells), observation or
    medication. `day` may lie after the night, or be null: readers look at days up to their night only. `is_main` tells
    a main diagnosis from others and is null where there are none.
    """
    connection.execute(load_sql("codes_coded_event"))


def name_meanings(
    connection: duckdb.DuckDBPyConnection, configuration: Configuration, names: Iterable[str]
) -> dict[str, CodeList]:
    """Name what the codes of the registry mean by these lists.

    Makes, or adds to, the TEMP TABLE `code_meaning(list, item, weight, coding_system, code)`: every distinct code that
    occurs in the registry's tables with each list and item that it means. Join it to `coded_event`, which is made too,
    on (coding_system, code). ICD-10 codes match by prefix, the longest of a list's item first, whatever their case,
    dots, filler X and dagger or asterisk; Read codes with their first five characters; all others match whole.

    The codes that occur are looked for once a connection.

    Returns:
        The lists by name.

    Raises:
        BadInput: there is no such list, or a line of it cannot be used.
    """
    lists = {name: load(configuration, name) for name in names}
    name_coded_events(connection)
    connection.execute(load_sql("codes_occurring"))
    connection.execute(
        "DELETE FROM code_meaning WHERE list IN (SELECT unnest($lists::VARCHAR[]))", {"lists": list(lists)}
    )
    entries = [(code_list.name, code) for code_list in lists.values() for code in code_list.codes]
    connection.execute(
        load_sql("codes_meaning"),
        {
            "list": [name for name, _ in entries],
            "item": [code.item for _, code in entries],
            "weight": [code.weight for _, code in entries],
            "coding_system": [MATCHES_AS[code.coding_system] for _, code in entries],
            "code": [code.code for _, code in entries],
        },
    )
    return lists
