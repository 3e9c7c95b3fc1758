"""The registry: the best value of each field, the tables of a night, and publishing them.

What belongs here: survivorship (which record each of a person's values comes from, and why), the snapshot with its
manifest, its audit, the atomic publish, and opening the published registry for reading. What does not: which records
are one person and what ids they go by (`link`), and what consumers make of the registry.

Write, audit, publish: `build_snapshot` writes `registry/snapshots/<night>.<n>/` whole or not at all and audits it
before the folder gets its name. One that fails a critical audit goes to `registry/failed/` instead, as evidence that no
reader and no later night takes for a registry. `publish` writes `published.json` into the snapshot and swaps
`registry/current`; only snapshots with that marker carry their ids on to later nights.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import outcomes
from registry_pipeline.config import REPOSITORY, Configuration, Provider
from registry_pipeline.errors import BadInput, RegistryError, RunFailed
from registry_pipeline.outcomes import CheckOutcome, FeedOutcome, Severity, Share
from registry_pipeline.storage import (
    FORMER,
    Home,
    connect,
    load_sql,
    published_snapshots,
    read_json,
    scan,
    snapshot_night,
    snapshot_order,
    swap_symlink,
    whole_folder,
    write_json,
    write_table,
)
from registry_pipeline.tables import (
    CONSUMER_TABLES,
    EVENT_TABLES,
    FEEDS,
    LINKAGE_ALTERNATIVE,
    MOST_RECORDS_OF_A_NUMBER,
    REGISTRY_TABLES,
    SCHEMA_VERSIONS,
    TABLES,
    Table,
)

if TYPE_CHECKING:
    import duckdb

PEOPLE_FALL_AT_MOST = 0.05
"""Share of people that may be gone since the snapshot before. About 1% of records change in a night; a twentieth of the
people gone at once is a fault upstream, or a model that joins too much."""

PEOPLE_FALL_COUNTS_FROM = 50
"""People gone below which their share says nothing: a small test registry may lose one of three."""

SNAPSHOTS_KEPT = 30
"""Published snapshots that are kept: about a month of nights to look back on."""

FAILED_KEPT = 3
"""Snapshots that failed their audit and are kept: enough to find the cause, and no hoard of personal data."""


@dataclass(frozen=True)
class Survivorship:
    """How one field of `patient` is chosen among a person's records.

    Attributes:
        field: the column of `patient`.
        rule: its name, as in `field_sources`. Criteria in order of weight; each next one only breaks ties.
        why: the reason.
    """

    field: str
    rule: str
    why: str


SURVIVORSHIP: tuple[Survivorship, ...] = (
    Survivorship(
        "nhs_number",
        "verified_then_most_records_then_newest",
        "A number traced against the national service (status 01) is the person's; a superseded one never survives"
        " where the number that replaced it is known.",
    ),
    Survivorship("title", "gp_then_newest", "Titles change; the practice hears of it first."),
    Survivorship(
        "given_name",
        "whole_name_then_gp_then_newest_then_longest",
        "Given and family name from one record, or the name is nobody's; no initial where a record has the name; the"
        " practice's registration follows the national service; the longer of equals has lost nothing.",
    ),
    Survivorship("middle_names", "gp_then_newest_then_longest", "As for names; initials are shorter than names."),
    Survivorship(
        "family_name", "whole_name_then_gp_then_newest_then_longest", "From the same record as the given name."
    ),
    Survivorship(
        "previous_family_name",
        "gp_then_newest_then_longest",
        "As for names; left out where it is the present family name.",
    ),
    Survivorship(
        "birth_date",
        "verified_then_most_records_then_gp_then_newest",
        "A birth date was compared when the NHS number was traced; else what most records say outvotes a mistyped one.",
    ),
    Survivorship(
        "death_date",
        "most_records_then_earliest",
        "Some people have several registrations of death: the earliest is the death, later ones are when others heard.",
    ),
    Survivorship("sex", "most_records_then_gp_then_newest", "Mistypings are outvoted."),
    Survivorship(
        "ethnicity",
        "stated_then_newest_then_gp",
        "What the person stated last; not stated (Z), then not known (99), only where no record has more.",
    ),
    Survivorship(
        "address",
        "whole_address_then_gp_then_newest_then_longest",
        "Address and postcode from one record, or they point to two homes; a practice that is not stale keeps the"
        " registered address.",
    ),
    Survivorship("postcode", "whole_address_then_gp_then_newest_then_longest", "From the same record as the address."),
    Survivorship("phone", "gp_then_newest", "The practice's contact details are the ones in daily use."),
    Survivorship("email", "gp_then_newest", "The practice's contact details are the ones in daily use."),
    Survivorship("gp_practice", "gp_then_newest", "A practice knows who is registered with it."),
)
"""How each field survives, in the order of `patient`. The ranks themselves stand in `sql/patient_survivor.sql`.

