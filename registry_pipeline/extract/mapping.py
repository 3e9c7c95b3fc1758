"""From a provider's columns to the canonical ones: which are there, which are not, and the SQL that maps them.

What belongs here: `columns`, `only` and `distinct` of a provider's feed, and faults about columns. What does not:
`format` and `values` (standardise applies them), and how a file is read.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence

from registry_pipeline.config import Column, Feed, Provider
from registry_pipeline.errors import BadInput, FeedFault
from registry_pipeline.extract.parts import Part, Place, quoted
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.tables import DELIVERY_COLUMNS, FEEDS

_SHOWN = 8
"""Names in a message or check; the rest is counted."""


COLUMNS_AS_AGREED = CheckOutcome(
    name="columns_as_agreed",
    passed=True,
    severity="warning",
    reason="A column that nobody agreed on may hold what should not be delivered, or be a renamed one.",
)


def check_columns(provider: Provider, feed: str) -> None:
    """Whether a provider's `columns` name canonical columns only, and every required one.

    Raises:
        BadInput: a name that the feed does not have, with the nearest that it has; or a required one left out.
    """
    shape = FEEDS[feed]
    columns = provider.feeds[feed].columns  # type: ignore[index]  # feed names are checked on load
    where = f"providers/{provider.provider}.yaml, feeds.{feed}.columns"
    for name in columns:
        if name not in shape.column_names:
            near = difflib.get_close_matches(name, shape.column_names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(shape.column_names)}."
            raise BadInput(f"{where}: the feed {feed} has no column {name!r}; {hint}")
    left_out = [name for name in shape.required if columns and name not in columns]
    if left_out:
        raise BadInput(f"{where}: {left_out[0]!r} is not mapped, and no row of {feed} means anything without it.")


def agreed_columns(place: Place, feed: Feed) -> dict[str, Column]:
    """Canonical column to where it comes from; without a mapping, every canonical column under its own name."""
    if feed.columns:
        return dict(feed.columns)
    return {name: Column.model_validate({"from": name}) for name in FEEDS[place.feed].column_names}


def check_delivered(place: Place, provider: Provider, parts: Sequence[Part]) -> CheckOutcome:
    """Whether every part has the agreed columns; extra ones are a warning.

    A column that another feed takes from the same source is agreed on too: one file may hold several feeds.

    Raises:
        FeedFault: an agreed column is missing, renamed or there twice.
    """
    feed = provider.feeds[place.feed]  # type: ignore[index]  # feed names are checked on load
    wanted = _wanted(place, feed)
    agreed = set(_readable_names(place, feed))
    for name, other in provider.feeds.items():
        if other.source == feed.source:
            agreed.update(_readable_names(Place(place.provider, name), other))
    extra: Counter[str] = Counter()
    for part in parts:
        names = Counter(part.columns)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise _missing(place, part, wanted, missing)
        twice = next((name for name in _readable_names(place, feed) if names[name] > 1), None)
        if twice is not None:
            what = f"two columns are named {twice}, so it cannot be known which is meant: ask for one to be renamed"
            raise place.fault("columns", what, file=part.file, line=1)
        if feed.source.kind != "fhir_ndjson":  # what is flattened is our own choice, so nothing of it is extra
            extra.update(set(names) - agreed)
    observed = f"{len(extra)} extra: {_listed(sorted(extra))}" if extra else "as agreed"
    return COLUMNS_AS_AGREED.model_copy(update={"passed": not extra, "observed": observed})


def _wanted(place: Place, feed: Feed) -> list[str]:
    """The provider's columns that have to be there."""
    if not feed.columns:
        return [*FEEDS[place.feed].required, *feed.only]
    mapped = [name for column in feed.columns.values() for name in column.source]
    return list(dict.fromkeys([*mapped, *feed.only]))


def _readable_names(place: Place, feed: Feed) -> list[str]:
    """The provider's columns that are used where they are there."""
    return list(dict.fromkeys([*_wanted(place, feed), *([] if feed.columns else FEEDS[place.feed].column_names)]))


def _missing(place: Place, part: Part, wanted: Sequence[str], missing: Sequence[str]) -> FeedFault:
    """The fault names what the file has only if that is a header line: without one it would be a patient's values."""
    if len(missing) == len(wanted):
        alone = " (it holds one column only: see `delimiter`)" if len(part.columns) == 1 else ""
        what = (
            f"none of the {len(wanted)} agreed columns ({_listed(wanted)}) is in the first line{alone}:"
            " ask for the file with its header line, or correct `columns`"
        )
        return place.fault("columns", what, file=part.file, line=1)
    unused = [name for name in part.columns if name not in wanted]
    by_folded = {name.casefold(): name for name in unused}
    near = difflib.get_close_matches(missing[0].casefold(), by_folded, n=1, cutoff=0.4)
    hint = f" (the nearest that is there is {by_folded[near[0]]}: renamed?)" if near else ""
    others = f", and {len(missing) - 1} more ({_listed(missing[1:])})" if len(missing) > 1 else ""
    what = (
        f"the agreed column {missing[0]} is missing{hint}{others}:"
        " ask for it to be delivered as before, or correct `columns`"
    )
    return place.fault("columns", what, file=part.file, line=1)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name or "(no name)" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def raw_query(
    place: Place,
    feed: Feed,
    parts: Sequence[Part],
    delivery: str,
    *,
    without_left_out: bool = False,
    blanked: Sequence[str] = (),
) -> tuple[str, dict[str, str]]:
    """SQL of `raw_<feed>` over all parts, and its parameters.

    Rows are numbered through the whole delivery before `only` leaves out those of other feeds, so that a number
    points at one row of the delivered files.

    Args:
        place: whose feed.
        feed: its description.
        parts: what was delivered.
        delivery: its name in the landing.
        without_left_out: whether the rows of the table `left_out_row` are to be left out (`left_out`).
        blanked: canonical columns some of whose cells the table `blank_cell` names; those become null.
    """
    parameters = {"delivery": delivery}
    selects = []
    before = 0
    for index, part in enumerate(parts):
        parameters[f"file_{index}"] = part.file
        relation = _without_left_out(part, index) if without_left_out else part.relation
        selects.append(_part_query(place, feed, part, index, before, parameters, relation, blanked))
        before += part.last_row
    query = "\nUNION ALL\n".join(selects)
    if feed.distinct:
        query = _distinct(place, query)
    return query, parameters


