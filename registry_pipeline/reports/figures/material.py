"""What the sections are counted from: a snapshot's tables and manifest, the nights before, and what was handed over.

What belongs here: opening a snapshot for counting, the few tables that several sections count from, and earlier nights'
figures. What does not: any figure itself (the sections), and drawing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import outcomes
from registry_pipeline.config import Configuration
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import postcodes
from registry_pipeline.outcomes import FeedOutcome
from registry_pipeline.storage import (
    Home,
    connect,
    load_sql,
    published_snapshots,
    read_json,
    scan,
    snapshot_night,
    snapshot_order,
)
from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER, TABLES

if TYPE_CHECKING:
    import duckdb

DRIFT_NIGHTS = 30
"""Nights looked back on: a month, so that every weekday is there four times."""

REPORT_FILE = "linkage_quality.json"
"""The file of an earlier report's figures."""

SETTINGS: Mapping[str, str] = {
    "gp": "General practice",
    "acute": "Hospitals",
    "community": "Community services",
    "mental_health": "Mental health",
    "social_care": "Adult social care",
}
"""Settings in the order of their bits in `report_person.sql`, and what people call them."""


@dataclass(frozen=True)
class EarlierReport:
    """The headline figures of an earlier night's report, as it showed them."""

    snapshot_id: str
    night: str
    figures: Mapping[str, Any]


@dataclass
class Material:
    """Everything that a report's sections are made from.

    Attributes:
        manifest, prior: of the snapshot and of the one before it; `prior` is None on a first night.
        folder: the snapshot's.
        connection: has views `crosswalk`, `patient`, `identity_event`, `attention`, `activity`, `delivered_record`,
            `nhs_number_replacement` and `postcode_area`, and the tables `report_member` and `report_person`.
        records_not_read: providers whose person records of the night are no longer there.
        linkage, governance: what was handed over; any key may be missing.
    """

    configuration: Configuration
    snapshot_id: str
    night: date
    folder: Path
    manifest: Mapping[str, Any]
    prior: Mapping[str, Any] | None
    connection: duckdb.DuckDBPyConnection
    linkage: Mapping[str, Any]
    governance: Mapping[str, Any]
    has_areas: bool = False
    records_not_read: tuple[str, ...] = ()
    headline: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        """The data folder."""
        return Home(self.configuration.home)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of `sql/<sql>.sql`."""
        return list(self.connection.execute(load_sql(sql), dict(parameters or {})).fetchall())

    def records(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of `sql/<sql>.sql`, each by column name."""
        found = self.connection.execute(load_sql(sql), dict(parameters or {}))
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def setting(self, provider: str) -> str:
        """What people call a provider's setting."""
        known = self.configuration.providers.get(provider)
        return SETTINGS.get(known.setting, known.setting) if known else "not known"

    def name(self, provider: str) -> str:
        """A provider's code with its name, where it has one."""
        known = self.configuration.providers.get(provider)
        return f"{provider} {known.name}" if known and known.name else provider

    @cached_property
    def people(self) -> Mapping[str, int]:
        """People of the snapshot by what is counted of them."""
        return self.records("report_people")[0]

    @cached_property
    def people_with_records(self) -> Mapping[str, int]:
        """People by what their records say that cannot be true of one person."""
        return self.records("report_implausible")[0]

    @cached_property
    def links(self) -> list[dict[str, Any]]:
        """Records by provider, setting, link method and NHS number status."""
        return self.records("report_links")

    @cached_property
    def nights_run(self) -> list[date]:
        """Nights of the last month on which anything was run, tonight included."""
        first = self.night - timedelta(days=DRIFT_NIGHTS - 1)
        return [night for night in self.home.nights() if first <= night <= self.night]

    @cached_property
    def outcomes(self) -> Mapping[tuple[str, str], FeedOutcome]:
        """What happened to each feed on the night whose extract the snapshot uses."""
        found = {}
        for entry in self.manifest.get("inputs", ()):
            outcome = outcomes.find(self.home, entry["provider"], entry["feed"], date.fromisoformat(entry["night"]))
            if outcome is not None:
                found[entry["provider"], entry["feed"]] = outcome
        return found

    @cached_property
    def kept_manifests(self) -> list[Mapping[str, Any]]:
        """Manifests of the last month's published snapshots before this night, the last of each night, in order."""
        last: dict[date, Path] = {}
        for path in published_snapshots(self.home):
            if 0 < (self.night - snapshot_night(path)).days <= DRIFT_NIGHTS:
                last[snapshot_night(path)] = path
        return [read_json(last[night] / "manifest.json") for night in sorted(last)]

    @property
    def first_night(self) -> str:
        """The registry's first night, if it is one of those kept: everybody is created then, as on no other night."""
        first = next(iter(self.kept_manifests), None)
        return str(first["night"]) if first is not None and not first.get("prior_snapshot") else ""

    @cached_property
    def earlier_reports(self) -> list[EarlierReport]:
        """Reports of the last month's nights before this one, the last of each night, in order."""
        last: dict[date, tuple[tuple[date, int], Path]] = {}
        for path in self.home.report("x").parent.glob(f"*/{REPORT_FILE}"):
            try:
                order = snapshot_order(path.parent)
            except ValueError:
                continue  # a folder under reports/ that is no snapshot's
            night = order[0]
            if 0 < (self.night - night).days <= DRIFT_NIGHTS and (night not in last or last[night][0] < order):
                last[night] = (order, path)
        return [_earlier(last[night][1]) for night in sorted(last)]