GP comes first only while its extract is within the provider's staleness limit. What is equal by every criterion is
broken by the smallest `record_id`, so that a night that runs again chooses the same. `field_sources` names the rule for
each value that was chosen; besides these rules it may say `only_record` (nothing to choose), `nhs_number_replacement`
(the record holds the superseded number) and `withheld_sensitive`.
"""

AUDIT: Mapping[str, tuple[Severity, str, str]] = {
    "patient_id_is_unique": ("critical", "conformance", "One row is one person."),
    "person_record_is_in_crosswalk_once": ("critical", "completeness", "No record may be lost or counted twice."),
    "crosswalk_has_person_record": ("critical", "conformance", "The crosswalk holds tonight's records only."),
    "crosswalk_points_at_patient": ("critical", "conformance", "A record's patient_id must be found in patient."),
    "patient_has_record": ("critical", "conformance", "Nobody is in the registry without a record that says so."),
    "patient_has_one_nhs_number": ("critical", "plausibility", "Two valid NHS numbers are two people."),
    "superseded_nhs_number_does_not_survive": ("critical", "plausibility", "A replaced number finds nobody."),
    "sensitive_whereabouts_are_withheld": ("critical", "conformance", "A leaked address endangers people."),
    "patient_id_was_created": ("critical", "completeness", "An id without a beginning cannot be explained."),
    "patient_id_is_alive": ("critical", "conformance", "An id in use that resolves to another would mislead readers."),
    "event_points_at_patient": ("critical", "conformance", "An event's patient_id must be found in patient."),
    "nhs_number_belongs_to_one_patient": (
        "warning",
        "plausibility",
        "Missed joins; precision comes first, so: review.",
    ),
    "people_against_snapshot_before": ("critical", "plausibility", "A sudden fall is a fault upstream."),
}
"""Every rule of the audit: severity, dimension, reason."""

CARRIED_ON = ("patient_record", "identity_event")
"""Tables of a snapshot that the next night rests on, of those that the manifest counts."""

MAY_BE_MISSING = ("override_pair", LINKAGE_ALTERNATIVE.name)
BESIDE = ("former_record", "moved_record", *MAY_BE_MISSING)
"""Tables that a snapshot holds for later nights and for `audit` only: no reader is shown them."""

AuditTable = Callable[[str, Path], list[CheckOutcome]]
"""Judges one table's file, as `validate.validate_table` does."""


@dataclass(frozen=True)
class Snapshot:
    """A registry of one night, written and audited.

    Attributes:
        snapshot_id: `<night>.<n>`, n from 1 upwards for each night.
        night: the night.
        folder: where its tables and `manifest.json` lie.
        rows: rows of each table.
        checks: what its audit found.
    """

    snapshot_id: str
    night: date
    folder: Path
    rows: Mapping[str, int]
    checks: tuple[CheckOutcome, ...]


def prior_snapshot(home: Home, night: date) -> Path | None:
    """The published snapshot whose ids a night carries on.

    The latest of the night itself or before it; for a back-fill before the first, the earliest later one.

    Raises:
        RunFailed: that snapshot is damaged; see `refuse_damaged`.
    """
    published = published_snapshots(home)
    earlier = [path for path in published if snapshot_night(path) <= night]
    prior = earlier[-1] if earlier else published[0] if published else None
    if prior is not None:
        refuse_damaged(prior)
    return prior