def delivered_query(place: Place, feed: Feed, parts: Sequence[Part]) -> tuple[str, dict[str, str]]:
    """SQL of every row of the delivered files under canonical columns, with its part, and its parameters.

    Rows of other feeds that the same files hold are among them; `is_of_feed` says which are this feed's.
    """
    parameters: dict[str, str] = {}
    selects = []
    for index, part in enumerate(parts):
        cells = ", ".join(_cells(place, feed, part, parameters))
        conditions = [_only(key, part, number, feed.only, parameters) for number, key in enumerate(feed.only)]
        is_of_feed = " AND ".join(conditions) or "true"
        selects.append(
            f"SELECT {index} AS part, part_row, coalesce({is_of_feed}, false) AS is_of_feed, {cells}"  # noqa: S608  # names from tables.py
            f" FROM ({part.relation})"
        )
    return "\nUNION ALL\n".join(selects), parameters


def _without_left_out(part: Part, index: int) -> str:
    return f"SELECT * FROM ({part.relation}) WHERE part_row NOT IN (SELECT part_row FROM left_out_row WHERE part = {index})"  # noqa: S608, E501  # our own tables


def _cells(place: Place, feed: Feed, part: Part, parameters: dict[str, str]) -> list[str]:
    agreed = agreed_columns(place, feed)
    return [
        f"{_cell(agreed[name], part, name, parameters) if name in agreed else 'NULL::VARCHAR'} AS {name}"
        for name in FEEDS[place.feed].column_names
    ]


def _blanked(cell: str, index: int) -> str:
    """The cell, or null where `blank_cell` names it."""
    expression, _, name = cell.rpartition(" AS ")
    rows = f"SELECT part_row FROM blank_cell WHERE part = {index} AND column_name = '{name}'"  # noqa: S608  # a name from tables.py
    return f"CASE WHEN part_row NOT IN ({rows}) THEN {expression} END AS {name}"


def _part_query(
    place: Place,
    feed: Feed,
    part: Part,
    index: int,
    before: int,
    parameters: dict[str, str],
    relation: str,
    blanked: Sequence[str],
) -> str:
    cells = [
        _blanked(cell, index) if cell.rpartition(" AS ")[2] in blanked else cell
        for cell in _cells(place, feed, part, parameters)
    ]
    conditions = [_only(key, part, number, feed.only, parameters) for number, key in enumerate(feed.only)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT part_row + {before} AS source_row, $file_{index} AS source_file, part_line AS source_line,"  # noqa: S608  # names from tables.py
        f" $delivery AS delivery, {', '.join(cells)} FROM ({relation}){where}"
    )


def _cell(column: Column, part: Part, name: str, parameters: dict[str, str]) -> str:
    """One canonical column; several sources are joined where they are filled."""
    positions = [part.columns.index(source) for source in column.source if source in part.columns]
    if not positions:
        return "NULL::VARCHAR"
    if len(column.source) == 1:
        return f"c{positions[0]}"
    parameters[f"separator_{name}"] = column.separator
    return f"nullif(concat_ws($separator_{name}, {', '.join(f'c{p}' for p in positions)}), '')"


def _only(column: str, part: Part, number: int, only: Mapping[str, Sequence[str]], parameters: dict[str, str]) -> str:
    names = [f"only_{number}_{value_number}" for value_number in range(len(only[column]))]
    parameters.update(zip(names, only[column], strict=True))
    return f"c{part.columns.index(column)} IN ({', '.join(f'${name}' for name in names)})"


def _distinct(place: Place, query: str) -> str:
    """Rows alike in every canonical column are one: the first of them."""
    names = ", ".join(FEEDS[place.feed].column_names)
    origin = ", ".join(f"arg_min({c.name}, source_row) AS {c.name}" for c in DELIVERY_COLUMNS[1:])
    return (
        f"SELECT min(source_row) AS source_row, {origin}, {names} FROM (\n{query}\n) GROUP BY {names}"  # noqa: S608  # names from tables.py
        " ORDER BY source_row"
    )


def unreadable_query(parts: Sequence[Part], delivery: str) -> tuple[str, dict[str, str]]:
    """SQL of the rows set aside over all parts, and its parameters."""
    parameters = {"delivery": delivery}
    selects = []
    before = 0
    for index, part in enumerate(parts):
        if part.unreadable is not None:
            parameters[f"file_{index}"] = part.file
            selects.append(
                f"SELECT part_row + {before} AS source_row, $file_{index} AS source_file, part_line AS source_line,"  # noqa: S608
                f" $delivery AS delivery, reason FROM read_parquet({quoted(part.unreadable)})"
            )
        before += part.last_row
    return "\nUNION ALL\n".join(selects), parameters
