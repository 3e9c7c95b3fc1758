"""The registry as a purpose sees it that must not see identities: which people, which values, and no name for anybody.

What belongs here: making an output of a published snapshot, measuring how alike its people are (k-anonymity), letting
its readers see it, and removing outputs whose snapshots have gone. What does not: keys and pseudonyms
(`govern.pseudonyms`), who objects (`govern.objections`), and who signs (`govern.sign_off`, asked by whoever releases).

An output holds only what came from providers whose agreement covers both direct care, for which records are linked, and
the purpose. Where a person is known to other providers too, survivorship runs again on the records that are covered, by
the same rules, so that no value comes from one that is not. Where nothing is left out of a person, the registry's own
values stand.

What leaves can still single somebody out by what is rare about them. Each manifest says how many people are alike in
their quasi-identifiers; an output stays personal data, to be read under its agreement.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import registry
from registry_pipeline.config import Configuration, ConsumerName, Provider, Purpose, PurposeOutput
from registry_pipeline.consumer import Consumer, Made, Reading, name_made_before, open_whole, refuse_other_form
from registry_pipeline.errors import BadInput, NotAllowed, RunFailed
from registry_pipeline.govern import disclosure, journal, objections, postcodes, pseudonyms
from registry_pipeline.outcomes import Share, may_be_used
from registry_pipeline.storage import (
    FORMER,
    Home,
    connect,
    file_digest,
    load_sql,
    lock,
    read_json,
    remove_folder,
    scan,
    snapshot_order,
    step_aside,
    swap_symlink,
    whole_folder,
    write_json,
    write_table,
)
from registry_pipeline.tables import EVENT_TABLES, OUTPUT_CONSUMER_TABLES, OUTPUT_TABLES, SCHEMA_VERSIONS, TABLES

if TYPE_CHECKING:
    import duckdb

TOP_AGE = 90
"""Age from which on neither age nor year of birth is told: 45 CFR 164.514(b)(2)(i)(C) lumps ages over 89 together,
since few people reach them."""

QUASI_IDENTIFIERS: tuple[tuple[str, ...], ...] = (
    ("age_band", "sex"),
    ("age_band", "sex", "ethnicity"),
    ("age_band", "sex", "gp_practice"),
    ("age_band", "sex", "lsoa"),
    ("birth_period", "sex", "lsoa"),
    ("age_band", "sex", "ethnicity", "lsoa"),
    ("age_band", "birth_period", "death_month", "sex", "ethnicity", "lsoa", "gp_practice"),
)
"""What somebody who looks for a person may know of them, from little to everything; the last is all that `patient`
tells. How alike people are is measured for each."""

NO_AGREEMENT = "agreement"
"""Why people are left out whom no provider knows whose agreement covers the purpose."""

MANIFEST = "manifest.json"

_NEVER_TOLD = frozenset({"record_id", "local_id", "description", "coordinator_id", "carer_local_id", "night"})
"""Columns of events that no output has: others' ids, free text, and the night of delivery, which tells the day."""

_NEVER_FREE_TEXT = frozenset({"activity_kind", "coding_system", "provider", "setting"})
"""Columns whose values are our own words, of those that an event has in the registry and in an output."""


@dataclass(frozen=True)
class Output:
    """What one purpose may see of one snapshot.

    Attributes:
        folder: where its tables and `manifest.json` lie.
        rows: rows of each table.
        left_out: people left out, wholly or in part, by reason; small numbers hidden.
        k_anonymity: how alike people are; see `_likeness`.
        manifest: all that the manifest says.
    """

    purpose: str
    snapshot_id: str
    folder: Path
    rows: Mapping[str, int]
    left_out: Mapping[str, int | str]
    k_anonymity: Mapping[str, Any]
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Besides:
    """What an output holds besides the registry's tables.

    Attributes:
        consumers: who makes each table, from what the purpose may see.
        made_from: what those tables rest on besides the snapshot, with its digest.
    """

    consumers: Mapping[ConsumerName, Consumer]
    made_from: Mapping[str, str]


