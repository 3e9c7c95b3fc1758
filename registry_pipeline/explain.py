"""Answers about what stands: why a person is one person, and how each provider's last nights went.

What belongs here: reading the published registry, the linkage of its night and the outcomes, and putting them into
tables of keys, rules, weights and counts. What does not: any change to them, and any patient's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import consume, outcomes, release
from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.storage import Home, connect, load_sql, read_json, scan
from registry_pipeline.tables import TABLES

if TYPE_CHECKING:
    import duckdb

    from registry_pipeline.link.identity import Resolution

STATUS_NIGHTS = 7
"""Nights that `registry status` shows: a week."""

MOST_NEIGHBOURS = 12
"""Pairs with other people's records that are shown: the strongest say what nearly happened."""

FROM_SNAPSHOT = (
    "patient", "patient_record", "identity_event", "former_record", "moved_record", "needs_attention", "override_pair",
)  # fmt: skip
LevelNames = Mapping[str, list[str]]
"""Comparison to its levels, the closest agreement first."""

FROM_LINKAGE = ("linked_pair", "person_cluster")


@dataclass
class Explained:
    """A headline, and sections of (title, column names, rows)."""

    headline: str
    sections: list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]] = field(default_factory=list)

    def add(self, title: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """One more section; an empty cell is told as an empty text."""
        self.sections.append((title, columns, [tuple("" if c is None else str(c) for c in row) for row in rows]))


def explain_patient(configuration: Configuration, asked: str) -> Explained:
    """Why a person is one person: records, links field by field, who was nearest, what people decided, the id's past.

    Keys, rules, weights, and what people said of overrides; no patient's value.

    Args:
        configuration: the deployment.
        asked: an id that is or was in the registry (a joined one leads to the one that lives on), or a record key.

    Raises:
        BadInput: neither an id nor a record key, or never one of this registry.
        RunFailed: nothing has been published yet, or the linkage of its night is gone.
    """
    home = Home(configuration.home)
    snapshot = _current(home)
    manifest = read_json(snapshot / "manifest.json")
    night = date.fromisoformat(manifest["night"])
    with closing(connect(home, memory_limit=configuration.deployment.memory_limit, macros=False)) as connection:
        _name_tables(connection, home, snapshot, night)
        person, headline = _whose(configuration, connection, asked.strip())
        explained = Explained(
            f"{headline}: snapshot {manifest['snapshot_id']}, model {manifest['model_version']},"
            f" code {manifest['code']['version']} {manifest['code']['commit'] or ''}".rstrip()
        )
        records = _rows(connection, "explain_records", person)
        explained.add("Records", ("record", "setting", "extract of", "held by", "probability", "note"), records)
        _add_links(connection, person, _level_names(configuration, manifest["model_version"]), explained)
        _add_overrides(configuration, {row[0] for row in records}, person, night, explained)
        _add_attention(connection, person, explained)
        for title, name, columns in _QUESTIONS:
            explained.add(title, columns, _rows(connection, name, person))
    return explained


_QUESTIONS = (
    ("Values", "explain_values", ("field", "from record", "rule")),
    ("History of the id", "explain_history", ("night", "event", "other id", "why")),
    ("Moves from id to id", "explain_moves", ("night", "record", "from", "to")),
)
_PAIR = ("decided by", "outcome", "by themselves", "weight", "field by field")


def _name_tables(connection: duckdb.DuckDBPyConnection, home: Home, snapshot: Path, night: date) -> None:
    """Views of the snapshot and of its night's linkage; what an older one has not is empty."""
    import pyarrow.parquet as pq

    files = {table: snapshot / f"{table}.parquet" for table in FROM_SNAPSHOT}
    for table in FROM_LINKAGE:
        files[table] = home.linked(table, night)
        if not files[table].is_file():
            raise RunFailed(
                f"{files[table]} is gone, which tells why records were linked: run the night {night} again."
            )
    for table, file in files.items():
        there = set(pq.read_schema(file).names) if file.is_file() else set()
        missing = [f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns if c.name not in there]
        source = f" FROM {scan(file)}" if there else " LIMIT 0"
        columns = ", ".join(["*"] * bool(there) + missing)
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {columns}{source}")


def _rows(connection: duckdb.DuckDBPyConnection, name: str, person: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return connection.execute(load_sql(name), {"patient_id": person, **parameters}).fetchall()


def _whose(configuration: Configuration, connection: duckdb.DuckDBPyConnection, asked: str) -> tuple[str, str]:
    """The patient_id that is to be explained, and how it follows from what was asked."""
    from registry_pipeline.link import identity

    if ":" in asked:
        if asked.partition(":")[0] not in configuration.providers:
            # Not quoted: who mistypes may have written a name or a number.
            raise BadInput("That is neither a patient_id nor a record key (PROVIDER:local_id) of a provider here.")
        found = connection.execute(load_sql("explain_person"), {"record_id": asked}).fetchall()
        if not found:
            raise BadInput(f"This registry never held a record {asked}: check the provider's code and the local id.")
        person, is_there = found[0]
        living = identity.resolve(connection, person)
        return living, f"{asked} is a record of {living}" if is_there else f"{asked} left; it was a record of {living}"
    resolved = identity.resolution(connection, asked)
    headline = resolved.patient_id
    if resolved.patient_id != resolved.asked:
        headline = f"{resolved.asked} was joined into {resolved.patient_id}"
    return resolved.patient_id, headline + _ended(configuration, resolved)


def _ended(configuration: Configuration, resolved: Resolution) -> str:
    """Why nothing is left under an id, where nothing is."""
    from registry_pipeline.govern import forgotten

    gone = forgotten.load(Home(configuration.home)).of_patient_id(resolved.asked)
    if gone is not None:
        return f", whose person was forgotten on {gone.forgotten_on} (number {gone.number}): nothing is kept"
    return ", which is retired: no record is left" if resolved.is_retired else ""


def _level_names(configuration: Configuration, version: str) -> LevelNames:
    """Each comparison's levels as the model that scored knows them, the closest agreement first."""
    file = configuration.models / f"{version}.json"
    saved = read_json(file)["comparisons"] if file.is_file() else {}
    return {name: list(levels) for name, levels in saved.items()}


def _add_links(connection: duckdb.DuckDBPyConnection, person: str, names: LevelNames, explained: Explained) -> None:
    """The links that hold the person together, and the nearest ones that did not hold."""
    # Made once: at a million people each look through the night's pairs takes a second.
    connection.execute(f"CREATE TEMP TABLE known_pair AS {load_sql('explain_pairs')}", {"patient_id": person})
    withheld = {row[0] for row in connection.execute(_SENSITIVE_RECORDS).fetchall()}
    links = _rows(connection, "explain_links", person)
    told = [(*row[:5], *_told(names, withheld, row[:2], *row[5:])) for row in links]
    explained.add("Links between them", ("record", "record", *_PAIR), told)
    near = _rows(connection, "explain_neighbours", person, most=MOST_NEIGHBOURS)
    told = [(*row[:6], *_told(names, withheld, row[:2], *row[6:9])) for row in near]
    of = f", {len(near)} of {near[0][-1]:,}" if near and near[0][-1] > len(near) else ""
    explained.add(f"Nearest records of others{of}", ("record", "other record", "of", *_PAIR), told)


def _add_attention(connection: duckdb.DuckDBPyConnection, person: str, explained: Explained) -> None:
    """What waits for somebody's decision, each reason with what it means."""
    from registry_pipeline.link.cluster import REASONS

    rows = [(*row, REASONS.get(row[0], "")) for row in _rows(connection, "explain_attention", person)]
    explained.add("Waiting for a decision", ("reason", "records", "decided by", "weight", "since", "why"), rows)


_SENSITIVE_RECORDS = """
    SELECT record_id FROM patient_record
    SEMI JOIN (SELECT patient_id FROM patient WHERE is_sensitive) AS flagged USING (patient_id)
"""


def _told(
    names: LevelNames,
    withheld: AbstractSet[str],
    pair: Sequence[str],
    weight: float | None,
    levels: Mapping[str, int | None] | None,
    weights: Mapping[str, float | None] | None,
) -> tuple[str, str]:
    """As `_weighed`; that somebody flagged sensitive shares another's home or telephone says where they live."""
    told = _weighed(names, weight, levels, weights)
    if told[0] and not withheld.isdisjoint(pair):
        return "", "withheld: somebody is flagged sensitive"
    return told


def _weighed(
    names: LevelNames,
    weight: float | None,
    levels: Mapping[str, int | None] | None,
    weights: Mapping[str, float | None] | None,
) -> tuple[str, str]:
    """A pair's weight, and what each comparison that had both sides gave to it; with the prior they add up."""
    if weight is None or levels is None or weights is None:
        return "", ""
    compared = {name: gamma for name, gamma in levels.items() if gamma is not None and gamma >= 0}
    told = [
        f"{name} {_level(names.get(name, []), gamma)} {weights.get(name) or 0.0:+.1f}"
        for name, gamma in compared.items()
    ]
    prior = weight - sum(given for given in weights.values() if given is not None)
    return f"{weight:.2f}", ", ".join([*told, f"prior {prior:+.1f}"])


def _level(names: list[str], gamma: int) -> str:
    """A level's name; its number, of which 0 is no agreement, where the model has gone."""
    return names[-1 - gamma] if gamma < len(names) else f"level {gamma}"


def _add_overrides(
    configuration: Configuration, records: set[str], person: str, night: date, explained: Explained
) -> None:
    """What people decided about these records: in force on the night or not, and who said so, when and why."""
    from registry_pipeline.link import overrides

    rows = [
        (each.override_id, each.kind, each.left, each.right, overrides.signed(each), overrides.state(each, night))
        for each in overrides.all_overrides(configuration)
        if person in (each.left, each.right) or not records.isdisjoint({*each.left_records, *each.right_records})
    ]
    explained.add("Overrides", ("number", "kind", "left", "right", "made by", "state"), rows)


def deployment_status(configuration: Configuration) -> Explained:
    """The current snapshot, and each feed's outcome on the last nights."""
    home = Home(configuration.home)
    if home.current.exists():
        manifest = read_json(home.current / "manifest.json")
        headline = f"Registry {manifest['snapshot_id']} is current: {manifest['rows']['patient']:,} people."
    else:
        headline = f"No registry is shown to anybody under {home.root} yet."
    nights = home.nights()[-STATUS_NIGHTS:]
    rows: list[tuple[str, ...]] = []
    for code, provider in configuration.providers.items():
        for feed in provider.feeds:
            found = [outcomes.find(home, code, feed, night) for night in nights]
            rows.append((f"{code} {feed}", *("" if o is None else o.status for o in found)))
    problems: list[tuple[str, ...]] = [
        (f"{o.night}", o.problem)
        for code, provider in configuration.providers.items()
        for feed in provider.feeds
        if nights and (o := outcomes.find(home, code, feed, nights[-1])) is not None and o.problem
    ]
    explained = Explained(headline, [("Feeds", ("feed", *(f"{n}" for n in nights)), rows)])
    explained.add("What readers see", ("purpose", "snapshot", "note"), release.seen_by_purpose(configuration))
    explained.add("What is made of it", ("table", "purposes", "snapshot"), consume.seen(configuration))
    explained.add(
        "Agreements", ("provider", "agreement", "until", "purposes", "state"), _agreements(configuration, nights)
    )
    if problems:
        explained.sections.append(("What was wrong on the last night", ("night", "why"), problems))
    return explained


def _agreements(configuration: Configuration, nights: list[date]) -> list[tuple[Any, ...]]:
    """What each provider's agreement says of the last night, or of today where there is none yet."""
    from registry_pipeline.govern import agreements, opt_out

    night = nights[-1] if nights else opt_out.today_of(configuration)
    rows: list[tuple[Any, ...]] = []
    for code, provider in configuration.providers.items():
        last = provider.last_agreement(night)
        said = (last.reference, last.ends or "no end", ", ".join(last.purposes)) if last else ("", "", "")
        rows.append((code, *said, agreements.state(configuration, provider, night)))
    return rows


def _current(home: Home) -> Path:
    if not home.current.exists():
        raise RunFailed(f"Nothing is published under {home.root} yet: run a night first (registry run).")
    return home.current.resolve()