def _earlier(path: Path) -> EarlierReport:
    """An earlier report's headline figures; one that cannot be read has none, and is a gap in the chart."""
    night = snapshot_night(path.parent).isoformat()
    try:
        figures = read_json(path).get("headline", {})
    except (OSError, ValueError, AttributeError):
        figures = {}
    return EarlierReport(path.parent.name, night, figures if isinstance(figures, Mapping) else {})


@contextmanager
def open_material(
    configuration: Configuration, snapshot_id: str, *, linkage: Mapping[str, Any], governance: Mapping[str, Any]
) -> Iterator[Material]:
    """A snapshot opened for counting.

    Raises:
        BadInput: there is no snapshot of that id.
    """
    home = Home(configuration.home)
    folder = home.snapshot(snapshot_id)
    if not (folder / "manifest.json").is_file():
        raise BadInput(
            f"There is no snapshot {snapshot_id!r} under {home.snapshots}: see the folder for what there is."
        )
    manifest = read_json(folder / "manifest.json")
    deployment = configuration.deployment
    opened = connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
    with closing(opened) as connection:
        not_read = _name_tables(connection, home, folder, manifest)
        yield Material(
            configuration=configuration,
            snapshot_id=snapshot_id,
            night=date.fromisoformat(manifest["night"]),
            folder=folder,
            manifest=manifest,
            prior=_prior(home, manifest),
            connection=connection,
            linkage=linkage,
            governance=governance,
            has_areas=_name_areas(connection, configuration),
            records_not_read=tuple(not_read),
        )


def _prior(home: Home, manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    name = manifest.get("prior_snapshot")
    file = home.snapshot(name) / "manifest.json" if name else None
    return read_json(file) if file is not None and file.is_file() else None


def _name_tables(
    connection: duckdb.DuckDBPyConnection, home: Home, folder: Path, manifest: Mapping[str, Any]
) -> list[str]:
    """Make the views and tables that the sections count from; returns providers whose records are not there."""
    for view, table in (
        ("crosswalk", "patient_record"),
        ("patient", "patient"),
        ("identity_event", "identity_event"),
        ("attention", "needs_attention"),
        ("activity", "patient_activity"),
    ):
        _view(connection, view, table, [folder / f"{table}.parquet"])
    used = {e["provider"]: date.fromisoformat(e["night"]) for e in manifest.get("inputs", ()) if e["feed"] == "patient"}
    records = {provider: home.staged("person_record", provider, night) for provider, night in used.items()}
    replacement = "nhs_number_replacement"
    replaced = [
        home.staged(replacement, e["provider"], date.fromisoformat(d["night"]), replacement)
        for e in manifest.get("inputs", ())
        if e["feed"] == replacement
        for d in e.get("deliveries", ())
    ]
    _view(connection, "delivered_record", "person_record", list(records.values()))
    _view(connection, replacement, replacement, replaced)
    connection.execute(f"CREATE TEMP TABLE patient_nhs_number AS {load_sql('patient_nhs_number')}")
    crowded = load_sql("patient_crowded_number")
    connection.execute(f"CREATE TEMP TABLE crowded_number AS {crowded}", {"most": MOST_RECORDS_OF_A_NUMBER})
    connection.execute(load_sql("evaluate_groups"))
    for table in ("report_member", "report_person"):
        connection.execute(f"CREATE TEMP TABLE {table} AS {load_sql(table)}")
    return [provider for provider, file in records.items() if not file.is_file()]


def _view(connection: duckdb.DuckDBPyConnection, view: str, table: str, files: Sequence[Path]) -> None:
    """A view on those of a table's files that are there, with every column of the dictionary."""
    there = [file for file in files if file.is_file()]
    columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns)
    empty = f"SELECT {columns} LIMIT 0"
    # An older file may lack a column that came later: it is then null.
    source = f"({empty}) UNION ALL BY NAME SELECT * FROM {scan(there)}" if there else empty  # noqa: S608  # names from this module
    connection.execute(f"CREATE TEMP VIEW {view} AS {source}")


def _name_areas(connection: duckdb.DuckDBPyConnection, configuration: Configuration) -> bool:
    """Make `postcode_area`; whether the deployment has a list of postcodes with their deprivation."""
    listed = configuration.deployment.postcodes
    return postcodes.name_areas(connection, configuration) and bool(listed and listed.deprivation_decile)
