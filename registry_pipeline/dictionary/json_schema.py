"""The form of one row of each published table as JSON Schema (draft 2020-12).

What belongs here: types, formats, enumerations and the annotations that JSON Schema has no word for. What does not:
what a column is (`tables`), and its code list (`code_lists`).

A schema describes a row as a reader has it in JSON: dates as `2026-04-01`, timestamps without zone as
`2026-04-01T10:15:00` (the provider's local time), a patient_id as text, a map as an object. Every column is always
there, so every one is `required`; one that may be empty may be null. Annotations that JSON Schema does not know start
with `x-`, and a validator passes them by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from registry_pipeline.dictionary.code_lists import CodeList, load
from registry_pipeline.tables import Column, Table

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_INTEGERS = {"TINYINT": 8, "INTEGER": 32, "BIGINT": 64}
_PLAIN: Mapping[str, Mapping[str, Any]] = {
    "VARCHAR": {"type": "string"},
    "UUID": {"type": "string", "format": "uuid"},
    "BOOLEAN": {"type": "boolean"},
    "DOUBLE": {"type": "number"},
    "DATE": {"type": "string", "format": "date"},
    "TIMESTAMP": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?$"},
    **{
        name: {"type": "integer", "minimum": -(2 ** (n - 1)), "maximum": 2 ** (n - 1) - 1}
        for name, n in _INTEGERS.items()
    },
}
"""Types that have no parts. JSON Schema's own date-time needs a zone, which no provider's times have."""


def schema_of(
    family: str, table: Table, purposes: Sequence[str], made_from: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The schema of one row of a table.

    Args:
        family: registry, output or consumer.
        table: one of `tables.PUBLISHED`.
        purposes: that may see it.
        made_from: by column, the clinical code lists that it is made from.
    """
    return {
        "$schema": DRAFT,
        "$id": f"urn:registry-pipeline:{family}:{table.name}:{table.version}",
        "title": table.name,
        "description": f"One row per {table.one_row_per}.",
        "type": "object",
        "properties": {
            column.name: property_of(column, (made_from or {}).get(column.name, ())) for column in table.columns
        },
        "required": list(table.column_names),
        "additionalProperties": False,
        "x-family": family,
        "x-one-row-per": table.one_row_per,
        "x-key": list(table.key),
        "x-schema-version": table.version,
        "x-purposes": list(purposes),
    }


def property_of(column: Column, made_from: Sequence[str] = ()) -> dict[str, Any]:
    """The schema of one column's values."""
    made = _with_codes(_of_type(column.type), column)
    if column.is_nullable:
        _allow_null(made)
    return {"description": column.description, **made, **_annotations(column, made_from)}


def _annotations(column: Column, made_from: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"x-type": column.type}
    if column.unit is not None:
        said["x-unit"] = column.unit
    if column.codes is not None:
        listed = load()[column.codes]
        said |= {"x-code-list": listed.name, "x-code-list-source": listed.source, "x-code-list-closed": listed.closed}
        if listed.values:
            said["x-codes"] = {str(code): meaning for code, meaning in listed.values.items()}
    if made_from:
        said["x-clinical-code-lists"] = list(made_from)
    return said


def _of_type(kind: str) -> dict[str, Any]:
    """The schema of a DuckDB type.

    Raises:
        ValueError: a type that no published table has.
    """
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind.endswith("[]"):
        return {"type": "array", "items": _of_type(kind.removesuffix("[]"))}
    if mapped := re.fullmatch(r"MAP\(VARCHAR,\s*(.+)\)", kind):
        return {"type": "object", "additionalProperties": _of_type(mapped[1])}
    if parts := re.fullmatch(r"STRUCT\(([^()]+)\)", kind):
        fields = dict(part.split(maxsplit=1) for part in parts[1].split(","))
        properties = {name: _of_type(each) for name, each in fields.items()}
        return {"type": "object", "properties": properties, "required": list(fields)}
    raise ValueError(f"no reader knows the type {kind}")


def _with_codes(made: dict[str, Any], column: Column) -> dict[str, Any]:
    """A closed list's values as an enumeration: of the column, or of an array's elements."""
    listed: CodeList | None = load()[column.codes] if column.codes is not None else None
    if listed is None or not listed.closed:
        return made
    values = {"enum": list(listed.values)}
    return {**made, "items": made["items"] | values} if made["type"] == "array" else made | values


def _allow_null(made: dict[str, Any]) -> None:
    made["type"] = [made["type"], "null"]
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