def covers(configuration: Configuration, provider: Provider, night: date, purpose: str) -> bool:
    """Whether a purpose may see a provider's records on a night: only under an agreement that names it.

    A deployment in which nobody has an agreement and none is required is a trial; its outputs need them all the same,
    since they leave it, and what is made within it does not.
    """
    agreement = provider.last_agreement(night)
    if agreement is None:
        is_trial = not configuration.agreements_required
        return is_trial and purpose not in configuration.deployment.outputs
    return purpose in agreement.purposes and may_be_used(configuration, provider, night)


def check_outputs(configuration: Configuration) -> None:
    """What can be said of every output before one is made: its key, and the list of postcodes.

    Raises:
        BadInput: the first thing that is wrong.
    """
    home = Home(configuration.home)
    for purpose in configuration.deployment.outputs:
        pseudonyms.refuse_changed(home, purpose, pseudonyms.key_for(configuration, purpose))
    if configuration.deployment.postcodes is not None:
        with closing(connect(home, macros=False)) as connection:
            postcodes.name_areas(connection, configuration)


def make_output(
    configuration: Configuration,
    purpose: Purpose,
    snapshot_id: str,
    besides: Besides | None = None,
) -> Output:
    """Write every table of a snapshot as one purpose may see it, whole or not at all.

    What was made today already from the same snapshot, key, configuration and objections is given back as it is. What
    readers see goes on standing until `release`, also where it is of the same snapshot.

    Args:
        configuration: the deployment.
        purpose: one of its `outputs`.
        snapshot_id: a snapshot that was published.
        besides: what consumers make of what the purpose may see.

    Raises:
        BadInput: there is no such output or snapshot, the key or the list of postcodes cannot be used, or the key is
            another than that of the outputs before.
        RunFailed: no agreement covers the purpose, the snapshot is damaged, an objection cannot be looked up, or the
            disk is full.
    """
    output = pseudonyms.output_of(configuration, purpose)
    key = pseudonyms.key_for(configuration, purpose)
    home = Home(configuration.home)
    pseudonyms.refuse_changed(home, purpose, key)
    snapshot = _published(home, snapshot_id)
    with lock(home, f"output-{purpose}"):
        made_from = {**_made_from(configuration, output, snapshot, key), **(besides.made_from if besides else {})}
        standing = find_output(configuration, purpose, snapshot_id)
        if standing is not None and standing.manifest.get("made_from") == made_from and not _faults(standing):
            return standing
        with whole_folder(home.output(purpose, snapshot_id)) as folder:
            manifest = _Making(
                configuration, purpose, output, snapshot, key, besides.consumers if besides else {}
            ).write(folder)
            write_json(folder / MANIFEST, {**manifest, "made_from": made_from})
            for file in folder.iterdir():
                file.chmod(0o400)
            folder.chmod(0o700)
            step_aside(home.output(purpose, snapshot_id), home.output_current(purpose))
        pseudonyms.take_into_use(home, purpose, key)
    made = find_output(configuration, purpose, snapshot_id)
    assert made is not None  # noqa: S101  # it was written above
    return made


def find_output(configuration: Configuration, purpose: Purpose, snapshot_id: str) -> Output | None:
    """An output that was made, if it was."""
    folder = Home(configuration.home).output(purpose, snapshot_id)
    if not (folder / MANIFEST).is_file():
        return None
    manifest = read_json(folder / MANIFEST)
    return Output(
        purpose, snapshot_id, folder, manifest["rows"], manifest["left_out"], manifest["k_anonymity"], manifest
    )


def verify(output: Output) -> None:
    """Whether every table is the file that was made.

    Raises:
        RunFailed: one is missing or another.
    """
    faults = _faults(output)
    if faults:
        raise RunFailed(
            f"The output {output.folder} is damaged ({', '.join(faults)}: missing, or not the file that was made):"
            " remove the folder and make the output again."
        )


