"""What is made of a published snapshot: each consumer whole, by itself, for its purpose, and gone with a person."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from registry_pipeline import consume
from registry_pipeline.config import load_configuration
from registry_pipeline.consumer import PURPOSE_OF, Made, Reading
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal
from registry_pipeline.night import make_consumers, report_night, run_night
from registry_pipeline.registry import purposes
from registry_pipeline.storage import prune_made_of_snapshots, read_json, write_table
from registry_pipeline.tables import CONSUMER_TABLES

from .conftest import FIRST, SECOND, System, described

SNAPSHOT = f"{FIRST}.1"
GAPS, TEAMS = "care_gap", "patient_care_team"


def consumers(system: System, named: str, more: str = "") -> System:
    """The system with these consumers in its registry.yaml."""
    file = system.folder / "registry.yaml"
    file.write_text(file.read_text().replace("consumers: []", f"consumers: [{named}]") + more)
    return system


def gaps_of_everybody(reading: Reading, folder: Path) -> Made:
    """A consumer that finds one gap for each person whom its purpose may see."""
    query = (
        "SELECT patient_id, $night::DATE AS night, 'everybody' AS protocol, '1' AS protocol_version, 'step' AS step,"
        " 'Something' AS title, $night::DATE AS due_since, 0 AS days_overdue, NULL AS last_done,"
        " NULL AS last_done_setting, NULL AS last_done_provider, ['gp'] AS may_be_done_by, NULL AS trigger_event_key,"
        " false AS is_seamlessness_gap FROM patient"
    )
    table = CONSUMER_TABLES[GAPS]
    rows = write_table(reading.connection, query, table, folder / f"{GAPS}.parquet", {"night": reading.night})
    page = folder / "pages" / "index.html"
    page.parent.mkdir()
    page.write_text("<p>Nobody is named</p>")
    return Made(rows={GAPS: rows}, about={"version": 1}, pages=(page,))


def breaks(_reading: Reading, _folder: Path) -> Made:
    raise ValueError("Amara Abara was born on 14/03/1931")


def refuses(_reading: Reading, _folder: Path) -> Made:
    raise BadInput("protocols/diabetes.yaml, line 3: there is no code list 'hba1d'; did you mean 'hba1c'?")


@pytest.fixture
def by_name(monkeypatch) -> Callable[..., None]:
    """Put other consumers in the place of the real ones."""

    def put(**made_by: Callable[[Reading, Path], Made]) -> None:
        monkeypatch.setattr(consume, "consumer_of", lambda name: made_by[name])

    return put


def table(system: System, name: str = GAPS, where: str = "current") -> list[tuple]:
    file = system.home.root / "consumers" / name / where / f"{name}.parquet"
    return duckdb.execute("FROM read_parquet(?)", [str(file)]).fetchall()


def test_a_night_makes_its_consumers_and_the_journal_says_so(system, by_name):
    by_name(care_gap=gaps_of_everybody)
    consumers(system, GAPS).deliver(FIRST)

    code, out, _ = system.run(FIRST)

    assert code == 0
    assert GAPS in out
    [people] = system.query("SELECT count(*) FROM {patient}")[0]
    assert len(table(system)) == people > 100
    manifest = read_json(system.home.consumer_current(GAPS) / "manifest.json")
    assert (manifest["purpose"], manifest["snapshot_id"], manifest["about"]) == (
        "direct_care",
        SNAPSHOT,
        {"version": 1},
    )
    assert set(manifest["sha256"]) == {"care_gap.parquet", "pages/index.html"}
    [entry] = [e for e in journal.entries(system.home, ("release",)) if e.what.get("consumer") == GAPS]
    assert entry.what["purpose"] == "direct_care"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (breaks, "care_gap broke unexpectedly (ValueError at"),
        (refuses, "protocols/diabetes.yaml, line 3: there is no code list 'hba1d'"),
    ],
)
def test_one_that_fails_stops_no_other_and_tells_no_value(first_night, by_name, broken, said):
    by_name(care_gap=broken, patient_care_team=teams_of_nobody)
    consumers(first_night, f"{GAPS}, {TEAMS}")

    code, out, err = first_night.registry("consumers")

    assert code == 1
    assert said in err
    assert "Abara" not in out + err
    assert not first_night.home.consumer_current(GAPS).exists()
    assert first_night.home.consumer_current(TEAMS).exists()
    failed = journal.entries(first_night.home, ("failed",))[-1]
    assert failed.what["stage"] == GAPS
    assert "Abara" not in json.dumps(failed.what)
    assert list((first_night.home.root / "consumers" / GAPS).glob("*")) == []


def teams_of_nobody(reading: Reading, folder: Path) -> Made:
    columns = ", ".join(f"NULL::{c.type} AS {c.name}" for c in CONSUMER_TABLES[TEAMS].columns)
    file = folder / f"{TEAMS}.parquet"
    rows = write_table(reading.connection, f"SELECT {columns} LIMIT 0", CONSUMER_TABLES[TEAMS], file)
    return Made(rows={TEAMS: rows})


def test_a_table_that_breaks_its_own_rules_is_shown_to_nobody(first_night, by_name):
    def twice(reading: Reading, folder: Path) -> Made:
        reading.connection.execute("CREATE TEMP TABLE whole AS FROM patient")
        reading.connection.execute("CREATE OR REPLACE TEMP VIEW patient AS FROM whole UNION ALL FROM whole")
        return gaps_of_everybody(reading, folder)

    by_name(care_gap=twice)
    consumers(first_night, GAPS)

    code, _, err = first_night.registry("consumers", "--only", GAPS)

    assert code == 1
    assert "failed its own checks" in err
    assert not first_night.home.consumer(GAPS, SNAPSHOT).exists()


def test_made_again_it_takes_the_place_of_the_former_while_readers_go_on_seeing_one(first_night, by_name):
    by_name(care_gap=gaps_of_everybody)
    consumers(first_night, GAPS)
    assert first_night.registry("consumers")[0] == 0
    before = len(table(first_night))
    assert first_night.registry("consumers")[0] == 0

    assert len(table(first_night)) == before
    folders = sorted(p.name for p in (first_night.home.root / "consumers" / GAPS).iterdir())
    assert folders == [SNAPSHOT, "current"]

    by_name(care_gap=breaks)
    assert first_night.registry("consumers")[0] == 1
    assert len(table(first_night)) == before


def test_an_unknown_consumer_is_refused_with_the_nearest(first_night):
    consumers(first_night, GAPS)
    code, _, err = first_night.registry("consumers", "--only", "care_gaps")
    assert (code, "did you mean 'care_gap'?" in err) == (2, True)


def test_readers_wait_for_the_signatures_of_their_purpose(first_night, by_name):
    by_name(care_gap=gaps_of_everybody)
    consumers(first_night, GAPS, "sign_offs: {direct_care: 1}\n")
    report_night(load_configuration(first_night.folder, environment={}), FIRST, SNAPSHOT)
    code, out, _ = first_night.registry("consumers")
    assert (code, "waits for 1 signature(s)" in out) == (0, True)
    assert not first_night.home.consumer_current(GAPS).exists()

    who = ("--who", "A. Okoro", "--role", "Caldicott Guardian", "--comment", "Looked at it")
    assert first_night.registry("sign-off", SNAPSHOT, *who)[0] == 0

    assert first_night.home.consumer_current(GAPS).resolve().name == SNAPSHOT
    assert journal.entries(first_night.home, ("release",))[-1].what["consumers"] == [GAPS]


def test_what_was_made_goes_with_its_snapshot(first_night, by_name):
    by_name(care_gap=gaps_of_everybody)
    consumers(first_night, GAPS)
    configuration = load_configuration(first_night.folder, environment={})
    make_consumers(configuration, FIRST, SNAPSHOT)
    first_night.deliver(SECOND)
    run_night(configuration, SECOND)
    shutil.rmtree(first_night.home.snapshot(SNAPSHOT))

    assert prune_made_of_snapshots(first_night.home, "consumers") == [f"{GAPS}/{SNAPSHOT}"]
    assert first_night.home.consumer_current(GAPS).resolve().name == f"{SECOND}.1"


# --------------------------------------------------------------------------------------- what a purpose may see ---

AGREEMENT = "{reference: DSA-1, purposes: [PURPOSES], starts: 2026-01-01, ends: 2027-01-01}"


def agreed(folder: Path, **purposes_of: str) -> System:
    described(folder)
    system = System(folder)
    for provider, setting in (("GP1", "gp"), ("RX1", "acute"), ("RY1", "community")):
        named = purposes_of.get(provider, "direct_care, audit, case_conference, risk_stratification")
        system.describe(provider, setting, agreement=AGREEMENT.replace("PURPOSES", named))
    system.deliver(FIRST)
    run_night(load_configuration(folder, environment={}), FIRST)
    return system


@pytest.fixture(scope="module")
def partly_agreed(tmp_path_factory) -> System:
    """A night in which the hospital's agreement covers direct care only."""
    return agreed(tmp_path_factory.mktemp("agreed") / "system", RX1="direct_care")