def refuse_damaged(snapshot: Path) -> None:
    """Stop before anything is built on a snapshot whose ids cannot be trusted.

    Looked at are the manifest, the crosswalk and the history of ids, which every later night rests on (readable, with
    as many rows as the manifest says), and that they and all else that a later night reads are the files that were
    audited.

    Raises:
        RunFailed: the first thing that is wrong: which snapshot, which file, and what to do.
    """
    manifest = _sound_manifest(snapshot)
    for table in CARRIED_ON:
        file = snapshot / f"{table}.parquet"
        fault = _fault_of(file, manifest["rows"].get(table), manifest["sha256"].get(table))
        if fault is not None:
            raise _damaged(snapshot, file.name, fault)
    for table in (*BESIDE, "needs_attention"):
        file = snapshot / f"{table}.parquet"
        digest = manifest["sha256"].get(table)  # a snapshot of an older version may lack the table
        if digest is not None and (not file.is_file() or _sha256(file) != digest):
            raise _damaged(snapshot, file.name, _OTHER_FILE if file.is_file() else "is missing")


def _sound_manifest(snapshot: Path) -> dict[str, Any]:
    file = snapshot / "manifest.json"
    if not file.is_file():
        raise _damaged(snapshot, file.name, "is missing")
    try:
        manifest = read_json(file)
    except (OSError, ValueError) as problem:
        raise _damaged(snapshot, file.name, "cannot be read as JSON (truncated or damaged)") from problem
    if not all(isinstance(manifest.get(key), dict) for key in ("rows", "sha256")):
        raise _damaged(snapshot, file.name, "does not say how many rows the tables have")
    return manifest


