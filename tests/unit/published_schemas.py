"""The record of the published tables' forms, and what a change of them asks for.

`published_schemas.json` beside this file says what readers were promised. Renew it, once the versions in
`tables.SCHEMA_VERSIONS` and `CHANGELOG.md` say what changed:

    python -m tests.unit.published_schemas
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry_pipeline.config import REPOSITORY
from registry_pipeline.dictionary import code_lists
from registry_pipeline.tables import PUBLISHED, Table

RECORD = Path(__file__).with_suffix(".json")
CHANGELOG = REPOSITORY / "CHANGELOG.md"
RENEW = "python -m tests.unit.published_schemas"

Forms = Mapping[str, Mapping[str, Any]]
"""Family and table (`registry/patient`) to its form."""


def form_of(table: Table) -> dict[str, Any]:
    """What a reader of a table relies on."""
    lists = code_lists.load()
    columns: dict[str, Any] = {}
    for column in table.columns:
        said = {"type": column.type, "nullable": column.is_nullable, "unit": column.unit, "codes": column.codes}
        if column.codes is not None and lists[column.codes].closed:
            said["values"] = [str(code) for code in lists[column.codes].values]
        columns[column.name] = {name: value for name, value in said.items() if value is not None}
    return {"version": table.version, "one_row_per": table.one_row_per, "key": list(table.key), "columns": columns}


def forms() -> dict[str, dict[str, Any]]:
    """The forms of today's published tables."""
    return {
        f"{family}/{table.name}": form_of(table) for family, tables in PUBLISHED.items() for table in tables.values()
    }


def record() -> dict[str, dict[str, Any]]:
    """The forms that were published."""
    content: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class Changes:
    """How a table's form differs from the one on record: what breaks a reader, and what only adds."""

    breaking: tuple[str, ...]
    added: tuple[str, ...]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """Compare two forms of a table."""
    held, holds = before["columns"], now["columns"]
    breaking = [f"the column {name} is gone, or has another name" for name in held if name not in holds]
    added = [f"the column {name} is new" for name in holds if name not in held]
    for name in held.keys() & holds.keys():
        more, less = _column_changes(name, held[name], holds[name])
        added += more
        breaking += less
    if before["key"] != now["key"]:
        breaking.append(f"the key is {', '.join(now['key']) or 'none'}, and was {', '.join(before['key']) or 'none'}")
    if before["one_row_per"] != now["one_row_per"]:
        breaking.append(f"a row is a {now['one_row_per']}, and was a {before['one_row_per']}")
    return Changes(tuple(sorted(breaking)), tuple(sorted(added)))


def _column_changes(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What was added to a column, and what breaks its readers."""
    added, breaking = [], []
    if before["type"] != now["type"]:
        breaking.append(f"{name} is {now['type']}, and was {before['type']}")
    if now["nullable"] and not before["nullable"]:
        breaking.append(f"{name} may be null, and never was")
    if before.get("unit") != now.get("unit"):
        breaking.append(f"{name} is in {now.get('unit') or 'no unit'}, and was in {before.get('unit') or 'none'}")
    if before.get("codes") != now.get("codes"):
        breaking.append(f"{name} is coded in {now.get('codes')}, and was in {before.get('codes')}")
    elif before.get("values") != now.get("values"):
        gone = set(before.get("values", ())) - set(now.get("values", ()))
        if gone or "values" not in before or "values" not in now:
            breaking.append(f"{name} has another list of values ({now.get('codes')})")
        else:
            added.append(f"{name} has new values ({now.get('codes')})")
    return added, breaking


def faults(before: Forms, now: Forms, changelog: str) -> list[str]:
    """What has to be done before the record may be renewed: one sentence each."""
    gone = [
        f"{name} is published no more: write in CHANGELOG.md an entry that names `{name}` and says removed."
        for name in before
        if name not in now and _version(before[name])[0] > 0 and not _is_told(changelog, name, "removed")
    ]
    changed = [_fault(name, before[name], now[name], changelog) for name in before.keys() & now.keys()]
    return sorted([*gone, *(fault for fault in changed if fault is not None)])


def _fault(name: str, before: Mapping[str, Any], now: Mapping[str, Any], changelog: str) -> str | None:
    was, stands = _version(before), _version(now)
    if stands < was:
        return f"{name}: its version went from {before['version']} back to {now['version']}; a version only rises."
    made = changes(before, now)
    if was[0] == 0:  # a draft may change from one day to the next
        return None
    if made.breaking:
        wanted = f"{was[0] + 1}.0"
        if stands[0] <= was[0]:
            return (
                f"{name}: {'; '.join(made.breaking)}. This breaks who reads it: raise its version in"
                f" tables.SCHEMA_VERSIONS from {before['version']} to {wanted}, write in CHANGELOG.md an entry that names"
                f" `{name}` and {wanted}, then renew the record: {RENEW}"
            )
        if not _is_told(changelog, name, now["version"]):
            return (
                f"{name}: {'; '.join(made.breaking)}. Its version is {now['version']}, and CHANGELOG.md has no entry that"
                f" names `{name}` and {now['version']}: write one, then renew the record: {RENEW}"
            )
    elif made.added and stands <= was:
        return (
            f"{name}: {'; '.join(made.added)}. Raise its version in tables.SCHEMA_VERSIONS from {before['version']} to"
            f" {was[0]}.{was[1] + 1}, then renew the record: {RENEW}"
        )
    return None


def _version(form: Mapping[str, Any]) -> tuple[int, int]:
    major, minor = str(form["version"]).split(".")
    return int(major), int(minor)


def _is_told(changelog: str, name: str, word: str) -> bool:
    """Whether one entry of the changelog names a table and a word."""
    entries = re.split(r"^\s*- ", changelog, flags=re.MULTILINE)
    return any(f"`{name}`" in entry and re.search(rf"(?<![\w.]){re.escape(word)}(?!\.?\w)", entry) for entry in entries)


def main() -> int:
    """Renew the record, unless something has to be done first."""
    now = forms()
    if RECORD.is_file():
        found = faults(record(), now, CHANGELOG.read_text(encoding="utf-8"))
        if found:
            sys.stderr.write("\n".join(found) + "\n")
            return 1
    RECORD.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"Wrote {RECORD} with {len(now)} tables.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