def _faults(output: Output) -> list[str]:
    files = {name: output.folder / f"{name}.parquet" for name in output.manifest["sha256"]}
    return [
        file.name
        for name, file in files.items()
        if not file.is_file() or file_digest(file) != output.manifest["sha256"][name]
    ]


def release(configuration: Configuration, purpose: Purpose, snapshot_id: str) -> bool:
    """Let the readers of a purpose see an output, in one step; whether it may be is the caller's to have asked.

    Returns:
        True if they now see it; False where a later night's is what they see already.

    Raises:
        BadInput: it was not made.
        RunFailed: it is damaged.
    """
    home = Home(configuration.home)
    output = find_output(configuration, purpose, snapshot_id)
    if output is None:
        raise BadInput(
            f"There is no output of {snapshot_id} for {purpose} yet: make it first (registry export --purpose {purpose}"
            f" --snapshot {snapshot_id})."
        )
    verify(output)
    with lock(home, f"output-{purpose}"):
        link = home.output_current(purpose)
        seen = snapshot_of(link.resolve()) if link.exists() else None
        if seen is not None and snapshot_order(Path(seen))[0] > snapshot_order(Path(snapshot_id))[0]:
            return False
        swap_symlink(link, output.folder)
        for former in link.parent.glob(f"[!.]*{FORMER}"):
            remove_folder(former)
    return True


def snapshot_of(folder: Path) -> str:
    """The snapshot that an output's folder is of."""
    return folder.name.removesuffix(FORMER)


def _published(home: Home, snapshot_id: str) -> Path:
    """The folder of a published snapshot whose tables are those that were audited.

    Raises:
        BadInput: there is none of that id.
        RunFailed: a table is missing, or another than was published.
    """
    snapshot = home.snapshot(snapshot_id)
    if not (snapshot / "published.json").is_file():
        raise BadInput(
            f"There is no published snapshot {snapshot_id!r} under {home.snapshots}: see the folder for what there is."
        )
    digests = read_json(snapshot / MANIFEST)["sha256"]
    for table in (*OUTPUT_TABLES, "moved_record"):
        file = snapshot / f"{table}.parquet"
        if table in digests and (not file.is_file() or file_digest(file) != digests[table]):
            raise RunFailed(
                f"The snapshot {snapshot_id} is damaged ({file.name} is missing, or not the file that was published):"
                " no output can be made of it; restore it from a backup, or run its night again."
            )
    return snapshot


def _made_from(
    configuration: Configuration, output: PurposeOutput, snapshot: Path, key: pseudonyms.Key
) -> dict[str, Any]:
    """What an output rests on: while it is the same, making it again would give the same."""
    lookup = configuration.deployment.postcodes
    listed = configuration.sources / lookup.path if lookup is not None else None
    agreements = {
        code: [a.model_dump(mode="json") for a in p.agreements] for code, p in configuration.providers.items()
    }
    description = {
        "output": output.model_dump(mode="json"),
        "agreements": agreements,
        "required": configuration.agreements_required,
        "postcodes": lookup.model_dump(mode="json") if lookup is not None else None,
        "opt_out": str(configuration.deployment.national_opt_out),
    }
    said = journal.entries(Home(configuration.home), ("opt_out_refresh", "objection", "forget"))
    return {
        "snapshot": file_digest(snapshot / MANIFEST),
        "key": key.fingerprint,
        "configuration": hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest(),
        "postcodes": file_digest(listed) if listed is not None and listed.is_file() else None,
        "objections": said[-1].number if said else 0,
        "on": datetime.now(UTC).date().isoformat(),
    }