def _fault_of(file: Path, rows: int | None, sha256: str | None) -> str | None:
    """What is wrong with a snapshot's file; None where nothing is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.is_file():
        return "is missing"
    try:
        found = pq.read_metadata(file).num_rows
    except (OSError, pa.ArrowInvalid):
        return "cannot be read (truncated or damaged)"
    if rows is None or found != rows:
        said = "none" if rows is None else f"{rows:,}"
        return f"holds {found:,} rows where the manifest says {said}"
    if sha256 is None or _sha256(file) != sha256:
        return _OTHER_FILE
    return None


_OTHER_FILE = "is not the file that was published (its digest is another than the manifest's)"


def _damaged(snapshot: Path, file: str, fault: str) -> RunFailed:
    return RunFailed(
        f"The snapshot {snapshot.name} is damaged, so that no night can carry its ids on: {snapshot / file} {fault};"
        " restore the snapshot from a backup, or move its folder away to carry on from the one before it, and run the"
        " night again (nothing was changed)."
    )


def find_snapshot(home: Home, snapshot_id: str) -> Snapshot:
    """A snapshot that was built, published or not.

    Raises:
        BadInput: there is none of that id.
    """
    folder = home.snapshot(snapshot_id)
    if not (folder / "manifest.json").is_file():
        raise BadInput(
            f"There is no snapshot {snapshot_id!r} under {home.snapshots}: see the folder for what there is."
        )
    manifest = read_json(folder / "manifest.json")
    checks = tuple(CheckOutcome.model_validate(check) for check in manifest["checks"])
    return Snapshot(snapshot_id, date.fromisoformat(manifest["night"]), folder, manifest["rows"], checks)


def build_snapshot(
    configuration: Configuration,
    night: date,
    shares: Sequence[Share],
    *,
    run_id: str,
    about: Mapping[str, Any],
    audit_table: AuditTable | None = None,
    people_fall_at_most: float = PEOPLE_FALL_AT_MOST,
) -> Snapshot:
    """Write every registry table of a night and its manifest in a new folder, and audit it.

    Args:
        configuration: the deployment.
        night: the registry's night; its ids must be assigned (`link.identity`).
        shares: what each provider gives to it.
        run_id: the run that builds it.
        about: what else the manifest is to say, without personal values; `model_version` among it.
        audit_table: also judges each table's file; what it finds critical stops the snapshot like the audit's own.
        people_fall_at_most: share of people that may be gone since the snapshot before.

    Raises:
        RunFailed: the audit failed (the snapshot is kept under `registry/failed/`), or the disk is full.
    """
    home = Home(configuration.home)
    deployment = configuration.deployment
    snapshot_id = _next_id(home, night)
    with (
        whole_folder(home.snapshot(snapshot_id)) as folder,
        closing(
            connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
        ) as connection,
    ):
        name_inputs(connection, home, shares, scan(home.linked("patient_record", night)))
        prior = prior_snapshot(home, night)
        rows = _write_people(connection, home, night, folder)
        rows["needs_attention"] = _write_attention(connection, home, night, folder, prior)
        left_out = {}
        for table in EVENT_TABLES:
            rows[table], left_out[table] = _write_events(connection, home, shares, table, folder)
        # A back-fill before the first night has nothing before it to fall from.
        before = prior if prior is not None and snapshot_night(prior) <= night else None
        checks = audit(connection, folder, before=before, people_fall_at_most=people_fall_at_most)
        for table in REGISTRY_TABLES if audit_table else ():
            checks.extend(audit_table(table, folder / f"{table}.parquet") if audit_table else ())
        manifest = {
            "snapshot_id": snapshot_id,
            "night": night.isoformat(),
            "run_id": run_id,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "prior_snapshot": prior.name if prior else None,
            "code": {"version": metadata.version("registry-pipeline"), "commit": _commit()},
            "configuration_sha256": _configuration_digest(configuration),
            "model_version": about.get("model_version"),
            "about": {key: value for key, value in about.items() if key != "model_version"},
            **_inputs(configuration, night, shares),
            "rows": rows,
            "schema_versions": dict(SCHEMA_VERSIONS["registry"]),
            "events_left_out": left_out,
            "sha256": {file.stem: _sha256(file) for file in sorted(folder.glob("*.parquet"))},
            "checks": [check.model_dump(mode="json", exclude_none=True) for check in checks],
        }
        write_json(folder / "manifest.json", manifest)
        _stop_if_critical(home, snapshot_id, folder, checks)
    return Snapshot(snapshot_id, night, home.snapshot(snapshot_id), rows, tuple(checks))


def _next_id(home: Home, night: date) -> str:
    taken = [*home.snapshots.glob(f"{night}.*"), *home.failed("x").parent.glob(f"{night}.*")]
    return f"{night}.{1 + max((snapshot_order(path)[1] for path in taken), default=0)}"


def name_inputs(connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share], crosswalk: str) -> None:
    """The views and tables that survivorship reads.

    Args:
        connection: where they are made.
        home: the data folder.
        shares: whose records count.
        crosswalk: what to read `patient_record` from, as it stands after FROM.
    """
    patients = [share for share in shares if share.feed == "patient"]
    replacements = [
        home.staged("nhs_number_replacement", share.provider.provider, each, "nhs_number_replacement")
        for share in shares
        if share.feed == "nhs_number_replacement"
        for each in share.nights
    ]
    records = [home.staged("person_record", share.provider.provider, share.night) for share in patients]
    for view, source in (
        ("delivered_record", _source("person_record", records)),
        ("nhs_number_replacement", _source("nhs_number_replacement", replacements)),
    ):
        connection.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM {source}")  # noqa: S608  # names from this module
    connection.execute(f"CREATE TEMP TABLE patient_nhs_number AS {load_sql('patient_nhs_number')}")
    crowded = load_sql("patient_crowded_number")
    connection.execute(f"CREATE TEMP TABLE crowded_number AS {crowded}", {"most": MOST_RECORDS_OF_A_NUMBER})
    # The rule costs a look at every number, and most nights there is none of such a kind.
    withheld = (
        " REPLACE (CASE WHEN nhs_number NOT IN (FROM crowded_number) THEN nhs_number END AS nhs_number)"
        if connection.execute("SELECT count(*) FROM crowded_number").fetchall()[0][0]
        else ""
    )
    connection.execute(f"CREATE TEMP VIEW person_record AS SELECT *{withheld} FROM delivered_record")  # noqa: S608
    connection.execute(
        f"CREATE TEMP TABLE patient_record AS SELECT patient_id, record_id, setting, is_stale FROM {crosswalk}"  # noqa: S608  # as above
    )
    connection.execute(
        "CREATE TEMP TABLE share AS SELECT unnest($providers) AS provider, unnest($nights)::DATE AS night,"
        " unnest($stale) AS is_stale",
        {
            "providers": [share.provider.provider for share in patients],
            "nights": [share.night.isoformat() for share in patients],
            "stale": [share.is_stale for share in patients],
        },
    )


def _source(table: str, files: list[Path]) -> str:
    if files:
        return scan(files)
    columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns)
    return f"(SELECT {columns} LIMIT 0)"


def survive(connection: duckdb.DuckDBPyConnection, night: date, take: Callable[[str, Mapping[str, Any]], int]) -> int:
    """Choose every person's values, and hand over the query that gives the rows of `patient`, with its parameters.

    Args:
        connection: has what `name_inputs` makes.
        night: the registry's night.
        take: writes the query's rows, and says how many.
    """
    connection.execute(load_sql("patient_rank"))
    for step in ("patient_known_as", "patient_about", "patient_survivor"):
        parameters = {} if step == "patient_about" else {"night": night}
        connection.execute(f"CREATE TEMP TABLE {step} AS {load_sql(step)}", parameters)
    rows = take(load_sql("patient"), {"rule": {survivorship.field: survivorship.rule for survivorship in SURVIVORSHIP}})
    for step in ("patient_known_as", "patient_about", "patient_survivor"):
        connection.execute(f"DROP TABLE {step}")
    return rows


def _write_people(connection: duckdb.DuckDBPyConnection, home: Home, night: date, folder: Path) -> dict[str, int]:
    """`patient` by survivorship; the crosswalk and the history of ids as `link.identity` left them."""

    def write(query: str, parameters: Mapping[str, Any]) -> int:
        return write_table(connection, query, TABLES["patient"], folder / "patient.parquet", parameters)

    rows = {"patient": survive(connection, night, write)}
    for table in (*CARRIED_ON, *BESIDE):
        if table not in MAY_BE_MISSING or home.linked(table, night).is_file():
            shutil.copyfile(home.linked(table, night), folder / f"{table}.parquet")
    for table in ("patient_record", "identity_event"):
        source = scan(folder / f"{table}.parquet")
        rows[table] = int(connection.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0])  # noqa: S608  # a path of ours
    return rows


def _write_attention(
    connection: duckdb.DuckDBPyConnection, home: Home, night: date, folder: Path, prior: Path | None
) -> int:
    """`needs_attention`: as linking left it, with tonight's ids, and with the first night that the prior knows."""
    linked = home.linked("needs_attention", night)
    before = prior / "needs_attention.parquet" if prior is not None else None
    for view, file in (("linked_attention", linked), ("attention_before", before)):
        source = _source("needs_attention", [file] if file is not None and file.is_file() else [])
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {source}")  # noqa: S608  # names from this module
    file = folder / "needs_attention.parquet"
    return write_table(connection, load_sql("needs_attention"), TABLES["needs_attention"], file, {"night": night})