@pytest.mark.parametrize(
    ("purpose", "providers"),
    [("direct_care", ["GP1", "RX1", "RY1"]), ("audit", ["GP1", "RY1"]), ("case_conference", ["GP1", "RY1"])],
)
def test_a_purpose_reads_the_records_that_agreements_cover(partly_agreed, purpose, providers):
    configuration = load_configuration(partly_agreed.folder, environment={})
    with purposes.open_reading(configuration, purpose, SNAPSHOT) as reading:
        seen = reading.connection.execute("SELECT DISTINCT provider FROM patient_record ORDER BY 1").fetchall()
        columns = [row[0] for row in reading.connection.execute("DESCRIBE patient").fetchall()]
        without = reading.connection.execute("SELECT count(*) FROM patient ANTI JOIN patient_record USING (patient_id)")
        assert without.fetchall() == [(0,)]
        counted = reading.connection.execute(
            "SELECT count(*) FROM (SELECT patient_id, count(*) AS n FROM patient_record GROUP BY 1)"
            " JOIN patient USING (patient_id) WHERE record_count <> n"
        ).fetchall()
    assert [provider for (provider,) in seen] == providers
    assert columns[:2] == ["patient_id", "nhs_number"]
    assert counted == [(0,)]


def test_who_objected_to_a_purpose_is_read_for_the_others_only(first_night):
    configuration = load_configuration(first_night.folder, environment={})
    code, _, err = first_night.registry(
        "objection", "add", "GP1:G0001", "--purposes", "audit", "--who", "A. Okoro", "--why", "Asked by letter"
    )
    assert code == 0, err

    def people(purpose: str) -> int:
        with purposes.open_reading(configuration, purpose, SNAPSHOT) as reading:
            return int(reading.connection.execute("SELECT count(*) FROM patient").fetchall()[0][0])

    assert people("audit") == people("direct_care") - 1
    assert people("case_conference") == people("direct_care")


