"""Ids that last: which `patient_id` each cluster of person records goes by, and what happened to ids.

What belongs here: carrying ids over from the prior snapshot, giving new ones, the events of a night, and finding what
an id went by on any night. What does not: deciding which records are one person (`cluster`), which ids come back when a
join is undone (`undo`), and publishing (`registry`).

The laws, which `tests/registry/test_identity_laws.py` holds over many nights:

* a cluster keeps the id of its records, and a night that changes nothing changes no id and adds no event;
* an id goes where the larger part of its records goes. The larger part, by evidence: more records that were there last
  night, then more records, then more with a verified NHS number; among equals a part in which the id can live on, then
  the higher sum of link probabilities, then the oldest record key (no table says since when a record is known);
* of several ids that so come to one cluster, the older lives on (earliest `created` event) and the others resolve to
  it: what an id resolves to on the night is always the cluster that holds the larger part of its records;
* the other parts get new ids, with a `split` event that says where they came from;
* an id without records is retired, and lives again when a record of it returns;
* an id that was joined lives again only if an override parts what it was joined with, or no longer holds it together;
* an id is a random UUID, never derived from a value, and never given to somebody else.

`identity_event` tells one story a night. A night that runs again tells what came of the night in the end.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.link.undo import Join, Member, give_back
from registry_pipeline.outcomes import Share
from registry_pipeline.storage import (
    Home,
    connect,
    load_sql,
    published_snapshots,
    scan,
    snapshot_night,
    write_table,
)
from registry_pipeline.tables import TABLES

if TYPE_CHECKING:
    import duckdb

EVENT_TYPES = ("created", "joined", "split", "retired", "resurrected", "overridden")
"""What can happen to an id on a night."""

CAUSES = ("override_undone", "join_undone", "override_rests")
"""Why an id comes back that was joined: a must-link ended, a cannot-link parts, or a record of a must-link that is in
force is not there. Where several hold, the first is told."""

MOST_JOINS_IN_A_CHAIN = 10_000
"""Joins that are followed from one id: one a night for 27 years. A longer chain is a fault, not a history."""

LAST_DAY = date(9999, 12, 31)
"""Resolving as of no night in particular takes the whole history."""


@dataclass(frozen=True)
class Resolution:
    """What an id went by on a night.

    Attributes:
        asked: the id that was asked for.
        patient_id: the id that it went by; itself where it was not joined into another.
        is_retired: whether that id had no records then. A record that returns gives it life again.
        since: night from which on this answer held; None where the id is as it was created.
    """

    asked: str
    patient_id: str
    is_retired: bool
    since: date | None


@dataclass(frozen=True)
class Part:
    """One of the clusters that an id could go to, and how it stands there; `created` is None for an unknown age."""

    claimed_id: str
    cluster_id: str
    live_count: int
    record_count: int
    first_record: str
    probability: float
    created: date | None
    was_joined: bool

    @property
    def standing(self) -> tuple[bool, date, bool, int, int, str]:
        """Of several ids in one cluster the smallest lives on; `sql/identity_survivor.sql` orders the same way."""
        age = self.created or LAST_DAY
        return (not self.live_count, age, self.was_joined, -self.live_count, -self.record_count, self.first_record)


def assign_identities(
    configuration: Configuration,
    night: date,
    shares: Sequence[Share],
    *,
    prior: Path | None,
    run_id: str,
    folder: Path | None = None,
) -> dict[str, int]:
    """Give every cluster of the night its `patient_id`; write the tables that tell of ids.

    Written are `patient_record`, `identity_event`, `former_record` and `moved_record`, the last three whole: what the
    prior knows, and tonight.

    A back-fill knows more than its prior: a record that the prior does not hold, but a later published snapshot does,
    goes by its id there, so that one record does not get two ids. A prior that is itself later than the night serves
    that way only, and the history of ids then begins with the night.

    Args:
        configuration: the deployment.
        night: the registry's night; `person_cluster` must be linked for it.
        shares: what each provider gives to it.
        prior: snapshot folder whose ids are carried on (`registry.prior_snapshot`); None on a first night.
        run_id: the run that does it.
        folder: where the night's linkage lies and the tables go; None is its own, another one is a trial's.

    Returns:
        Tonight's events by type, zeros included.

    Raises:
        RunFailed: the disk is full.
    """
    home = Home(configuration.home)
    deployment = configuration.deployment
    with closing(
        connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
    ) as connection:
        linkage = folder or home.linked("person_cluster", night).parent
        _name_inputs(connection, home, linkage, night, shares, prior)
        _make(connection, "identity_claim")
        _give_back(connection)
        _make(connection, "identity_part", "identity_evidence", "identity_age")
        _settle(connection)
        _make(connection, "identity_holder", "identity_survivor", "identity_cluster")
        _make(connection, "identity_happened", "identity_overridden")
        _make(connection, "identity_tonight", night=night, run_id=run_id)
        _make(connection, "identity_former")
        for table, query, parameters in (
            ("patient_record", "patient_record", {}),
            ("identity_event", "identity_event", {"night": night}),
            ("former_record", "SELECT * FROM identity_former", {}),
            ("moved_record", "identity_moved", {"night": night}),
        ):
            sql = query if " " in query else load_sql(query)
            write_table(connection, sql, TABLES[table], linkage / f"{table}.parquet", parameters)
        counted = connection.execute("SELECT event_type, count(*) FROM identity_tonight GROUP BY event_type").fetchall()
    return {**dict.fromkeys(EVENT_TYPES, 0), **dict(counted)}


def _make(connection: duckdb.DuckDBPyConnection, *steps: str, **parameters: Any) -> None:
    """Make a table of each step's name from what its SQL file selects."""
    for step in steps:
        connection.execute(f"CREATE TEMP TABLE {step} AS {load_sql(step)}", parameters)