def _write_events(
    connection: duckdb.DuckDBPyConnection, home: Home, shares: Sequence[Share], table: str, folder: Path
) -> tuple[int, int]:
    """One event table, in a stream; returns rows written, and events whose record is not in the registry."""
    made_from = EVENT_TABLES[table]
    feeds = [share for share in shares if FEEDS[share.feed].becomes == made_from]
    first = [home.staged(made_from, s.provider.provider, s.nights[0], s.feed) for s in feeds]
    later = [home.staged(made_from, s.provider.provider, each, s.feed) for s in feeds for each in s.nights[1:]]
    connection.execute(f"CREATE OR REPLACE TEMP VIEW event AS SELECT * FROM {_source(made_from, first + later)}")  # noqa: S608  # as above
    connection.execute(f"CREATE OR REPLACE TEMP VIEW later_event AS SELECT * FROM {_source(made_from, later)}")  # noqa: S608  # as above
    connection.execute(f"CREATE OR REPLACE TEMP TABLE event_again AS {load_sql('patient_event_again')}")
    rows = write_table(connection, load_sql("patient_event"), TABLES[table], folder / f"{table}.parquet")
    left_out = int(connection.execute(load_sql("patient_event_left_out")).fetchall()[0][0])
    connection.execute("DROP TABLE event_again")
    return rows, left_out