def test_without_any_agreement_for_it_a_purpose_sees_nothing(tmp_path):
    system = agreed(tmp_path / "system", GP1="direct_care", RX1="direct_care", RY1="direct_care")
    configuration = load_configuration(system.folder, environment={})
    with (
        pytest.raises(RunFailed, match="agreement that covers case_conference"),
        purposes.open_reading(configuration, "case_conference", SNAPSHOT),
    ):
        raise AssertionError


def test_a_case_conference_shows_no_risk_and_no_gap_from_records_that_it_may_not_see(partly_agreed, tmp_path, by_name):
    shutil.copytree(partly_agreed.folder, tmp_path / "system", symlinks=True)
    system = consumers(System(tmp_path / "system"), "care_gap, case_conference_list")
    told: list[tuple[int, int]] = []

    def gap_of_each_record(reading: Reading, folder: Path) -> Made:
        reading.connection.execute(
            "CREATE OR REPLACE TEMP TABLE everybody AS SELECT patient.*, row_number() OVER () AS n"
            " FROM patient JOIN patient_record USING (patient_id)"
        )
        made = gaps_of_everybody(reading, folder)
        rows = write_table(
            reading.connection,
            "SELECT * REPLACE (record_id AS step) FROM read_parquet($file) JOIN"
            " (SELECT patient_id, record_id FROM patient_record) USING (patient_id)",
            CONSUMER_TABLES[GAPS],
            folder / "care_gap.each.parquet",
            {"file": str(folder / "care_gap.parquet")},
        )
        (folder / "care_gap.each.parquet").replace(folder / "care_gap.parquet")
        return Made(rows={GAPS: rows}, pages=made.pages)

    def list_of_nobody(reading: Reading, folder: Path) -> Made:
        gaps = "SELECT count(*), count(*) FILTER (starts_with(step, 'RX1:')) FROM care_gap"
        told.extend(reading.connection.execute(gaps).fetchall())
        table = CONSUMER_TABLES["case_conference_list"]
        columns = ", ".join(f"NULL::{c.type} AS {c.name}" for c in table.columns)
        query = f"SELECT {columns} LIMIT 0"
        return Made(rows={table.name: write_table(reading.connection, query, table, folder / f"{table.name}.parquet")})

    by_name(care_gap=gap_of_each_record, case_conference_list=list_of_nobody)
    configuration = load_configuration(system.folder, environment={})
    outcomes = make_consumers(configuration, FIRST, SNAPSHOT)

    assert [outcome.problem for outcome in outcomes] == [None, None]
    seen_by_direct_care = {row[4].partition(":")[0] for row in table(system)}
    assert seen_by_direct_care == {"GP1", "RX1", "RY1"}
    [(gaps, of_the_hospital)] = told
    assert gaps > 0
    assert of_the_hospital == 0