@dataclass(frozen=True)
class _Sight:
    """What a purpose may see of a snapshot, as views and tables of a connection."""

    configuration: Configuration
    purpose: Purpose
    snapshot: Path

    def covered_shares(self, about: Mapping[str, Any], night: date) -> list[Share]:
        """The shares that the snapshot was made from, of providers whose records the purpose may see."""
        shares = []
        for entry in about["inputs"]:
            provider = self.configuration.providers.get(entry["provider"])
            if provider is not None and covers(self.configuration, provider, night, self.purpose):
                nights = tuple(date.fromisoformat(each["night"]) for each in entry["deliveries"])
                shares.append(Share(provider, entry["feed"], nights, entry["days_old"], entry["is_stale"]))
        if not any(share.feed == "patient" for share in shares):
            raise NotAllowed(
                f"No provider of the snapshot {self.snapshot.name} has an agreement that covers {self.purpose} (and"
                f" direct care) on {night}, so there is nothing to show: mend the agreements, or take what is made for"
                f" {self.purpose} out of registry.yaml."
            )
        return shares

    def name_kept(self, connection: duckdb.DuckDBPyConnection, night: date, covered: Sequence[Share]) -> dict[str, int]:
        """`kept_record`, `dropped_record` and `kept_<events>`: what may be seen; returns people left out by reason."""
        patients = [share for share in covered if share.feed == "patient"]
        for view, table in (
            ("crosswalk", "patient_record"),
            ("published_patient", "patient"),
            ("identity_event", "identity_event"),
            ("moved_record", "moved_record"),
            *((f"published_{table}", table) for table in EVENT_TABLES),
        ):
            connection.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM {self._published_table(table)}")  # noqa: S608  # names from tables.py
        connection.execute(
            "CREATE TEMP TABLE covered AS SELECT unnest($providers) AS provider, unnest($nights)::DATE AS night",
            {
                "providers": [share.provider.provider for share in patients],
                "nights": [share.night.isoformat() for share in patients],
            },
        )
        staged = scan([self._staged(share) for share in patients])
        connection.execute(
            f"CREATE TEMP VIEW covered_record AS SELECT staged.*, crosswalk.patient_id FROM {staged} AS staged"  # noqa: S608  # as above
            " JOIN crosswalk USING (record_id)"
        )
        connection.execute(
            # Some practices' systems keep every code, dissent too, among the observations.
            "CREATE TEMP VIEW covered_condition AS"
            " SELECT record_id, setting, code, coding_system, start_date FROM published_patient_condition UNION ALL"
            " SELECT record_id, setting, code, coding_system, start_date FROM published_patient_observation"
        )
        people = objections.name_left_out(connection, self.configuration, self.purpose, night)
        connection.execute(f"CREATE TEMP TABLE kept_record AS {load_sql('output_kept_record')}")
        connection.execute(
            "CREATE TEMP TABLE dropped_record AS"
            " SELECT record_id, patient_id, provider FROM crosswalk ANTI JOIN kept_record USING (record_id)"
        )
        is_whole = connection.execute("SELECT count(*) = 0 FROM dropped_record").fetchall()[0][0]
        without = "" if is_whole else " SEMI JOIN covered USING (provider) ANTI JOIN dropped_record USING (record_id)"
        for table, source in EVENT_TABLES.items():
            connection.execute(f"CREATE TEMP VIEW kept_{source} AS SELECT * FROM published_{table}{without}")  # noqa: S608  # as above
        unknown = (
            "SELECT count(DISTINCT patient_id) FROM crosswalk ANTI JOIN"
            " (SELECT patient_id FROM crosswalk SEMI JOIN covered USING (provider)) AS known USING (patient_id)"
        )
        return {NO_AGREEMENT: int(connection.execute(unknown).fetchall()[0][0]), **people}

    def name_again(self, connection: duckdb.DuckDBPyConnection, night: date, covered: Sequence[Share]) -> None:
        """`seen_in_part`, the people of whom not all may be seen, and `patient_again`, their values chosen anew."""
        uncovered_replacements = any(
            "nhs_number_replacement" in provider.feeds
            for code, provider in self.configuration.providers.items()
            if code not in {share.provider.provider for share in covered}
        )
        # Which NHS number stands for another weighs in on a birth date: it must not be known from who is not covered.
        of_whom = "crosswalk" if uncovered_replacements else "dropped_record"
        connection.execute(
            f"CREATE TEMP TABLE seen_in_part AS SELECT DISTINCT patient_id FROM {of_whom}"  # noqa: S608  # one of two names
            " SEMI JOIN kept_record USING (patient_id)"
        )
        if connection.execute("SELECT count(*) FROM seen_in_part").fetchall()[0][0]:
            self._choose_again(connection, night, covered)
        else:
            connection.execute("CREATE TEMP TABLE patient_again AS SELECT * FROM published_patient LIMIT 0")

    def _choose_again(self, connection: duckdb.DuckDBPyConnection, night: date, covered: Sequence[Share]) -> None:
        """`patient_again`: survivorship on the records that may be seen, of people of whom not all may be."""
        home = Home(self.configuration.home)
        registry.name_inputs(connection, home, covered, "(FROM kept_record SEMI JOIN seen_in_part USING (patient_id))")
        gone = "SELECT count(*) FROM patient_record ANTI JOIN person_record USING (record_id)"
        if connection.execute(gone).fetchall()[0][0]:
            raise RunFailed(
                f"What was taken in for {night} has changed since the snapshot {self.snapshot.name} was made of it: run"
                f" the night {night} again, and read the new snapshot."
            )

        def keep(query: str, parameters: Mapping[str, Any]) -> int:
            connection.execute(f"CREATE TEMP TABLE patient_again AS {query}", dict(parameters))
            return 0

        registry.survive(connection, night, keep)

    def _published_table(self, table: str) -> str:
        file = self.snapshot / f"{table}.parquet"
        if file.is_file():
            return scan(file)
        # A snapshot of an older version may lack a table that came later.
        columns = ", ".join(f'NULL::{c.type} AS "{c.name}"' for c in TABLES[table].columns)
        return f"(SELECT {columns} LIMIT 0)"

    def _staged(self, share: Share) -> Path:
        file = Home(self.configuration.home).staged("person_record", share.provider.provider, share.night)
        if not file.is_file():
            raise RunFailed(
                f"The records of {share.provider.provider} of {share.night}, from which the snapshot"
                f" {self.snapshot.name} was made, are gone: run the night {share.night} again."
            )
        return file