def audit(
    connection: duckdb.DuckDBPyConnection, folder: Path, *, before: Path | None, people_fall_at_most: float
) -> list[CheckOutcome]:
    """Judge a snapshot that is written and not yet named; reads its files as a reader would.

    Args:
        connection: has `person_record`, `share` and `patient_nhs_number`.
        folder: the snapshot.
        before: the snapshot before, if any.
        people_fall_at_most: share of people that may be gone since then.
    """
    for view, table in (
        ("patient", "patient"),
        ("crosswalk", "patient_record"),
        ("identity_event", "identity_event"),
        ("attention", "needs_attention"),
    ):
        source = scan(folder / f"{table}.parquet")
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM {source}")  # noqa: S608  # as above
    events = scan([folder / f"{table}.parquet" for table in EVENT_TABLES])
    connection.execute(f"CREATE OR REPLACE TEMP VIEW patient_event AS SELECT patient_id FROM {events}")  # noqa: S608  # as above
    found = connection.execute(load_sql("patient_audit")).fetchall()
    checks = [_outcome(name, failing == 0, failing=failing, rows=rows) for name, failing, rows in found]
    if before is not None:
        source = scan(before / "patient_record.parquet")
        connection.execute(f"CREATE OR REPLACE TEMP VIEW before AS SELECT * FROM {source}")  # noqa: S608  # as above
        people_before, now = connection.execute(load_sql("patient_fall")).fetchall()[0]
        gone = people_before - now
        sound = gone < PEOPLE_FALL_COUNTS_FROM or gone <= people_fall_at_most * people_before
        observed = f"{now:,} people, {people_before:,} in {before.name}"
        checks.append(_outcome("people_against_snapshot_before", sound, observed=observed))
    return checks


def _outcome(name: str, passed: bool, **figures: Any) -> CheckOutcome:
    severity, dimension, reason = AUDIT[name]
    return CheckOutcome(name=name, passed=passed, severity=severity, dimension=dimension, reason=reason, **figures)


def _stop_if_critical(home: Home, snapshot_id: str, folder: Path, checks: Sequence[CheckOutcome]) -> None:
    broken = [check for check in checks if not check.passed and check.severity == "critical"]
    if not broken:
        return
    evidence = home.failed(snapshot_id)
    evidence.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(evidence)
    named = "; ".join(f"{c.name}: {c.observed or f'{c.failing:,} of {c.rows:,}'}" for c in broken)
    raise RunFailed(
        f"The registry of {snapshot_order(evidence)[0]} failed its audit ({named}). It is not published and the last"
        f" registry still stands; look at {evidence}, mend the cause and run the night again."
    )


def _inputs(configuration: Configuration, night: date, shares: Sequence[Share]) -> dict[str, Any]:
    """What the snapshot was made from, and which feeds gave nothing and why."""
    home = Home(configuration.home)
    given = {(share.provider.provider, share.feed) for share in shares}
    without = [
        {"provider": provider.provider, "feed": feed, **_why_nothing(configuration, provider, feed, night)}
        for provider in configuration.providers.values()
        for feed in provider.feeds
        if (provider.provider, feed) not in given
    ]
    return {"inputs": [_input(home, share, night) for share in shares], "without_data": without}


def _input(home: Home, share: Share, night: date) -> dict[str, Any]:
    code = share.provider.provider
    used = [outcomes.find(home, code, share.feed, each) for each in share.nights]
    entry: dict[str, Any] = {
        "provider": code,
        "feed": share.feed,
        "night": share.night.isoformat(),
        "days_old": share.days_old,
        "is_stale": share.is_stale,
        "deliveries": [_delivery(each, outcome) for each, outcome in zip(share.nights, used, strict=True)],
    }
    if share.night != night:
        entry["carried_forward_because"] = _tonight(outcomes.find(home, code, share.feed, night))
    return entry


