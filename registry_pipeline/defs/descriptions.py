"""What the data dictionary says about a table, as a Dagster asset.

What belongs here: asset specs (description, columns, kinds, groups, owners) from `tables.py` and a provider's file,
and the metadata of what a run made. What does not: which assets there are, and any figure but counts and seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from registry_pipeline.config import Provider
from registry_pipeline.errors import BadInput
from registry_pipeline.tables import Table

SETTINGS = {
    "gp": "GP practice",
    "acute": "acute hospital",
    "community": "community services",
    "mental_health": "mental health",
    "social_care": "adult social care",
}


@dataclass(frozen=True)
class Whose:
    """Whose asset it is, and where it stands.

    Attributes:
        group: the asset group.
        words: the provider, in words; empty for the registry's own.
        owners: e-mail addresses or teams.
        tags: for selecting assets (`tag:setting=gp`).
    """

    group: str
    words: str = ""
    owners: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TEAM = re.compile(r"team:[A-Za-z0-9_-]+")


def plain_name(code: str) -> str:
    """A provider's code as Dagster allows it in the name of a group or a step."""
    return re.sub(r"[^A-Za-z0-9_]", "_", code)


def whose(provider: Provider) -> Whose:
    """A provider's assets: their group, and its owners from its file.

    Raises:
        BadInput: one is neither an e-mail address nor a team, which is all that Dagster takes.
    """
    code = provider.provider
    for owner in provider.owners:
        if not (_EMAIL.fullmatch(owner) or _TEAM.fullmatch(owner)):
            raise BadInput(f"Provider {code}: the owner {owner!r} is neither an e-mail nor team:name.")
    return Whose(
        group=plain_name(code),
        words=f"{provider.name or code} ({SETTINGS[provider.setting]})",
        owners=provider.owners,
        tags={"provider": code, "setting": provider.setting},
    )


def table_spec(
    key: Sequence[str],
    table: Table,
    *,
    owned: Whose,
    deps: Iterable[Sequence[str]],
    kinds: set[str],
    freshness: dg.FreshnessPolicy | None = None,
) -> dg.AssetSpec:
    """A table of the data dictionary as an asset.

    Args:
        key: the asset key, whose last part is the table's name.
        table: what it holds.
        owned: whose it is.
        deps: keys of the assets that it is made from.
        kinds: what it is made with and stored as; shown as icons, at most three.
        freshness: when the asset counts as late.
    """
    columns = [dg.TableColumn(c.name, c.type, description=c.description) for c in table.columns]
    head = f"{owned.words}. " if owned.words else ""
    return dg.AssetSpec(
        dg.AssetKey(list(key)),
        deps=[dg.AssetKey(list(dep)) for dep in deps],
        description=f"{head}One row per {table.one_row_per}. Key: {', '.join(table.key)}.",
        group_name=owned.group,
        kinds=kinds,
        owners=list(owned.owners),
        tags=dict(owned.tags),
        freshness_policy=freshness,
        metadata={"dagster/column_schema": dg.TableSchema(columns=columns)},
    )


def made(key: dg.AssetKey, rows: int, **counts: float | str | Mapping[str, int] | None) -> dg.MaterializeResult[None]:
    """A table that a run made: how many rows, and other counts; those that are empty are left out.

    Args:
        key: the asset.
        rows: rows of the table.
        **counts: figures, names, or counts by name; never a value of a row.
    """
    told = {name.replace("_", " "): dict(c) if isinstance(c, Mapping) else c for name, c in counts.items() if c}
    return dg.MaterializeResult(asset_key=key, metadata={"dagster/row_count": rows, **told})
