"""A snapshot's tables, manifest and audit; publishing; what a reader gets."""

import hashlib
import json
from datetime import timedelta

import duckdb
import pyarrow.parquet as pq
import pytest

from registry_pipeline import open_registry, outcomes, registry
from registry_pipeline.config import Agreement
from registry_pipeline.errors import BadInput, RegistryError, RunFailed
from registry_pipeline.outcomes import CheckOutcome, FeedOutcome
from registry_pipeline.storage import clear_unfinished, read_json
from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER, REGISTRY_TABLES, TABLES
from tests.registry.conftest import write_rows

PEOPLE = {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2"]}


def _published(care_system, number, people=None, **options):
    night = care_system.night(number)
    care_system.people(night, people or PEOPLE)
    return care_system.publish(night, **options)


def _current(care_system):
    return care_system.home.current.resolve().name


# Tables ------------------------------------------------------------------------------------------------------------


def test_every_table_is_there_and_describes_its_columns(care_system):
    folder = _published(care_system, 1).folder
    for name in REGISTRY_TABLES:
        schema = pq.read_schema(folder / f"{name}.parquet")
        assert {f.name: f.metadata[b"description"].decode() for f in schema} == {
            c.name: c.description for c in TABLES[name].columns
        }
        assert schema.metadata[b"one_row_per"].decode() == TABLES[name].one_row_per


def test_the_crosswalk_keeps_what_the_interface_promises(care_system, rows_of):
    folder = _published(care_system, 1).folder
    rows = rows_of(
        folder / "patient_record.parquet",
        "SELECT provider, setting, local_id, link_method, link_probability, is_stale FROM t ORDER BY record_id",
    )
    assert rows == [
        ("GP1", "gp", "1", "same_nhs_number", 0.99, False),
        ("GP1", "gp", "2", "single", 1.0, False),
        ("RX1", "acute", "1", "same_nhs_number", 0.99, False),
    ]


def test_events_follow_their_latest_night(care_system, rows_of):
    care_system.feeds, care_system.delta, care_system.providers = ("patient", "contact"), {"contact"}, ("GP1", "RX1")
    first, second = care_system.night(1), care_system.night(2)

    def deliver(night, provider, *events):
        rows = [{"event_id": e, "record_id": r, "site": s, "is_deleted": d} for e, r, s, d in events]
        care_system.events("activity", "contact", provider, night, rows)

    deliver(
        first, "GP1", ("1", "GP1:1", "as was", False), ("2", "GP1:1", "goes", False), ("3", "GP1:2", "stays", False)
    )
    deliver(first, "RX1", ("1", "RX1:1", "other provider", False), ("9", "RX1:77", "nobody's", False))
    care_system.people(first, PEOPLE)
    before = care_system.publish(first)
    assert before.rows["patient_activity"] == 4
    deliver(
        second, "GP1", ("1", "GP1:2", "corrected", False), ("2", "GP1:1", "goes", True), ("4", "GP1:2", "new", False)
    )
    deliver(second, "RX1")
    care_system.people(second, PEOPLE)
    folder = care_system.publish(second).folder
    ids = care_system.ids(folder)
    rows = rows_of(folder / "patient_activity.parquet", "SELECT event_key, site, patient_id::VARCHAR FROM t ORDER BY 1")
    assert rows == [
        ("GP1:contact:1", "corrected", ids["GP1:2"]),
        ("GP1:contact:3", "stays", ids["GP1:2"]),
        ("GP1:contact:4", "new", ids["GP1:2"]),
        ("RX1:contact:1", "other provider", ids["RX1:1"]),
    ]
    manifest = read_json(folder / "manifest.json")
    assert manifest["events_left_out"]["patient_activity"] == 1


def test_an_event_that_is_deleted_and_delivered_again_is_back(care_system, rows_of):
    care_system.feeds, care_system.delta, care_system.providers = ("patient", "contact"), {"contact"}, ("GP1",)
    for number, deleted in ((1, False), (2, True), (3, False)):
        rows = [{"event_id": "1", "record_id": "GP1:2", "site": f"night {number}", "is_deleted": deleted}]
        care_system.events("activity", "contact", "GP1", care_system.night(number), rows)
        care_system.people(care_system.night(number), {"b": ["GP1:2"]})
        folder = care_system.publish(care_system.night(number)).folder
        found = rows_of(folder / "patient_activity.parquet", "SELECT site FROM t")
        assert found == ([] if deleted else [(f"night {number}",)])


def test_a_full_extract_of_events_replaces_the_one_before(care_system, rows_of):
    care_system.feeds, care_system.providers = ("patient", "condition"), ("GP1",)
    for number, events in ((1, ("1", "2")), (2, ("2",))):
        rows = [{"event_id": e, "record_id": "GP1:2", "code": "E11"} for e in events]
        care_system.events("condition", "condition", "GP1", care_system.night(number), rows)
        care_system.people(care_system.night(number), {"b": ["GP1:2"]})
        folder = care_system.publish(care_system.night(number)).folder
        found = rows_of(folder / "patient_condition.parquet", "SELECT event_key FROM t ORDER BY 1")
        assert found == [(f"GP1:condition:{e}",) for e in events]


def test_a_person_of_stale_extracts_only_is_stale(care_system, rows_of):
    first, later = care_system.night(1), care_system.night(6)
    care_system.providers = ("GP1", "RX1")
    care_system.people(first, PEOPLE)
    care_system.providers = ("RX1",)
    care_system.people(later, {"a": ["RX1:1"]})
    care_system.providers = ("GP1", "RX1")
    care_system.cluster(later, list(PEOPLE.values()))
    folder = care_system.publish(later).folder
    assert rows_of(folder / "patient.parquet", "SELECT record_count, is_stale FROM t ORDER BY 1") == [
        (1, True),
        (2, False),
    ]
    [entry] = [i for i in read_json(folder / "manifest.json")["inputs"] if i["provider"] == "GP1"]
    assert (entry["night"], entry["days_old"], entry["is_stale"]) == ("2026-04-01", 5, True)
    assert entry["carried_forward_because"]["reason"] == "missing"


def test_the_same_night_again_gives_the_same_registry(care_system):
    snapshots = [_published(care_system, 1), _published(care_system, 1)]
    with duckdb.connect() as connection:
        for table in REGISTRY_TABLES:
            one, other = (f"FROM read_parquet('{s.folder / table}.parquet')" for s in snapshots)
            assert (
                connection.execute(f"({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one})").fetchall() == []
            )


# Manifest ----------------------------------------------------------------------------------------------------------


def test_the_manifest_says_what_the_registry_was_made_from(care_system):
    night = care_system.night(1)
    care_system.agreements = {
        "GP2": Agreement(reference="DSA-2", ends=night - timedelta(days=1)),
    }
    care_system.people(night, PEOPLE)
    outcomes.keep(
        care_system.home,
        FeedOutcome(provider="LA1", feed="patient", night=night, status="columns", problem="No column DOB."),
    )
    snapshot = care_system.publish(night)
    manifest = read_json(snapshot.folder / "manifest.json")
    assert manifest["snapshot_id"] == "2026-04-01.1"
    assert (manifest["night"], manifest["run_id"], manifest["model_version"]) == ("2026-04-01", "run", "test_model")
    assert manifest["code"]["version"]
    assert len(manifest["configuration_sha256"]) == 64
    assert manifest["about"]["identity_events"]["created"] == 2
    assert [(i["provider"], i["days_old"]) for i in manifest["inputs"]] == [("GP1", 0), ("RX1", 0)]
    assert manifest["inputs"][0]["deliveries"] == [
        {
            "night": "2026-04-01",
            "delivery": "GP1/patient/2026-04-01/v1",
            "sha256": {"patient.csv": "ab" * 32},
            "rows_delivered": 3,
            "rows_accepted": 2,
            "rows_quarantined": 1,
        }
    ]
    assert {w["provider"]: w["reason"] for w in manifest["without_data"]} == {"GP2": "agreement", "LA1": "columns"}
    assert manifest["rows"] == dict(snapshot.rows)
    assert manifest["rows"]["patient"] == 2
    for table, digest in manifest["sha256"].items():
        assert digest == hashlib.sha256((snapshot.folder / f"{table}.parquet").read_bytes()).hexdigest()
    assert set(REGISTRY_TABLES) <= set(manifest["sha256"])
    assert {check["name"] for check in manifest["checks"]} == set(registry.AUDIT) - {"people_against_snapshot_before"}
    assert registry.find_snapshot(care_system.home, "2026-04-01.1") == snapshot


def test_the_manifest_holds_no_personal_value(care_system):
    night = care_system.night(1)
    personal = {"given_name_display": "Xanthippe", "nhs_number": "9000000009", "address_display": "7 Quince Row"}
    care_system.deliver(night, [{"record_id": "GP1:1", **personal}])
    care_system.cluster(night, [["GP1:1"]])
    text = json.dumps(read_json(care_system.publish(night).folder / "manifest.json"))
    assert not [value for value in personal.values() if value in text]


def test_a_snapshot_that_is_not_there_is_said_so(care_system):
    with pytest.raises(BadInput, match=r"no snapshot '2026-04-09.1'"):
        registry.find_snapshot(care_system.home, "2026-04-09.1")


# Audit -------------------------------------------------------------------------------------------------------------


def _two_numbers(care_system, night):
    care_system.deliver(
        night,
        [{"record_id": "GP1:1", "nhs_number": "9000000009"}, {"record_id": "RX1:1", "nhs_number": "9000000017"}],
    )
    care_system.cluster(night, [["GP1:1", "RX1:1"]])


def test_a_failed_audit_leaves_the_last_registry_and_keeps_the_evidence(care_system):
    _published(care_system, 1)
    _two_numbers(care_system, care_system.night(2))
    with pytest.raises(RunFailed, match=r"patient_has_one_nhs_number: 1 of 1.*last registry still stands"):
        care_system.publish(care_system.night(2))
    home = care_system.home
    assert _current(care_system) == "2026-04-01.1"
    assert [p.name for p in home.snapshots.iterdir()] == ["2026-04-01.1"]
    evidence = home.failed("2026-04-02.1")
    assert [c["name"] for c in read_json(evidence / "manifest.json")["checks"] if not c["passed"]] == [
        "patient_has_one_nhs_number"
    ]
    assert registry.prior_snapshot(home, care_system.night(2)).name == "2026-04-01.1"
    clear_unfinished(home)
    assert evidence.is_dir()
    assert _published(care_system, 2).snapshot_id == "2026-04-02.2"


def test_two_numbers_pass_where_one_replaced_the_other(care_system):
    care_system.feeds, night = ("patient", "nhs_number_replacement"), care_system.night(1)
    care_system.replaced("GP1", night, {"9000000009": "9000000017"})
    _two_numbers(care_system, night)
    assert all(check.passed for check in care_system.publish(night).checks)


def test_a_record_that_linking_lost_fails_the_audit(care_system):
    night = care_system.night(1)
    care_system.deliver(night, [{"record_id": "GP1:1"}, {"record_id": "GP1:2"}])
    care_system.cluster(night, [["GP1:1"]])
    with pytest.raises(RunFailed, match="person_record_is_in_crosswalk_once: 1 of 1"):
        care_system.build(night)


def test_an_id_in_use_that_was_joined_into_another_fails_the_audit(care_system, monkeypatch):
    _published(care_system, 1, {"a": ["GP1:1"], "b": ["GP1:2"]})
    _published(care_system, 2, {"ab": ["GP1:1", "GP1:2"]})
    _published(care_system, 3, {"a": ["GP1:1"], "b": ["GP1:2"]})
    night = care_system.night(4)
    care_system.people(night, {"a": ["GP1:1"], "b": ["GP1:2"]})
    care_system.assign(night)
    file = care_system.home.linked("patient_record", night)
    joined = next(e[2] for e in care_system.history(file.parent) if e[0] == "joined")
    rows = [r | {"patient_id": joined if r["record_id"] == "GP1:2" else r["patient_id"]} for r in _rows_of(file)]
    write_rows("patient_record", file, rows)
    monkeypatch.setattr(care_system, "assign", lambda _night: {}, raising=False)
    with pytest.raises(RunFailed, match="patient_id_is_alive: 1 of 2"):
        care_system.build(night)


def _rows_of(file):
    import pyarrow.parquet

    return [row | {"patient_id": str(row["patient_id"])} for row in pyarrow.parquet.read_table(file).to_pylist()]


def test_one_nhs_number_of_two_people_is_a_warning(care_system):
    night = care_system.night(1)
    care_system.deliver(night, [{"record_id": f"GP1:{n}", "nhs_number": "9000000009"} for n in (1, 2)])
    care_system.cluster(night, [["GP1:1"], ["GP1:2"]])
    [failing] = [check for check in care_system.publish(night).checks if not check.passed]
    assert (failing.name, failing.severity, failing.failing) == ("nhs_number_belongs_to_one_patient", "warning", 1)


def _crowd(provider, count):
    return {f"{provider}{n}": [f"{provider}:{n}"] for n in range(count)}


def test_a_sudden_fall_of_people_stops_the_night(care_system):
    care_system.providers = ("GP1",)
    _published(care_system, 1, _crowd("GP1", 600))
    with pytest.raises(RunFailed, match=r"people_against_snapshot_before: 500 people, 600 in 2026-04-01.1"):
        _published(care_system, 2, _crowd("GP1", 500))
    assert _published(care_system, 2, _crowd("GP1", 500), people_fall_at_most=0.2).rows["patient"] == 500


def test_people_of_a_provider_that_left_by_agreement_are_no_fall(care_system):
    care_system.providers = ("GP1", "LA1")
    _published(care_system, 1, {**_crowd("GP1", 100), **_crowd("LA1", 200)})
    care_system.agreements = {"LA1": Agreement(reference="DSA-9", ends=care_system.night(1))}
    assert _published(care_system, 2, _crowd("GP1", 100)).rows["patient"] == 100


def test_a_back_fill_before_the_first_night_has_nothing_to_fall_from(care_system):
    care_system.providers = ("GP1",)
    _published(care_system, 2, _crowd("GP1", 200))
    assert _published(care_system, 1, _crowd("GP1", 20)).rows["patient"] == 20


def test_the_caller_may_judge_the_tables_too(care_system):
    looked_at = []

    def judge(table, path):
        looked_at.append((table, path.is_file()))
        return [CheckOutcome(name="sex_is_known", passed=table != "patient", observed="0.1")]

    with pytest.raises(RunFailed, match=r"failed its audit \(sex_is_known: 0.1\)"):
        _published(care_system, 1, audit_table=judge)
    assert looked_at == [(table, True) for table in REGISTRY_TABLES]


# Publish -----------------------------------------------------------------------------------------------------------


def test_a_back_filled_night_does_not_take_the_place_of_a_newer_one(care_system):
    _published(care_system, 2)
    care_system.people(care_system.night(1), PEOPLE)
    assert registry.publish(care_system.configuration, care_system.build(care_system.night(1))) is False
    assert _current(care_system) == "2026-04-02.1"
    assert registry.prior_snapshot(care_system.home, care_system.night(1)).name == "2026-04-01.1"
    care_system.people(care_system.night(2), PEOPLE)
    assert registry.publish(care_system.configuration, care_system.build(care_system.night(2))) is True
    assert _current(care_system) == "2026-04-02.2"


def test_a_kill_between_build_and_publish_leaves_the_last_good_one(care_system):
    _published(care_system, 1)
    care_system.people(care_system.night(2), PEOPLE)
    care_system.build(care_system.night(2))
    assert _current(care_system) == "2026-04-01.1"
    with open_registry(care_system.home.root) as reader:
        assert reader.execute("SELECT count(*) FROM patient").fetchall() == [(2,)]
    assert registry.prior_snapshot(care_system.home, care_system.night(3)).name == "2026-04-01.1"
    assert registry.publish(care_system.configuration, care_system.build(care_system.night(2)))
    assert _current(care_system) == "2026-04-02.2"


def test_a_kill_while_building_leaves_no_snapshot(care_system, monkeypatch):
    _published(care_system, 1)
    care_system.people(care_system.night(2), PEOPLE)

    def killed(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "audit", killed)
    with pytest.raises(KeyboardInterrupt):
        care_system.build(care_system.night(2))
    assert [p.name for p in care_system.home.snapshots.iterdir()] == ["2026-04-01.1"]
    assert _current(care_system) == "2026-04-01.1"


def test_a_required_provider_that_is_not_in_stops_publication(care_system):
    _published(care_system, 1)
    care_system.required, night = {"RX1"}, care_system.night(2)
    care_system.people(night, PEOPLE)
    outcomes.keep(care_system.home, FeedOutcome(provider="RX1", feed="patient", night=night, status="missing"))
    snapshot = care_system.build(night)
    with pytest.raises(RunFailed, match=r"required RX1 \(patient\)\. The last registry still stands"):
        registry.publish(care_system.configuration, snapshot)
    assert _current(care_system) == "2026-04-01.1"
    assert registry.prior_snapshot(care_system.home, night).name == "2026-04-01.1"


def test_old_snapshots_go_and_the_current_one_never(care_system):
    for number in (3, 1, 2):
        _published(care_system, number)
    care_system.people(care_system.night(2), PEOPLE)
    care_system.build(care_system.night(2))
    registry.publish(care_system.configuration, care_system.build(care_system.night(2)))
    assert registry.prune_snapshots(care_system.home, keep=2) == ["2026-04-01.1", "2026-04-02.1", "2026-04-02.2"]
    assert sorted(p.name for p in care_system.home.snapshots.iterdir()) == ["2026-04-02.3", "2026-04-03.1"]
    assert registry.prune_snapshots(care_system.home, keep=0) == ["2026-04-02.3"]
    assert _current(care_system) == "2026-04-03.1"


# Readers -----------------------------------------------------------------------------------------------------------


def test_a_reader_sees_every_table_and_can_write_nothing(care_system, tmp_path):
    folder = _published(care_system, 1).folder
    elsewhere = tmp_path / "taken.csv"
    elsewhere.write_text("a\n1\n")
    with open_registry(care_system.home.root) as reader:
        for table in REGISTRY_TABLES:
            assert reader.execute(f"SELECT * FROM {table} LIMIT 0").description
        joined = "SELECT count(*) FROM patient JOIN patient_record USING (patient_id)"
        assert reader.execute(joined).fetchall() == [(3,)]
        for statement in (
            f"COPY patient TO '{tmp_path / 'copy.parquet'}'",
            f"COPY (SELECT 1 AS a) TO '{folder / 'patient.parquet'}'",
            f"COPY (SELECT 1 AS a) TO '{folder / 'new.parquet'}'",
            f"ATTACH '{tmp_path / 'other.duckdb'}' AS other",
            f"SELECT * FROM read_csv('{elsewhere}')",
            f"SELECT * FROM read_text('{folder / 'manifest.json'}')",
        ):
            with pytest.raises(duckdb.PermissionException):
                reader.execute(statement)
        with pytest.raises(duckdb.Error, match="locked"):
            reader.execute("SET enable_external_access = true")
        with pytest.raises(duckdb.Error):
            reader.execute("DELETE FROM patient")
    assert not (tmp_path / "copy.parquet").exists()
    assert {p.stat().st_mode & 0o222 for p in folder.glob("*.parquet")} == {0}


def test_a_publish_in_between_does_not_mix_snapshots(care_system):
    _published(care_system, 1)
    with open_registry(care_system.home.root) as reader:
        assert reader.execute("SELECT count(*) FROM patient").fetchall() == [(2,)]
        _published(care_system, 2, {**PEOPLE, "c": ["LA1:3"]})
        assert reader.execute("SELECT count(*) FROM patient").fetchall() == [(2,)]
        assert reader.execute("SELECT count(*) FROM patient_record").fetchall() == [(3,)]
    with open_registry(str(care_system.home.root)) as reader:
        assert reader.execute("SELECT count(*) FROM patient").fetchall() == [(3,)]


def test_without_a_registry_a_reader_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_HOME", str(tmp_path))
    with pytest.raises(RegistryError, match="run a night first"):
        open_registry()


def test_a_number_in_very_many_records_is_nobodys(care_system, rows_of):
    """A placeholder that looks valid neither survives nor counts as a second number of somebody."""
    care_system.providers = ("GP1", "RX1")
    night, crowd = care_system.night(1), range(MOST_RECORDS_OF_A_NUMBER + 1)
    held = [{"record_id": f"GP1:{n}", "nhs_number": "9000000009"} for n in crowd]
    care_system.deliver(night, [*held, {"record_id": "RX1:0", "nhs_number": "9000000017"}])
    care_system.cluster(night, [["GP1:0", "RX1:0"], *([f"GP1:{n}"] for n in crowd if n)])
    snapshot = care_system.publish(night)
    assert [check.name for check in snapshot.checks if not check.passed] == []
    numbers = rows_of(snapshot.folder / "patient.parquet", "SELECT DISTINCT nhs_number FROM t ORDER BY ALL")
    assert numbers == [("9000000017",), (None,)]