def _delivery(night: date, outcome: FeedOutcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"night": night.isoformat()}
    return {
        "night": night.isoformat(),
        "delivery": outcome.delivery,
        "sha256": outcome.delivered_sha256,
        "rows_delivered": outcome.rows_delivered,
        "rows_accepted": outcome.rows_accepted,
        "rows_quarantined": outcome.rows_quarantined,
        **({"rows_left_out": outcome.rows_left_out} if outcome.rows_left_out else {}),
    }


def _why_nothing(configuration: Configuration, provider: Provider, feed: str, night: date) -> dict[str, Any]:
    if not outcomes.may_be_used(configuration, provider, night):
        last = provider.last_agreement(night)
        why = f"The agreement {last.reference} does not allow it" if last else "There is no agreement in force"
        return {"reason": "agreement", "problem": f"{why} on {night}."}
    return _tonight(outcomes.find(Home(configuration.home), provider.provider, feed, night))


def _tonight(outcome: FeedOutcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"reason": "missing", "problem": "Nothing was taken in for this night."}
    return {"reason": outcome.status, "problem": outcome.problem}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _configuration_digest(configuration: Configuration) -> str:
    """Alike for the same deployment wherever it lies on disk."""
    content = configuration.model_dump(mode="json", by_alias=True, exclude={"directory", "home"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def _commit() -> str | None:
    """The commit of the checkout that the package runs from; None for an installed package."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        return None
    asked = subprocess.run(  # noqa: S603  # a fixed command on our own checkout
        [git, "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
    )
    return asked.stdout.strip() or None


def publish(
    configuration: Configuration, snapshot: Snapshot, *, hold: bool = False, about: Mapping[str, Any] | None = None
) -> bool:
    """Publish a snapshot: the next nights carry its ids on, and readers see it unless it is held.

    Args:
        configuration: the deployment.
        snapshot: built and audited.
        hold: readers go on seeing the one before, until `make_current`.
        about: what else `published.json` is to say.

    Returns:
        True if readers now see it; False for one that is held, and for a back-filled past night, which is published as
        that night's snapshot but does not take the place of a newer one.

    Raises:
        RunFailed: a required provider has no accepted data tonight; the message names provider and feeds.
    """
    home = Home(configuration.home)
    _stop_if_required_is_missing(configuration, snapshot.night)
    becomes_current = not hold and _is_newest(home, snapshot)
    # What is published never changes: a slip of a script's pen fails.
    for file in snapshot.folder.iterdir():
        file.chmod(0o400)
    # Before the swap, so that what readers see is always among the published.
    _mark_published(snapshot, became_current=becomes_current, **(about or {}))
    if becomes_current:
        swap_symlink(home.current, snapshot.folder)
    return becomes_current


def make_current(configuration: Configuration, snapshot: Snapshot) -> bool:
    """Show readers a published snapshot that was held, in one atomic step, unless a newer one is current.

    Returns:
        True if readers now see it.
    """
    home = Home(configuration.home)
    if not _is_newest(home, snapshot):
        return False
    _mark_published(snapshot, **{**read_json(snapshot.folder / "published.json"), "became_current": True})
    swap_symlink(home.current, snapshot.folder)
    return True


def withdraw(configuration: Configuration, snapshot: Snapshot) -> bool:
    """Take a rejected snapshot back, so that no later night carries its ids on.

    Returns:
        True where it was taken back; False where readers see it, or a later night rests on it already.
    """
    home = Home(configuration.home)
    published = published_snapshots(home)
    is_last = bool(published) and published[-1].name == snapshot.snapshot_id
    if not is_last or home.current.resolve() == snapshot.folder.resolve():
        return False
    (snapshot.folder / "published.json").rename(snapshot.folder / "withdrawn.json")
    return True


def _is_newest(home: Home, snapshot: Snapshot) -> bool:
    return not home.current.exists() or snapshot_night(home.current.resolve()) <= snapshot.night


def _mark_published(snapshot: Snapshot, **said: Any) -> None:
    write_json(
        snapshot.folder / "published.json",
        {"published_at": datetime.now(UTC).isoformat(timespec="seconds"), **said},
    )


def _stop_if_required_is_missing(configuration: Configuration, night: date) -> None:
    home = Home(configuration.home)
    missing = []
    for provider in configuration.providers.values():
        found = {feed: outcomes.find(home, provider.provider, feed, night) for feed in provider.feeds}
        feeds = [feed for feed, outcome in found.items() if outcome is None or not outcome.accepted]
        if provider.required and feeds:
            missing.append(f"{provider.provider} ({', '.join(feeds)})")
    if missing:
        raise RunFailed(
            f"The registry of {night} is not published: no accepted data tonight from required {'; '.join(missing)}."
            " The last registry still stands; get the delivery and run the night again, or set required: false."
        )


def prune_snapshots(home: Home, keep: int = SNAPSHOTS_KEPT) -> list[str]:
    """Remove old snapshots; never the current one. Only while no other run is at work.

    Kept are the newest `keep` that were published, those built and not yet published unless a later one of the same
    night was, and the newest `FAILED_KEPT` that failed their audit.

    Returns:
        The ids removed.
    """
    published = published_snapshots(home)
    last_of_night = {snapshot_night(path): snapshot_order(path) for path in published}
    unpublished = [path for path in _named(home.snapshots) if path not in published]
    overtaken = [p for p in unpublished if snapshot_order(p) < last_of_night.get(snapshot_night(p), (date.min, 0))]
    old = [*published[: max(len(published) - keep, 0)], *overtaken, *_named(home.failed("x").parent)[:-FAILED_KEPT]]
    current = home.current.resolve()
    removed = [path for path in old if path.resolve() != current]
    for path in removed:
        # Renamed first: a kill must not leave half a snapshot under a snapshot's name.
        leaving = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.unfinished")
        path.rename(leaving)
        shutil.rmtree(leaving)
    return [path.name for path in removed]


def _named(folder: Path) -> list[Path]:
    """Snapshot folders in order; unfinished ones begin with a dot."""
    return sorted((p for p in folder.glob("*") if not p.name.startswith(".")), key=snapshot_order)


def open_current(home: Home) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with a view per table of the published registry and of its consumers, for reading.

    Symlinks are followed once: a publish in between does not mix two snapshots. What consumers made is of the snapshot
    that their own readers see, which each view's comment names; a consumer that made nothing has no view. The
    connection reaches these files and no others, can write no file, and its configuration is locked; tables that it
    makes live in its memory. (DuckDB knows no paths for reading only; published files are also write-protected.)

    Raises:
        RegistryError: nothing is published yet.
    """
    import duckdb

    if not home.current.exists():
        raise RegistryError(
            f"There is no published registry under {home.root}: run a night first (registry run), or set REGISTRY_HOME."
        )
    folder = home.current.resolve()
    files = {table: folder / f"{table}.parquet" for table in REGISTRY_TABLES}
    consumed = {
        name: link.resolve() / f"{name}.parquet"
        for name in CONSUMER_TABLES
        if (link := home.consumer_current(name)).exists()
    }
    spill = Path(tempfile.gettempdir()) / f"registry-reader-{uuid.uuid4().hex[:8]}"
    connection = duckdb.connect(config={"temp_directory": str(spill)})
    for table, file in files.items():
        # A snapshot of an older version may lack a table that came later.
        _name_view(connection, TABLES[table], _source(table, [file] if file.is_file() else []))
    for name, file in consumed.items():
        snapshot_id = file.parent.name.removesuffix(FORMER)
        _name_view(connection, CONSUMER_TABLES[name], scan(file), f", of snapshot {snapshot_id}")
    allowed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in (*files.values(), *consumed.values()))
    connection.execute(f"SET allowed_paths = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _name_view(connection: duckdb.DuckDBPyConnection, table: Table, source: str, more: str = "") -> None:
    connection.execute(f'CREATE VIEW "{table.name}" AS SELECT * FROM {source}')  # noqa: S608  # names from tables.py
    described = f"One row per {table.one_row_per}{more}".replace("'", "''")
    connection.execute(f"COMMENT ON VIEW \"{table.name}\" IS '{described}'")
