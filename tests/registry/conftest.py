"""A small care system whose standardised and linked tables the tests write themselves."""

import hashlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from registry_pipeline import outcomes, registry
from registry_pipeline.config import Agreement, Configuration, CsvSource, Deployment, Feed, Provider
from registry_pipeline.link import identity
from registry_pipeline.outcomes import FeedOutcome
from registry_pipeline.storage import Home, write_json, write_table
from registry_pipeline.tables import FEEDS, TABLES

FIRST_NIGHT = date(2026, 4, 1)
SETTINGS = {"GP1": "gp", "GP2": "gp", "RX1": "acute", "LA1": "social_care"}


@cache
def _connection():
    """One for all of a process: opening and closing one costs more than what most tests ask of it."""
    import duckdb

    return duckdb.connect(config={"threads": 1})


def write_rows(table: str, path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows given in part: columns that are not given are null."""
    import pyarrow as pa

    columns = TABLES[table].columns
    given = {name for row in rows for name in row}
    assert given <= {c.name for c in columns}, given - {c.name for c in columns}
    connection = _connection()
    if rows:
        connection.register("given", pa.Table.from_pylist([{name: row.get(name) for name in given} for row in rows]))
    source = "given" if rows else "(SELECT 1 LIMIT 0)"
    select = ", ".join(f'"{c.name}"' if c.name in given else f'NULL AS "{c.name}"' for c in columns)
    write_table(connection, f"SELECT {select} FROM {source}", TABLES[table], path)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over one Parquet file, known as `t`."""
    _connection().execute(f"CREATE OR REPLACE VIEW t AS SELECT * FROM read_parquet('{path}')")
    return _connection().execute(sql).fetchall()


@dataclass
class CareSystem:
    """Providers, and nights of them as the registry stage finds them."""

    home: Home
    agreements: dict[str, Agreement] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    delta: set[str] = field(default_factory=set)
    feeds: tuple[str, ...] = ("patient",)
    providers: tuple[str, ...] = tuple(SETTINGS)
    models: Path | None = None

    @property
    def configuration(self) -> Configuration:
        providers = {
            code: Provider(
                provider=code,
                setting=SETTINGS[code],
                required=code in self.required,
                agreement=self.agreements.get(code) or (Agreement(reference="DSA-0") if self.agreements else None),
                feeds={
                    feed: Feed(
                        source=CsvSource(kind="csv", path=f"{feed}.csv"),
                        delivery="delta" if feed in self.delta else None,
                    )
                    for feed in self.feeds
                },
            )
            for code in self.providers
        }
        return Configuration(
            directory=self.home.root,
            home=self.home.root,
            deployment=Deployment(threads=1, models=self.models),
            providers=providers,
        )

    def night(self, number: int) -> date:
        return FIRST_NIGHT + timedelta(days=number - 1)

    def accept(self, provider: str, feed: str, night: date, rows: int) -> None:
        outcomes.keep(
            self.home,
            FeedOutcome(
                provider=provider,
                feed=feed,
                night=night,
                status="accepted",
                delivery=f"{provider}/{feed}/{night}/v1",
                delivered_sha256={f"{feed}.csv": "ab" * 32},
                rows_delivered=rows + 1,
                rows_accepted=rows,
                rows_quarantined=1,
            ),
        )

    def deliver(self, night: date, records: list[dict[str, Any]]) -> None:
        """Every provider's person records of a night, from records with at least `record_id`."""
        by_provider: dict[str, list[dict[str, Any]]] = {code: [] for code in self.providers}
        for record in records:
            provider, local_id = record["record_id"].split(":")
            origin = {"provider": provider, "setting": SETTINGS[provider], "local_id": local_id, "night": night}
            by_provider[provider].append({**origin, **record})
        for provider, rows in by_provider.items():
            write_rows("person_record", self.home.staged("person_record", provider, night), rows)
            self.accept(provider, "patient", night, len(rows))

    def cluster(self, night: date, clusters: list[list[str]], folder: Path | None = None) -> None:
        rows = [
            {
                "record_id": record,
                "cluster_id": min(cluster),
                "cluster_size": len(cluster),
                "link_method": "same_nhs_number" if len(cluster) > 1 else "single",
                "link_probability": 0.99 if len(cluster) > 1 else 1.0,
            }
            for cluster in clusters
            for record in cluster
        ]
        path = folder / "person_cluster.parquet" if folder else self.home.linked("person_cluster", night)
        write_rows("person_cluster", path, rows)

    def events(self, table: str, feed: str, provider: str, night: date, rows: list[dict[str, Any]]) -> None:
        """A feed's events of a night, from rows with `event_id` and `record_id`."""
        written = [
            {
                "event_key": f"{provider}:{feed}:{row['event_id']}",
                "provider": provider,
                "setting": SETTINGS[provider],
                "night": night,
                "is_deleted": False,
                **{name: value for name, value in row.items() if name != "event_id"},
            }
            for row in rows
        ]
        assert FEEDS[feed].becomes == table
        write_rows(table, self.home.staged(table, provider, night, feed), written)
        self.accept(provider, feed, night, len(rows))

    def replaced(self, provider: str, night: date, numbers: dict[str, str]) -> None:
        rows = [{"nhs_number": a, "replaced_by": b, "provider": provider, "night": night} for a, b in numbers.items()]
        feed = "nhs_number_replacement"
        write_rows(feed, self.home.staged(feed, provider, night, feed), rows)
        self.accept(provider, feed, night, len(rows))

    def people(self, night: date, people: dict[str, list[str]]) -> None:
        """Deliver and cluster at once: who is who, by record keys."""
        self.deliver(night, [{"record_id": record} for records in people.values() for record in records])
        self.cluster(night, list(people.values()))

    def assign(self, night: date) -> dict[str, int]:
        shares = outcomes.shares_of_night(self.configuration, night)
        prior = registry.prior_snapshot(self.home, night)
        return identity.assign_identities(self.configuration, night, shares, prior=prior, run_id=f"run of {night}")

    def build(self, night: date, *, model_version: str = "test_model", **options: Any) -> registry.Snapshot:
        events = self.assign(night)
        shares = outcomes.shares_of_night(self.configuration, night)
        about = {"model_version": model_version, "identity_events": events}
        return registry.build_snapshot(self.configuration, night, shares, run_id="run", about=about, **options)

    def publish(self, night: date, **options: Any) -> registry.Snapshot:
        snapshot = self.build(night, **options)
        registry.publish(self.configuration, snapshot)
        return snapshot

    def carry_ids(self, night: date) -> Path:
        """Assign ids and carry them on, without the rest of a snapshot."""
        self.assign(night)
        n = len(list(self.home.snapshots.glob(f"{night}.*"))) + 1
        folder = self.home.snapshot(f"{night}.{n}")
        folder.mkdir(parents=True)
        manifest: dict[str, dict[str, Any]] = {"rows": {}, "sha256": {}}
        for table in (*registry.CARRIED_ON, *registry.BESIDE):
            if self.home.linked(table, night).is_file():
                content = self.home.linked(table, night).read_bytes()
                (folder / f"{table}.parquet").write_bytes(content)
                manifest["rows"][table] = pq.read_metadata(folder / f"{table}.parquet").num_rows
                manifest["sha256"][table] = hashlib.sha256(content).hexdigest()
        write_json(folder / "manifest.json", manifest)
        write_json(folder / "published.json", {})
        return folder

    def overrides(self, night: date, *pairs: tuple[int, str, str, str]) -> None:
        """Overrides in force on a night: number, kind, and the two records; without any, the file of an empty store."""
        rows = [
            {"override_id": n, "kind": kind, "record_id_l": min(a, b), "record_id_r": max(a, b)}
            for n, kind, a, b in pairs
        ]
        write_rows("override_pair", self.home.linked("override_pair", night), rows)

    def live(self, number: int, people: dict[str, list[str]], *overrides: tuple[int, str, str, str]) -> Path:
        """A night: who is who, and the overrides in force; returns the folder that holds its ids."""
        self.people(self.night(number), people)
        self.overrides(self.night(number), *overrides)
        return self.carry_ids(self.night(number))

    def ids(self, folder: Path) -> dict[str, str]:
        """Record key to patient_id."""
        return dict(query(folder / "patient_record.parquet", "SELECT record_id, patient_id::VARCHAR FROM t"))

    def reader(self, folder: Path) -> Any:
        """A connection that knows the history of ids, as a reader's."""
        _connection().execute(
            f"CREATE OR REPLACE TEMP TABLE identity_event AS FROM read_parquet('{folder}/identity_event.parquet')"
        )
        return _connection()

    def history(self, folder: Path) -> list[tuple[Any, ...]]:
        return query(
            folder / "identity_event.parquet",
            "SELECT event_type, cause, patient_id::VARCHAR, other_patient_id::VARCHAR, night, record_count FROM t",
        )


@pytest.fixture
def care_system(tmp_path: Path) -> CareSystem:
    return CareSystem(Home(tmp_path / "home"))


@pytest.fixture
def new_care_system(tmp_path_factory: pytest.TempPathFactory):
    """Makes care systems, each with a home of its own (for hypothesis, which runs many in one test)."""
    return lambda: CareSystem(Home(tmp_path_factory.mktemp("home")))


@pytest.fixture
def rows_of():
    return query