@contextmanager
def open_reading(configuration: Configuration, purpose: Purpose, snapshot_id: str) -> Iterator[Reading]:
    """A published snapshot as a purpose may see it, with identities, for what is made from it (`consumer.Reading`).

    People and records are left out as in an output for the same purpose, by agreement and objection. Direct care sees
    the whole snapshot.

    Raises:
        BadInput: the snapshot is of an older form, or there is none.
        RunFailed: no agreement covers the purpose, the snapshot is damaged, or an objection cannot be looked up.
    """
    if purpose == "direct_care":
        with open_whole(configuration, snapshot_id) as reading:
            yield reading
        return
    home, deployment = Home(configuration.home), configuration.deployment
    snapshot = _published(home, snapshot_id)
    refuse_other_form(snapshot)
    about = read_json(snapshot / MANIFEST)
    night = date.fromisoformat(about["night"])
    sight = _Sight(configuration, purpose, snapshot)
    covered = sight.covered_shares(about, night)
    with closing(connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads)) as connection:
        left_out = sight.name_kept(connection, night, covered)
        sight.name_again(connection, night, covered)
        connection.execute("DROP TABLE IF EXISTS patient_record")  # survivorship's own, under the crosswalk's name
        connection.execute(load_sql("reading_of_purpose"))
        for table, source in EVENT_TABLES.items():
            connection.execute(f"CREATE TEMP VIEW {table} AS FROM kept_{source}")
        absent = name_made_before(connection, home, snapshot_id, night)
        yield Reading(configuration, purpose, snapshot_id, night, connection, absent, left_out)