def _give_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Let records whose join an override undoes claim the ids that they had; see `undo`."""
    connection.execute(
        "CREATE TEMP TABLE identity_undone (record_id VARCHAR, claimed_id UUID, from_id UUID, cause VARCHAR);"
        "CREATE TEMP TABLE identity_former_again (record_id VARCHAR, patient_id UUID);"
        "CREATE TEMP TABLE identity_kept (claimed_id UUID, cluster_id VARCHAR);"
        "CREATE TEMP TABLE identity_astray (patient_id UUID, cluster_id VARCHAR)"
    )
    _make(connection, "identity_undone_pair")
    pairs = connection.execute("SELECT patient_id::VARCHAR, part_l, part_r, cause FROM identity_undone_pair").fetchall()
    if not pairs:
        return
    parts: dict[str, set[str]] = defaultdict(set)
    causes: dict[str, str] = {}
    for patient_id, left, right, cause in pairs:
        for part in {left, right} - {None}:
            parts[patient_id].add(part)
            causes[part] = min(cause, causes.get(part, cause), key=CAUSES.index)
    _make(connection, "identity_undone_member")
    members = [Member(*row) for row in connection.execute("FROM identity_undone_member").fetchall()]
    joins = [Join(*row) for row in connection.execute(load_sql("identity_undone_joined")).fetchall()]
    moves = connection.execute(load_sql("identity_undone_move")).fetchall()
    given = give_back(members, joins, moves, parts)
    of_record = {member.record_id: member for member in members}
    _fill(
        connection,
        "identity_undone",
        [
            (r, claim, of_record[r].patient_id, causes.get(of_record[r].part, CAUSES[0]))
            for r, claim in given.claims.items()
        ],
    )
    _fill(connection, "identity_former_again", list(given.former.items()))
    _fill(connection, "identity_kept", list(given.kept.items()))
    _fill(connection, "identity_astray", list(given.astray.items()))
    connection.execute(
        "UPDATE identity_claim SET claimed_id = identity_undone.claimed_id FROM identity_undone"
        " WHERE identity_undone.record_id = identity_claim.record_id"
    )


def _settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `identity_settled`: for ids that could equally go to several clusters, where each can live on.

    Two people who swap half of their records are the case: each keeps its id. The oldest chooses first.
    """
    connection.execute("CREATE TEMP TABLE identity_settled (claimed_id UUID, cluster_id VARCHAR, is_settled BOOLEAN)")
    _make(connection, "identity_tied")
    tied = [Part(*row) for row in connection.execute("FROM identity_tied").fetchall()]
    if tied:
        placed = [Part(*row) for row in connection.execute(load_sql("identity_placed")).fetchall()]
        chosen = choose_among_equals(tied, placed)
        _fill(connection, "identity_settled", [(i, cluster, True) for i, cluster in chosen.items()])


def choose_among_equals(tied: Iterable[Part], placed: Iterable[Part]) -> dict[str, str]:
    """A cluster for each id that could go to several of them: one where no id that stands before it lives already.

    Args:
        tied: the clusters that each id could go to.
        placed: ids whose place is clear, in these clusters.
    """
    there: dict[str, list[Part]] = defaultdict(list)
    for part in placed:
        there[part.cluster_id].append(part)
    options: dict[str, list[Part]] = defaultdict(list)
    for part in tied:
        options[part.claimed_id].append(part)
    chosen = {}
    for parts in sorted(options.values(), key=lambda parts: min(part.standing for part in parts)):
        best = min(
            parts,
            key=lambda part: (
                any(other.standing < part.standing for other in there[part.cluster_id]),
                -part.probability,
                part.first_record,
            ),
        )
        chosen[best.claimed_id] = best.cluster_id
        there[best.cluster_id].append(best)
    return chosen