def earlier_risk(system: System) -> None:
    """A risk table of a month before, with a row for everybody."""
    risk = CONSUMER_TABLES["risk_stratification"]
    people = f"SELECT DISTINCT patient_id FROM '{system.home.snapshot(SNAPSHOT)}/patient_record.parquet'"
    others = ", ".join(f"NULL::{c.type} AS {c.name}" for c in risk.columns if c.name not in ("patient_id", "night"))
    query = f"SELECT patient_id, DATE '2026-03-01' AS night, {others} FROM ({people})"
    with closing(duckdb.connect()) as connection:
        write_table(connection, query, risk, system.home.consumer(risk.name, "2026-03-01.1") / f"{risk.name}.parquet")


def people_with_an_earlier_risk(system: System, by_name) -> int:
    """How many a case conference sees."""
    told: list[int] = []

    def list_of_nobody(reading: Reading, folder: Path) -> Made:
        told.extend(n for (n,) in reading.connection.execute("SELECT count(*) FROM risk_before").fetchall())
        table = CONSUMER_TABLES["case_conference_list"]
        columns = ", ".join(f"NULL::{c.type} AS {c.name}" for c in table.columns)
        rows = write_table(reading.connection, f"SELECT {columns} LIMIT 0", table, folder / f"{table.name}.parquet")
        return Made(rows={table.name: rows})

    earlier_risk(system)
    by_name(case_conference_list=list_of_nobody)
    configuration = load_configuration(consumers(system, "case_conference_list").folder, environment={})
    assert [outcome.problem for outcome in make_consumers(configuration, FIRST, SNAPSHOT)] == [None]
    return told[0]


def test_a_case_conference_sees_no_earlier_risk_of_whom_it_sees_in_part(partly_agreed, tmp_path, by_name):
    shutil.copytree(partly_agreed.folder, tmp_path / "system", symlinks=True)
    assert people_with_an_earlier_risk(System(tmp_path / "system"), by_name) == 0  # the hospital knows them all


def test_who_objects_costs_the_others_no_earlier_risk(first_night, by_name):
    [people] = first_night.query("SELECT count(*) FROM {patient}")[0]
    code, _, err = first_night.registry(
        "objection", "add", "GP1:G0001", "--purposes", "case_conference", "--who", "A. Okoro", "--why", "Asked"
    )
    assert code == 0, err
    assert people_with_an_earlier_risk(first_night, by_name) == people - 1