@dataclass(frozen=True)
class _Making:
    """One output being made."""

    configuration: Configuration
    purpose: Purpose
    output: PurposeOutput
    snapshot: Path
    key: pseudonyms.Key
    more: Mapping[ConsumerName, Consumer]

    def write(self, folder: Path) -> dict[str, Any]:
        """Every table, and what the manifest says of them."""
        home, deployment = Home(self.configuration.home), self.configuration.deployment
        about = read_json(self.snapshot / MANIFEST)
        night = date.fromisoformat(about["night"])
        sight = _Sight(self.configuration, self.purpose, self.snapshot)
        covered = sight.covered_shares(about, night)
        with closing(
            connect(home, memory_limit=deployment.memory_limit, threads=deployment.threads, macros=False)
        ) as connection:
            left_out = sight.name_kept(connection, night, covered)
            sight.name_again(connection, night, covered)
            self._name_people(connection)
            rows = self._write_tables(connection, night, folder)
            likeness = _likeness(connection, folder / "patient.parquet", self.output.smallest_group)
        consumed = {name: self._write_consumed(name, consumer, folder) for name, consumer in self.more.items()}
        rows |= {name: made.rows[name] for name, made in consumed.items()}
        providers = {share.provider.provider: share.provider for share in covered}
        return {
            "purpose": self.purpose,
            "snapshot_id": self.snapshot.name,
            "night": night.isoformat(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "key_fingerprint": self.key.fingerprint,
            "rows": rows,
            "schema_versions": {table: SCHEMA_VERSIONS["output"][table] for table in rows},
            "sha256": {table: file_digest(folder / f"{table}.parquet") for table in rows},
            "providers": {
                "covered": [
                    {"provider": code, "agreement": agreement.reference}
                    for code, provider in providers.items()
                    if (agreement := provider.last_agreement(night)) is not None
                ],
                "not_covered": sorted(self.configuration.providers.keys() - providers.keys()),
            },
            "left_out": {reason: disclosure.shown_count(people) for reason, people in left_out.items()},
            "settings": self.output.model_dump(mode="json", exclude={"key"}),
            "k_anonymity": likeness,
            **({"made_of_it": {name: dict(made.about) for name, made in consumed.items()}} if consumed else {}),
        }

    def _write_consumed(self, name: ConsumerName, consumer: Consumer, folder: Path) -> Made:
        """What a consumer makes of all that the purpose may see and of nothing else, under the purpose's pseudonyms."""
        table = OUTPUT_CONSUMER_TABLES[name]
        with open_reading(self.configuration, self.purpose, self.snapshot.name) as reading:
            identified = folder / f".{name}.identified"
            identified.mkdir()
            made = consumer(reading, identified)
            pseudonyms.bind(reading.connection, self.key)
            pseudonyms.define(reading.connection)
            reading.connection.execute(f"CREATE TEMP VIEW consumed AS FROM {scan(identified / f'{name}.parquet')}")
            parameters = {"band": self.output.age_band_years, "top": TOP_AGE}
            file = folder / f"{name}.parquet"
            write_table(reading.connection, load_sql(f"output_{name}"), table, file, parameters)
        shutil.rmtree(identified)
        return made

    def _name_people(self, connection: duckdb.DuckDBPyConnection) -> None:
        """`person`: one row per person, with the values that the covered records give."""
        connection.execute(f"CREATE TEMP TABLE first_event AS {load_sql('output_first_event')}")
        pseudonyms.bind(connection, self.key)
        pseudonyms.define(connection)
        connection.execute(load_sql("output_macros"))
        connection.execute(f"CREATE TEMP TABLE person AS {load_sql('output_person')}")
        postcodes.name_areas(connection, self.configuration)

    def _write_tables(self, connection: duckdb.DuckDBPyConnection, night: date, folder: Path) -> dict[str, int]:
        relative = {"relative": self.output.event_dates == "relative"}
        parameters: dict[str, dict[str, Any]] = {
            "patient": {
                "night": night,
                "birth": self.output.birth,
                "band": self.output.age_band_years,
                "top": TOP_AGE,
            },
            **dict.fromkeys(EVENT_TABLES, relative),
        }
        rows = {}
        for name, table in OUTPUT_TABLES.items():
            if name in EVENT_TABLES:
                self._name_shown_events(connection, name)
            file = folder / f"{name}.parquet"
            rows[name] = write_table(connection, load_sql(f"output_{name}"), table, file, parameters.get(name))
        return rows

    def _name_shown_events(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        """The view `kept_event` of one table, without what may be free text: no code, and few people share it."""
        source = f"kept_{EVENT_TABLES[table]}"
        withheld = []
        for name in _coded_columns(table):
            values = f"SELECT DISTINCT {name} AS told FROM {source}"  # noqa: S608  # names from tables.py
            connection.execute(f"CREATE OR REPLACE TEMP TABLE word AS FROM ({values}) WHERE NOT is_code(told)")
            if not connection.execute("SELECT count(*) FROM word").fetchall()[0][0]:
                continue
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE rare_{name} AS SELECT told FROM {source} JOIN word ON {name} = told"  # noqa: S608  # as above
                " GROUP BY told HAVING count(DISTINCT patient_id) < $smallest",
                {"smallest": self.output.smallest_group},
            )
            if connection.execute(f"SELECT count(*) FROM rare_{name}").fetchall()[0][0]:  # noqa: S608  # as above
                withheld.append(f"CASE WHEN {name} NOT IN (FROM rare_{name}) THEN {name} END AS {name}")
        replaced = f" REPLACE ({', '.join(withheld)})" if withheld else ""
        told = f"* EXCLUDE ({', '.join(_untold_columns(table))}){replaced}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW kept_event AS SELECT {told} FROM {source}")  # noqa: S608  # as above
        connection.execute(f"CREATE OR REPLACE TEMP VIEW event_of_person AS {load_sql('output_event_of_person')}")