def _fill(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Put a few rows of ids and keys into a table of ours."""
    if not rows:
        return
    import pyarrow as pa

    columns = [list(column) for column in zip(*rows, strict=True)]
    connection.register("filling", pa.table({f"column_{n}": column for n, column in enumerate(columns)}))
    connection.execute(f"INSERT INTO {table} SELECT * FROM filling")  # noqa: S608  # names from this module
    connection.unregister("filling")


def _name_inputs(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    linkage: Path,
    night: date,
    shares: Sequence[Share],
    prior: Path | None,
) -> None:
    """The views and tables that the SQL reads: tonight's records and clusters, and what earlier snapshots know."""
    patients = [share for share in shares if share.feed == "patient"]
    records = [home.staged("person_record", share.provider.provider, share.night) for share in patients]
    earlier = prior if prior is not None and snapshot_night(prior) <= night else None
    later = next((path for path in published_snapshots(home) if snapshot_night(path) > night), None)
    if earlier is None and prior is not None:
        later = prior
    sources = {
        "person_record": scan(records) if records else _none("person_record"),
        "person_cluster": scan(linkage / "person_cluster.parquet"),
        "prior_record": _table_of(earlier, "patient_record"),
        "prior_event": _table_of(earlier, "identity_event"),
        "prior_former": _table_of(earlier, "former_record"),
        "prior_moved": _table_of(earlier, "moved_record"),
        "override_now": _or_none(linkage / "override_pair.parquet", "override_pair"),
        "override_then": _overrides_of(home, earlier),
        "later_record": _table_of(later, "patient_record"),
    }
    for name, source in sources.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {source}")  # noqa: S608  # names from this module
    connection.execute(
        "CREATE TEMP VIEW former AS SELECT record_id, patient_id FROM prior_former UNION ALL "
        "SELECT record_id, patient_id FROM later_record ANTI JOIN prior_former USING (record_id)"
    )
    connection.execute(
        "CREATE TEMP TABLE share AS SELECT unnest($providers) AS provider, unnest($stale) AS is_stale",
        {"providers": [s.provider.provider for s in patients], "stale": [s.is_stale for s in patients]},
    )


def _overrides_of(home: Home, snapshot: Path | None) -> str:
    """Overrides in force when a snapshot was made; its own copy first, since a night that runs again writes anew."""
    if snapshot is None:
        return _none("override_pair")
    own = snapshot / "override_pair.parquet"
    return _or_none(own if own.is_file() else home.linked("override_pair", snapshot_night(snapshot)), "override_pair")


def _table_of(snapshot: Path | None, table: str) -> str:
    return _none(table) if snapshot is None else _or_none(snapshot / f"{table}.parquet", table)


def _or_none(file: Path, table: str) -> str:
    return scan(file) if file.is_file() else _none(table)


def _none(table: str) -> str:
    """A table without rows, for what there is not (yet)."""
    columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns)
    return f"(SELECT {columns} LIMIT 0)"


def resolve(source: duckdb.DuckDBPyConnection | Path, patient_id: str, as_of: date | None = None) -> str:
    """What an id goes by today, or went by on a past night: joins are followed through any chain.

    An id that was retired is still itself; `resolution` says whether it was.

    Args:
        source: a connection that has `identity_event` (as `registry_pipeline.open_registry` gives), or a snapshot's
            folder. The newest snapshot knows every night, also those whose snapshots were removed.
        patient_id: any id that was ever given out.
        as_of: the night; what happened later is left aside. None: today.

    Raises:
        BadInput: not an id, one that this registry never gave out, or one that did not exist on that night yet.
    """
    return resolution(source, patient_id, as_of).patient_id


def resolution(source: duckdb.DuckDBPyConnection | Path, patient_id: str, as_of: date | None = None) -> Resolution:
    """As `resolve`, with what else there is to say: whether the id was retired, and since when the answer holds.

    Raises:
        BadInput: as `resolve`.
    """
    import duckdb

    try:
        asked = str(uuid.UUID(patient_id))
    except ValueError as problem:
        raise BadInput(
            "That is not a patient_id: give a UUID, as in the column patient_id of the registry."
        ) from problem
    if isinstance(source, Path):
        with closing(duckdb.connect()) as connection:
            events = scan(source / "identity_event.parquet")
            connection.execute(f"CREATE TEMP VIEW identity_event AS SELECT * FROM {events}")  # noqa: S608  # a path of ours
            return _resolution(connection, asked, as_of)
    return _resolution(source, asked, as_of)


def _resolution(connection: duckdb.DuckDBPyConnection, asked: str, as_of: date | None) -> Resolution:
    created = connection.execute(
        "SELECT min(night) FILTER (WHERE event_type = 'created'), count(*) FROM identity_event"
        " WHERE patient_id = $patient_id::UUID",
        {"patient_id": asked},
    ).fetchall()[0]
    if not created[1]:
        raise BadInput(f"This registry never gave out the patient_id {asked}: check it, and which registry it is of.")
    if as_of is not None and created[0] is not None and as_of < created[0]:
        raise BadInput(
            f"The patient_id {asked} did not exist on the night {as_of}: it was created on {created[0]}; ask for that"
            " night or a later one."
        )
    found = connection.execute(
        load_sql("identity_resolve"),
        {"patient_id": asked, "as_of": as_of or LAST_DAY, "most_steps": MOST_JOINS_IN_A_CHAIN},
    ).fetchall()
    patient_id, last_event, since, _ = found[0]
    return Resolution(asked, str(patient_id), is_retired=last_event == "retired", since=since)