def test_risk_leaves_under_pseudonyms_and_only_of_what_its_purpose_sees(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RISK_KEY", "a key of the tests for risk 0123456789")
    outputs = "outputs: {risk_stratification: {key: {env: RISK_KEY}, objections: [local]}}\n"
    described(tmp_path / "system")
    system = System(tmp_path / "system", capsys)
    for provider, setting in (("GP1", "gp"), ("RX1", "acute"), ("RY1", "community")):
        named = "direct_care" if provider == "RX1" else "direct_care, risk_stratification"
        system.describe(provider, setting, agreement=AGREEMENT.replace("PURPOSES", named))
    consumers(system, "risk_stratification", outputs).deliver(FIRST)

    assert system.run(FIRST)[0] == 0
    code, out, err = system.registry("export", "--purpose", "risk_stratification", "--to", str(tmp_path / "copy"))

    assert code == 0, err
    assert "risk_stratification" in out
    risk = duckdb.execute("FROM read_parquet(?)", [str(tmp_path / "copy" / "risk_stratification.parquet")])
    columns = [column[0] for column in risk.description]
    told = dict(zip(columns, map(list, zip(*risk.fetchall(), strict=True)), strict=True))
    people = duckdb.execute("SELECT * FROM read_parquet(?)", [str(tmp_path / "copy" / "patient.parquet")]).fetchall()
    assert columns[:3] == ["patient_pseudonym", "age_band", "night"]
    assert {"patient_id", "age"}.isdisjoint(columns)
    assert set(told["patient_pseudonym"]) == {row[0] for row in people}
    assert len(table(system, "risk_stratification")) >= len(people)
    assert not any("acute" in used for kinds in told["inputs_used"] for used in kinds or [])


@pytest.mark.parametrize(
    ("named", "code", "state"), [(None, 0, "not allowed"), ("care_gap, case_conference_list", 1, "failed")]
)
def test_what_no_agreement_covers_is_a_failure_only_where_the_deployment_asked_for_it(
    tmp_path, capsys, named, code, state
):
    described(tmp_path / "system")
    system = System(tmp_path / "system", capsys)
    for provider, setting in (("GP1", "gp"), ("RX1", "acute"), ("RY1", "community")):
        purposes_named = "direct_care, risk_stratification, audit"
        system.describe(provider, setting, agreement=AGREEMENT.replace("PURPOSES", purposes_named))
    file = system.folder / "registry.yaml"
    file.write_text(file.read_text().replace("consumers: []\n", f"consumers: [{named}]\n" if named else ""))
    system.deliver(FIRST)

    exit_code, out, err = system.run(FIRST)

    assert exit_code == code
    assert state in out
    assert "case_conference_list: No provider of the snapshot" in err
    assert system.home.consumer_current(GAPS).exists()
    assert not system.home.consumer_current("case_conference_list").exists()
    assert system.registry("consumers", "--only", "case_conference_list")[0] == 1


def test_every_consumer_has_its_purpose_and_its_table():
    assert set(PURPOSE_OF) == set(CONSUMER_TABLES)


# ------------------------------------------------------------------------------------------------- a person's end ---


def test_forgetting_takes_a_person_out_of_what_was_made(first_night, by_name):
    by_name(care_gap=gaps_of_everybody)
    consumers(first_night, GAPS)
    assert first_night.registry("consumers")[0] == 0
    [(patient_id,)] = first_night.query("SELECT patient_id FROM {patient_record} WHERE record_id = 'GP1:G0002'")
    before = table(first_night)
    assert patient_id in {row[0] for row in before}

    code, _, err = first_night.registry("forget", "GP1:G0002", "--who", "A. Okoro", "--why", "Asked by letter", "--yes")

    assert code == 0, err
    after = table(first_night)
    assert patient_id not in {row[0] for row in after}
    assert len(after) == len(before) - 1