def _untold_columns(table: str) -> list[str]:
    """Columns of an event of which an output tells nothing."""
    return [column.name for column in TABLES[table].columns if column.name in _NEVER_TOLD]


def _coded_columns(table: str) -> list[str]:
    """Columns of an event whose values a provider chose, and that an output shows."""
    published = {column.name for column in TABLES[table].columns}
    return [
        column.name
        for column in OUTPUT_TABLES[table].columns
        if column.type == "VARCHAR" and column.name in published - _NEVER_FREE_TEXT
    ]


def _likeness(connection: duckdb.DuckDBPyConnection, patients: Path, smallest_group: int) -> dict[str, Any]:
    """How alike people are (k-anonymity), for everything that `patient` tells and for parts of it.

    Measured on the file that leaves. For each set of columns: into how many groups of people alike they part the
    people, how many the smallest has (k), and how many people are in groups of fewer than `smallest_group`.
    """
    sets = []
    for columns in QUASI_IDENTIFIERS:
        listed = ", ".join(columns)
        alike = f"SELECT count(*) AS size FROM {scan(patients)} GROUP BY {listed}"  # noqa: S608  # names from this module
        connection.execute(f"CREATE OR REPLACE TEMP VIEW alike AS {alike}")
        groups, smallest, below, people = connection.execute(
            load_sql("output_likeness"), {"smallest": smallest_group}
        ).fetchall()[0]
        sets.append(
            {
                "columns": list(columns),
                "groups": int(groups),
                # The manifest leaves with the tables: how many exactly would be a small number of its own.
                "smallest_group": disclosure.shown_count(int(smallest)),
                "people_below": disclosure.shown_count(int(below)),
                "share_below": disclosure.shown_share(int(below), int(people)),
            }
        )
    return {"asked": smallest_group, "people": disclosure.shown_count(int(people)), "sets": sets}
