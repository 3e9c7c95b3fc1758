"""What a purpose sees of the registry: covered values only, nobody who objects, and no identity."""

import re
import shutil
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from registry_pipeline import cli
from registry_pipeline.config import Agreement, Deployment, KeySource, PostcodeLookup, PurposeOutput
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal, pseudonyms
from registry_pipeline.registry import exports, purposes
from registry_pipeline.storage import Home, load_sql, prune_made_of_snapshots, swap_symlink
from registry_pipeline.tables import OUTPUT_TABLES, REGISTRY_TABLES
from tests.registry.conftest import CareSystem

RISK, AUDIT = "risk_stratification", "audit"
NIGHT = date(2026, 4, 1)
SNAPSHOT = "2026-04-01.1"

RECORDS = (
    # Known to a practice that is covered and a hospital that is not: what the hospital says must not be seen.
    {"record_id": "GP1:1", "nhs_number": "9000000009", "is_nhs_number_verified": False, "given_name_display": "Zebedee",
     "family_name_display": "Quillfeather", "birth_date": date(1956, 2, 29), "sex": "F", "ethnicity": "A",
     "address_display": "1 Marmalade Row", "postcode": "LS1 1AA", "phone": "01130000001", "gp_practice": "B86001"},
    {"record_id": "RX1:1", "nhs_number": "9000000009", "is_nhs_number_verified": True, "birth_date": date(1957, 3, 1),
     "death_date": date(2026, 3, 30), "sex": "F", "ethnicity": "B", "postcode": "LS1 1AB"},
    # Known to the hospital only.
    {"record_id": "RX1:2", "birth_date": date(1980, 5, 5), "sex": "M"},
    # Sensitive, by what the hospital says.
    {"record_id": "GP1:3", "birth_date": date(2000, 1, 1), "sex": "M", "postcode": "LS1 1AA", "gp_practice": "B86001"},
    {"record_id": "RX1:3", "birth_date": date(2000, 1, 1), "sex": "M", "is_sensitive": True},
    # A newborn who died, and somebody of 97.
    {"record_id": "GP2:4", "birth_date": date(2026, 3, 20), "death_date": date(2026, 3, 25), "sex": "F", "postcode": "LS1 1AB"},
    {"record_id": "GP2:5", "birth_date": date(1928, 6, 1), "sex": "F", "ethnicity": "Z"},
)  # fmt: skip
EVERY = ("direct_care", RISK, AUDIT)
AGREEMENTS = {
    "GP1": Agreement(reference="DSA-1", purposes=EVERY),
    "GP2": Agreement(reference="DSA-2", purposes=EVERY),
    "RX1": Agreement(reference="DSA-3", purposes=("direct_care", AUDIT)),
}
HOSPITAL_IS_NOT_COVERED = {
    "agreements": AGREEMENTS, "providers": ("GP1", "GP2", "RX1"), "feeds": ("patient", "spell", "contact"),
}  # fmt: skip
CLUSTERS = [["GP1:1", "RX1:1"], ["RX1:2"], ["GP1:3", "RX1:3"], ["GP2:4"], ["GP2:5"]]


def at(*parts: int) -> datetime:
    return datetime(*parts)  # noqa: DTZ001  # as delivered: local time, without a zone


SPELLS = (
    {"event_id": "1", "record_id": "RX1:1", "start_time": at(2026, 1, 1, 9), "site": "RX101"},
    {"event_id": "3", "record_id": "RX1:3", "start_time": at(2026, 1, 1, 9), "site": "RX101"},
)
CONTACTS = (
    {"event_id": "1", "record_id": "GP1:1", "start_time": at(2026, 1, 30, 8, 15), "reason": "Zebedee fell again",
     "end_time": at(2026, 2, 2, 23, 59), "code": "39113611000001102", "site": "B86001"},
    {"event_id": "2", "record_id": "GP1:1", "start_time": at(2026, 3, 1, 12), "code": "9000000009", "reason": "18"},
    {"event_id": "3", "record_id": "GP1:3", "start_time": at(2026, 3, 2), "site": "B86001"},
)  # fmt: skip
BIRTHS = (
    {
        "event_id": "4",
        "record_id": "GP2:4",
        "start_time": at(2026, 3, 20, 4),
        "end_time": at(2026, 3, 25, 5),
    },
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A published night of three providers, of which the hospital's agreement covers direct care and audit only."""
    care_system = CareSystem(Home(tmp_path_factory.mktemp("published") / "home"), **HOSPITAL_IS_NOT_COVERED)
    care_system.deliver(NIGHT, list(RECORDS))
    care_system.cluster(NIGHT, CLUSTERS)
    for provider, feed, rows in (
        ("RX1", "spell", SPELLS), ("GP1", "contact", CONTACTS), ("GP2", "contact", BIRTHS),
    ):  # fmt: skip
        care_system.events("activity", feed, provider, NIGHT, list(rows))
    care_system.publish(NIGHT)
    root = care_system.home.root
    for purpose in (RISK, AUDIT):
        pseudonyms.new_key(root / f"{purpose}.key")
    (root / "postcodes.csv").write_text("postcode,lsoa,deprivation_decile\nLS1 1AA,E01000001,3\nls11ab,E01000002,10\n")
    return root


@pytest.fixture
def deployed(published, tmp_path):
    """A copy of that night of a test's own."""
    shutil.copytree(published, tmp_path / "home", symlinks=True)
    return CareSystem(Home(tmp_path / "home"), **{**HOSPITAL_IS_NOT_COVERED, "agreements": {**AGREEMENTS}})


def configured(system, *, postcodes="postcodes.csv", **settings):
    """The deployment with both outputs, honouring no objection unless `settings` of an output say so."""
    outputs = {
        purpose: PurposeOutput(
            key=KeySource(file=Path(f"{purpose}.key")), **{"objections": (), "smallest_group": 2, **settings}
        )
        for purpose in (RISK, AUDIT)
    }
    lookup = PostcodeLookup(path=Path(postcodes)) if postcodes else None
    return system.configuration.model_copy(
        update={"deployment": Deployment(threads=1, outputs=outputs, postcodes=lookup)}
    )


@pytest.fixture(scope="module")
def look(published, tmp_path_factory):
    """What a purpose sees under settings; for tests that change nothing, so that each is made once."""
    root = tmp_path_factory.mktemp("looked_at") / "home"
    shutil.copytree(published, root, symlinks=True)
    system = CareSystem(Home(root), **HOSPITAL_IS_NOT_COVERED)
    seen = {}

    def see(purpose, **settings):
        asked = (purpose, tuple(settings.items()))
        if asked not in seen:
            seen[asked] = Seen(system, configured(system, **settings), purpose)
        return seen[asked]

    return see


class Seen:
    """An output as its readers see it, with the ids that only this test can put pseudonyms on."""

    def __init__(self, system, configuration, purpose):
        self.output = purposes.make_output(configuration, purpose, SNAPSHOT)
        key = pseudonyms.key_for(configuration, purpose)
        self.patient_id = system.ids(system.home.snapshot(SNAPSHOT))
        self.person = {r: pseudonyms.pseudonym(key, "patient", p) for r, p in self.patient_id.items()}
        self.record = {r: pseudonyms.pseudonym(key, "record", r) for r in self.patient_id}
        # Read at once: an output that is made with other settings takes the place of this one.
        self.tables = {
            name: pq.read_table(self.output.folder / f"{name}.parquet").to_pylist() for name in OUTPUT_TABLES
        }
        self.bytes = b"".join(file.read_bytes() for file in self.output.folder.iterdir())

    def rows(self, table):
        return self.tables[table]

    def patient(self, record):
        found = [row for row in self.rows("patient") if row["patient_pseudonym"] == self.person[record]]
        assert len(found) <= 1
        return found[0] if found else None

    def activity(self, record):
        of_whom = [row for row in self.rows("patient_activity") if row["patient_pseudonym"] == self.person[record]]
        return sorted(of_whom, key=lambda row: (row["start_month"], row["setting"]))


PATIENTS = [
    # Audit sees the hospital's records too: the verified birth date, and that the person died.
    (AUDIT, {}, "GP1:1", {
        "age_band": "65-69", "birth_period": "1957", "death_month": "2026-03", "sex": "F", "ethnicity": "A",
        "lsoa": "E01000001", "deprivation_decile": 3, "gp_practice": "B86001", "record_count": 2, "setting_count": 2,
    }),
    # Risk stratification sees the practice's alone: the values are the practice's, as if there were no hospital.
    (RISK, {}, "GP1:1", {
        "age_band": "70-74", "birth_period": "1956", "death_month": None, "sex": "F", "ethnicity": "A",
        "lsoa": "E01000001", "deprivation_decile": 3, "gp_practice": "B86001", "record_count": 1, "setting_count": 1,
    }),
    (RISK, {"birth": "month", "age_band_years": 20}, "GP1:1", {"age_band": "60-79", "birth_period": "1956-02"}),
    # Whoever flagged it: a sensitive person is nowhere.
    (RISK, {}, "GP1:3", {"lsoa": None, "deprivation_decile": None, "gp_practice": None, "sex": "M", "record_count": 1}),
    (AUDIT, {}, "GP1:3", {"lsoa": None, "deprivation_decile": None, "gp_practice": None, "record_count": 2}),
    # At death, not at the night; and few people are as old as that.
    (RISK, {}, "GP2:4", {"age_band": "0-4", "birth_period": "2026", "death_month": "2026-03", "lsoa": "E01000002"}),
    (RISK, {"birth": "month"}, "GP2:5", {"age_band": "90+", "birth_period": None, "ethnicity": "Z", "lsoa": None}),
    (RISK, {"age_band_years": 20}, "GP2:5", {"age_band": "90+"}),
    (RISK, {"postcodes": None}, "GP1:1", {"lsoa": None, "deprivation_decile": None}),
]  # fmt: skip


@pytest.mark.parametrize(("purpose", "settings", "record", "expected"), PATIENTS)
def test_a_person_as_a_purpose_sees_them(look, purpose, settings, record, expected):
    patient = look(purpose, **settings).patient(record)
    assert {name: patient[name] for name in expected} == expected


def test_a_person_whom_no_covered_provider_knows_is_not_there(look):
    risk = look(RISK)
    assert risk.patient("RX1:2") is None
    assert {row["patient_pseudonym"] for row in risk.rows("identity_event")} <= set(risk.person.values())
    assert risk.person["RX1:2"] not in {row["patient_pseudonym"] for row in risk.rows("identity_event")}
    assert {row["provider"] for row in risk.rows("patient_record")} == {None, "GP1", "GP2"}
    assert {row["provider"] for row in risk.rows("patient_activity")} == {None, "GP1", "GP2"}
    providers = risk.output.manifest["providers"]
    assert [each["provider"] for each in providers["covered"]] == ["GP1", "GP2"]
    assert [each["agreement"] for each in providers["covered"]] == ["DSA-1", "DSA-2"]
    assert providers["not_covered"] == ["RX1"]
    assert risk.output.left_out == {"agreement": "*"}
    audit = look(AUDIT)
    assert audit.patient("RX1:2")["sex"] == "M"
    assert audit.output.left_out == {"agreement": 0}


def test_where_all_is_covered_the_registrys_own_values_stand(look, published, rows_of):
    audit = look(AUDIT)
    published = rows_of(
        Home(published).snapshot(SNAPSHOT) / "patient.parquet",
        "SELECT patient_id::VARCHAR, sex, ethnicity, gp_practice, record_count, is_stale FROM t",
    )
    seen = {
        row["patient_pseudonym"]: tuple(row[n] for n in ("sex", "ethnicity", "gp_practice", "record_count", "is_stale"))
        for row in audit.rows("patient")
    }
    names = {patient_id: audit.person[record] for record, patient_id in audit.patient_id.items()}
    assert seen == {names[row[0]]: tuple(row[1:]) for row in published}


def test_a_sensitive_person_s_practice_and_site_are_not_named(look):
    audit = look(AUDIT)
    [record] = [row for row in audit.rows("patient_record") if row["record_pseudonym"] == audit.record["GP1:3"]]
    assert (record["provider"], record["setting"], record["night"]) == (None, "gp", None)
    spell, contact = audit.activity("GP1:3")
    assert (spell["provider"], spell["site"]) == ("RX1", None)
    assert (contact["provider"], contact["site"], contact["setting"]) == (None, None, "gp")
    [other, *_] = [row for row in audit.activity("GP1:1") if row["setting"] == "gp"]
    assert (other["provider"], other["site"]) == ("GP1", "B86001")


def test_dates_are_told_as_months_and_whole_days_from_the_first_event_that_may_be_seen(look):
    told = ("start_month", "start_day", "start_date", "end_month", "end_day", "end_date")
    risk, audit = (look(purpose) for purpose in (RISK, AUDIT))
    first, second = ([row[n] for n in told] for row in risk.activity("GP1:1"))
    assert first == ["2026-01", 0, None, "2026-02", 3, None]
    assert second == ["2026-03", 30, None, None, None, None]
    assert sorted(row["start_day"] for row in audit.activity("GP1:1")) == [0, 29, 59]


def test_a_day_is_told_where_the_agreement_covers_days_but_never_a_birth_or_death(look):
    risk = look(RISK, event_dates="day")
    first, _ = risk.activity("GP1:1")
    assert (first["start_date"], first["end_date"], first["start_day"]) == (date(2026, 1, 30), date(2026, 2, 2), None)
    [born] = risk.activity("GP2:4")
    assert (born["start_month"], born["start_date"], born["end_month"], born["end_date"]) == (
        "2026-03",
        None,
        "2026-03",
        None,
    )
    created = [row for row in risk.rows("identity_event") if row["event_type"] == "created"]
    assert {(row["month"], row["night"]) for row in created} == {("2026-04", None)}


def test_what_may_be_free_text_is_shown_only_where_enough_people_share_it(look):
    _, first, second = sorted((row for row in look(AUDIT).activity("GP1:1")), key=lambda row: row["start_day"])
    assert (first["reason"], first["code"]) == (None, "39113611000001102")
    assert (second["reason"], second["code"]) == ("18", None)


IS_CODE = {
    "18": True, "2B": True, "E119": True, "RX203": True, "XE0Uc": True, "C10E.": True, "Y": True, "M8199X": True,
    "387381009": True, "1048071000000103": True, "19943007": True,
    "Smith": False, "Jane Smith": False, "Review": False, "9000000009": False, "07700900123": False, "LS11AA": False,
    "ls1 1aa": False, "LS1 1AA": False, "19560229": False, "1956-02-29": False, "29/02/1956": False, "19801003": False,
    "a@b.org": False, "L1-0000057": False, "RX1:4711": False, "H1234567": False, "0113496000": False, "": False,
}  # fmt: skip


def test_the_form_of_a_code():
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(load_sql("output_macros"))
        told = connection.execute(
            "SELECT value, is_code(value) FROM (SELECT unnest($values) AS value)", {"values": list(IS_CODE)}
        )
        assert dict(told.fetchall()) == IS_CODE


def test_no_value_that_identifies_is_in_any_file(look):
    for settings in ({}, {"event_dates": "day", "birth": "month"}):
        for purpose in (RISK, AUDIT):
            seen = look(purpose, **settings)
            cells = {
                str(value)
                for table in OUTPUT_TABLES
                for row in seen.rows(table)
                for value in row.values()
                if value is not None
            }
            cells |= set(str(seen.output.manifest).replace("'", " ").split())
            identifying = {
                str(value)
                for row in RECORDS
                for name, value in row.items()
                if name not in ("sex", "ethnicity", "gp_practice", "is_sensitive", "is_nhs_number_verified")
            }
            identifying |= set(seen.patient_id.values()) | {"Zebedee fell again", "RX1:spell:1", "GP1:contact:1"}
            assert not identifying & cells
            assert b"Zebedee" not in seen.bytes
            assert b"9000000009" not in seen.bytes


def ids_of(seen):
    return {
        value
        for table in OUTPUT_TABLES
        for row in seen.rows(table)
        for name, value in row.items()
        if name.endswith("_pseudonym") and value is not None
    }


def test_two_purposes_share_no_id_and_no_order(look):
    risk, audit = (look(purpose) for purpose in (RISK, AUDIT))
    assert len(ids_of(risk)) > 10
    assert not ids_of(risk) & ids_of(audit)
    for seen in (risk, audit):
        for table, column in (("patient", "patient_pseudonym"), ("patient_record", "record_pseudonym")):
            ids = [row[column] for row in seen.rows(table)]
            assert all(a < b for a, b in pairwise(ids))
        people = [row["patient_pseudonym"] for row in seen.rows("patient_activity")]
        assert people == sorted(people)


def test_records_to_which_an_objection_was_made_are_not_there(deployed, monkeypatch):
    """The interface of `govern.objections`: whose records are left out for which reason."""

    def name_left_out(connection, configuration, purpose, night):
        assert connection.execute(
            "SELECT count(*), count(patient_id), count(birth_date) FROM covered_record"
        ).fetchall() == [(7, 7, 7)]
        assert connection.execute("SELECT record_id, setting, code, start_date FROM covered_condition").fetchall() == []
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE left_out_record AS SELECT unnest(['GP1:1', 'GP1:1', 'GP2:4']) AS record_id,"
            " unnest(['local', 'type_1', 'local']) AS reason"
        )
        return {"local": 2, "type_1": 1}

    monkeypatch.setattr(purposes.objections, "name_left_out", name_left_out)
    audit = Seen(deployed, configured(deployed), AUDIT)
    assert audit.patient("GP2:4") is None
    person = audit.patient("RX1:1")
    assert (person["birth_period"], person["ethnicity"], person["lsoa"], person["gp_practice"], person["record_count"]) == (
        "1957", "B", "E01000002", None, 1,
    )  # fmt: skip
    assert [row["provider"] for row in audit.activity("RX1:1")] == ["RX1"]
    assert audit.record["GP1:1"] not in {row["record_pseudonym"] for row in audit.rows("patient_record")}
    assert audit.output.left_out == {"agreement": 0, "local": "*", "type_1": "*"}


def test_needs_attention_does_not_leave_and_the_manifest_tells_what_did(deployed):
    output = Seen(deployed, configured(deployed), RISK).output
    assert set(output.rows) == set(OUTPUT_TABLES) == set(REGISTRY_TABLES) - {"needs_attention"}
    assert {file.name for file in output.folder.iterdir()} == {f"{t}.parquet" for t in OUTPUT_TABLES} | {
        "manifest.json"
    }
    assert output.rows["patient"] == 4
    assert output.manifest["key_fingerprint"] == pseudonyms.fingerprint_in_use(deployed.home, RISK)
    assert all(file.stat().st_mode & 0o077 == 0 for file in (output.folder, *output.folder.iterdir()))
    purposes.verify(output)


def test_how_alike_people_are_is_measured(look):
    told = look(AUDIT, smallest_group=3).output.k_anonymity
    assert (told["asked"], told["people"]) == (3, "*")
    by_columns = {tuple(one["columns"]): one for one in told["sets"]}
    # F 65-69, M 45-49, M 25-29, F 0-4, F 90+: everybody is alone.
    assert by_columns["age_band", "sex"]["groups"] == 5
    assert by_columns["age_band", "sex"]["smallest_group"] == "*"
    assert by_columns["age_band", "sex"]["people_below"] == "*"


@pytest.mark.parametrize("only", ["GP1", "none"])
def test_an_agreement_that_does_not_cover_direct_care_gives_a_purpose_nothing(deployed, only):
    for code in ("GP1", "GP2"):
        purposes_of = (RISK,) if code != only else ("direct_care", RISK)
        deployed.agreements[code] = Agreement(reference=f"DSA-{code}", purposes=purposes_of)
    told = configured(deployed)
    if only == "none":
        with pytest.raises(RunFailed, match=r"No provider of the snapshot .* has an agreement that covers risk"):
            purposes.make_output(told, RISK, SNAPSHOT)
    else:
        assert Seen(deployed, told, RISK).output.rows["patient"] == 2


@pytest.mark.parametrize(("on_end", "people"), [("keep", 4), ("remove", 2)])
def test_an_ended_agreement_covers_what_it_says_is_kept(deployed, on_end, people):
    deployed.agreements["GP2"] = Agreement(
        reference="DSA-2", purposes=("direct_care", RISK), ends=date(2026, 3, 31), on_end=on_end
    )
    assert Seen(deployed, configured(deployed), RISK).output.rows["patient"] == people


def test_made_again_from_the_same_it_is_the_same_and_from_other_it_is_not(deployed):
    first = purposes.make_output(configured(deployed), RISK, SNAPSHOT)
    again = purposes.make_output(configured(deployed), RISK, SNAPSHOT)
    assert again.manifest == first.manifest
    by_month = purposes.make_output(configured(deployed, birth="month"), RISK, SNAPSHOT)
    assert by_month.manifest["sha256"] != first.manifest["sha256"]
    journal.record(deployed.home, "objection", what={"number": 1})
    later = purposes.make_output(configured(deployed, birth="month"), RISK, SNAPSHOT)
    assert later.manifest["made_from"] != by_month.manifest["made_from"]
    assert later.manifest["sha256"] == by_month.manifest["sha256"]


def test_readers_see_a_released_output_while_and_until_it_is_made_anew(deployed, monkeypatch):
    told, link = configured(deployed), deployed.home.output_current(RISK)
    made = purposes.make_output(told, RISK, SNAPSHOT)
    assert not link.exists()
    assert purposes.release(told, RISK, SNAPSHOT)
    before = (link / "patient.parquet").read_bytes()
    other = configured(deployed, birth="month")

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(purposes, "_likeness", killed)
        with pytest.raises(KeyboardInterrupt):
            purposes.make_output(other, RISK, SNAPSHOT)
    assert link.resolve() == made.folder
    assert [path.name for path in made.folder.parent.iterdir() if path.name.startswith(".")] == []
    purposes.make_output(other, RISK, SNAPSHOT)
    assert (link / "patient.parquet").read_bytes() == before
    assert purposes.release(other, RISK, SNAPSHOT)
    assert (link / "patient.parquet").read_bytes() != before
    assert sorted(path.name for path in made.folder.parent.iterdir()) == [SNAPSHOT, "current"]


def test_an_output_that_is_damaged_or_not_made_is_not_released(deployed):
    told = configured(deployed)
    with pytest.raises(BadInput, match=f"There is no output of {SNAPSHOT} for {RISK} yet"):
        purposes.release(told, RISK, SNAPSHOT)
    made = purposes.make_output(told, RISK, SNAPSHOT)
    file = made.folder / "patient.parquet"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RunFailed, match=r"is damaged \(patient\.parquet"):
        purposes.release(told, RISK, SNAPSHOT)
    assert purposes.release(told, RISK, purposes.make_output(told, RISK, SNAPSHOT).snapshot_id)


def test_an_earlier_night_does_not_take_the_place_of_a_later_one(deployed):
    told, link = configured(deployed), deployed.home.output_current(RISK)
    purposes.make_output(told, RISK, SNAPSHOT)
    later = deployed.home.output(RISK, "2026-04-02.1")
    later.mkdir()
    swap_symlink(link, later)
    assert not purposes.release(told, RISK, SNAPSHOT)
    assert link.resolve() == later


def test_outputs_leave_with_their_snapshots_but_for_the_one_that_is_seen(deployed):
    told = configured(deployed)
    for purpose in (RISK, AUDIT):
        purposes.make_output(told, purpose, SNAPSHOT)
    purposes.release(told, AUDIT, SNAPSHOT)
    assert prune_made_of_snapshots(deployed.home, "outputs") == []
    deployed.home.snapshot(SNAPSHOT).rename(deployed.home.root / "gone")
    assert prune_made_of_snapshots(deployed.home, "outputs") == [f"{RISK}/{SNAPSHOT}"]
    assert (deployed.home.output_current(AUDIT) / "patient.parquet").is_file()
    assert prune_made_of_snapshots(Home(deployed.home.root / "none"), "outputs") == []


@pytest.mark.parametrize(
    ("snapshot_id", "sentence"),
    [("2026-04-09.1", "There is no published snapshot"), ("../../etc", "There is no published snapshot")],
)
def test_no_output_of_what_was_not_published(deployed, snapshot_id, sentence):
    with pytest.raises(BadInput, match=sentence):
        purposes.make_output(configured(deployed), RISK, snapshot_id)
    (deployed.home.snapshot(SNAPSHOT) / "published.json").unlink()
    with pytest.raises(BadInput, match="There is no published snapshot"):
        purposes.make_output(configured(deployed), RISK, SNAPSHOT)


def test_a_damaged_snapshot_and_records_that_are_gone_or_changed_stop_an_output(deployed):
    told = configured(deployed)
    staged = deployed.home.staged("person_record", "GP1", NIGHT)
    kept = staged.with_name("kept")
    staged.rename(kept)
    with pytest.raises(RunFailed, match=r"records of GP1 of 2026-04-01.* are gone"):
        purposes.make_output(told, RISK, SNAPSHOT)
    shutil.copy(deployed.home.staged("person_record", "GP2", NIGHT), staged)
    with pytest.raises(RunFailed, match="has changed since the snapshot"):
        purposes.make_output(told, RISK, SNAPSHOT)
    kept.rename(staged)
    events = deployed.home.snapshot(SNAPSHOT) / "patient_activity.parquet"
    events.chmod(0o600)
    events.write_bytes(b"x")
    with pytest.raises(RunFailed, match=r"is damaged \(patient_activity\.parquet"):
        purposes.make_output(told, RISK, SNAPSHOT)
    assert not deployed.home.output(RISK, SNAPSHOT).exists()


def test_an_output_under_another_key_is_refused_until_the_key_is_rotated(deployed, tmp_path):
    told, root = configured(deployed), deployed.home.root
    before = Seen(deployed, told, RISK)
    ids = ids_of(before)
    new = tmp_path / "new.key"
    pseudonyms.new_key(new)
    new.rename(root / f"{RISK}.key.new")
    (root / f"{RISK}.key").rename(root / f"{RISK}.key.old")
    (root / f"{RISK}.key.new").rename(root / f"{RISK}.key")
    with pytest.raises(BadInput, match=r"is not the one that its outputs are under .* registry key rotate"):
        purposes.make_output(told, RISK, SNAPSHOT)
    (root / f"{RISK}.key").rename(new)
    (root / f"{RISK}.key.old").rename(root / f"{RISK}.key")

    done = exports.rotate(told, RISK, new=new, map_file=tmp_path / "map.parquet", why="the yearly change")

    assert (tmp_path / "map.parquet").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput, match="is not the one that its outputs are under"):
        purposes.make_output(told, RISK, SNAPSHOT)
    shutil.copy(new, root / f"{RISK}.key")
    after = Seen(deployed, told, RISK)
    with duckdb.connect(config={"threads": 1}) as connection:
        rows = connection.execute(f"FROM read_parquet('{tmp_path / 'map.parquet'}')").fetchall()
    assert {old: new_one for _, old, new_one in rows}.keys() == ids
    assert {new_one for _, _, new_one in rows} == ids_of(after)
    assert {("record", before.record[r], after.record[r]) for r in ("GP1:1", "GP2:4")} <= set(rows)
    assert done.rows == {"event": 4, "patient": 4, "record": 4}
    [entry] = journal.entries(deployed.home, ("key_rotation",))
    assert (entry.why, entry.what["from"], entry.what["to"]) == (
        "the yearly change", done.old_fingerprint, done.new_fingerprint,
    )  # fmt: skip
    with pytest.raises(BadInput, match="was the key of risk_stratification already"):
        exports.rotate(told, RISK, new=root / f"{RISK}.key", map_file=tmp_path / "other.parquet")


def test_a_key_of_another_purpose_is_refused_before_anything_is_made(deployed):
    root = deployed.home.root
    shutil.copy(root / f"{AUDIT}.key", root / f"{RISK}.key")
    for asked in (
        lambda: purposes.make_output(configured(deployed), RISK, SNAPSHOT),
        lambda: purposes.check_outputs(configured(deployed)),
    ):
        with pytest.raises(BadInput, match=f"The key of {RISK} is also that of {AUDIT}"):
            asked()
    assert not (root / "outputs").exists()


def test_an_export_is_a_checked_copy_that_the_journal_knows(deployed, tmp_path):
    told = configured(deployed)
    output, folder = exports.export(told, RISK, to=tmp_path / "out")
    assert folder == tmp_path / "out"
    for table in OUTPUT_TABLES:
        copied = folder / f"{table}.parquet"
        assert copied.read_bytes() == (output.folder / copied.name).read_bytes()
        assert copied.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    assert "made_from" not in (folder / "manifest.json").read_text()
    [entry] = journal.entries(deployed.home, ("export",))
    assert entry.what["snapshot"] == SNAPSHOT
    assert entry.outputs == output.manifest["sha256"]
    assert exports.export(told, RISK)[1] is None
    with pytest.raises(BadInput, match="is there already, and not an empty folder"):
        exports.export(told, RISK, to=folder)
    with pytest.raises(BadInput, match="lies in the data folder"):
        exports.export(told, RISK, to=deployed.home.root / "out")
    with pytest.raises(BadInput, match="There is no folder"):
        exports.export(told, RISK, to=tmp_path / "none" / "out")
    assert len(journal.entries(deployed.home, ("export",))) == 1


def test_an_export_waits_for_the_signatures_that_the_deployment_asks_for(deployed, tmp_path):
    told = configured(deployed)
    asks = told.model_copy(update={"deployment": told.deployment.model_copy(update={"sign_offs": {RISK: 2}})})
    with pytest.raises(BadInput, match=r"waits for 2 more signature"):
        exports.export(asks, RISK, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert exports.export(asks, AUDIT, to=tmp_path / "out")[0].rows["patient"] == 5


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"list of postcodes .*postcodes\.csv is missing"),
        (
            b"postcode,lsoa21cd,deprivation_decile\nLS1 1AA,E01000001,1\n",
            r"has no column 'lsoa' .* did you mean 'lsoa21cd'\?",
        ),
        (b"postcode,lsoa,deprivation_decile\n", "holds no row"),
        (
            b"postcode,lsoa,deprivation_decile\nLS1 1AA,Leeds 111B,1\n",
            "in 1 of its rows the column 'lsoa' holds something else",
        ),
        (b"postcode,lsoa,deprivation_decile\nLS1 1AA,E01000001,4711\n", "something else than a decile 1 to 10"),
        (b"postcode,lsoa,deprivation_decile\nE01000001,E01000001,1\n", "something else than a postcode"),
        (b"postcode,lsoa,deprivation_decile\nLS1 1AA,E01000001,1\nls11aa,E01000002,1\n", "stands in two areas"),
        (b'postcode,lsoa,deprivation_decile\n"LS1 1AA,E01\xff,1\n1,2,3,4,5\n', "cannot be read as CSV"),
    ],
)
def test_a_list_of_postcodes_that_cannot_be_used_is_refused(deployed, content, sentence):
    file = deployed.home.root / "postcodes.csv"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    for asked in (
        lambda: purposes.make_output(configured(deployed), RISK, SNAPSHOT),
        lambda: purposes.check_outputs(configured(deployed)),
    ):
        with pytest.raises(BadInput, match=sentence):
            asked()
    assert not deployed.home.output(RISK, SNAPSHOT).exists()


def values_of(seen):
    """What is told of people, without their pseudonyms."""
    return sorted(str({**row, "patient_pseudonym": None}) for row in seen.rows("patient"))


def test_people_are_told_as_if_a_provider_that_is_not_covered_had_never_delivered(look, published, tmp_path):
    without = CareSystem(
        Home(tmp_path / "home"), providers=("GP1", "GP2"), feeds=("patient", "contact"), agreements=AGREEMENTS
    )
    covered = [row for row in RECORDS if not row["record_id"].startswith("RX1")]
    # But that it protects a person is heard.
    without.deliver(NIGHT, [{**row, "is_sensitive": row["record_id"] == "GP1:3"} for row in covered])
    without.cluster(NIGHT, [[row["record_id"]] for row in covered])
    for provider, rows in (("GP1", CONTACTS), ("GP2", BIRTHS)):
        without.events("activity", "contact", provider, NIGHT, list(rows))
    without.publish(NIGHT)
    for file in (f"{RISK}.key", f"{AUDIT}.key", "postcodes.csv"):
        shutil.copy(published / file, tmp_path / "home" / file)
    seen = Seen(without, configured(without), RISK)
    assert values_of(seen) == values_of(look(RISK))
    assert len(values_of(seen)) == 4


def test_which_number_replaced_another_is_not_known_from_who_is_not_covered(care_system, published):
    """A verified number's birth date comes first, but for a number that was replaced: here, by what the hospital says."""
    care_system.providers, care_system.agreements = ("GP1", "GP2", "RX1"), AGREEMENTS
    care_system.feeds = ("patient", "nhs_number_replacement")
    care_system.deliver(
        NIGHT,
        [
            {"record_id": "GP1:1", "birth_date": date(1950, 1, 1)},
            {"record_id": "GP2:1", "birth_date": date(1951, 1, 1), "nhs_number": "9000000017", "is_nhs_number_verified": True},
        ],
    )  # fmt: skip
    care_system.cluster(NIGHT, [["GP1:1", "GP2:1"]])
    care_system.replaced("RX1", NIGHT, {"9000000017": "9000000025"})
    care_system.publish(NIGHT)
    for purpose in (RISK, AUDIT):
        shutil.copy(published / f"{purpose}.key", care_system.home.root)
    told = configured(care_system, postcodes=None)
    assert Seen(care_system, told, AUDIT).patient("GP1:1")["birth_period"] == "1950"
    assert Seen(care_system, told, RISK).patient("GP1:1")["birth_period"] == "1951"


def test_no_file_of_the_home_or_of_an_export_holds_a_key(deployed, tmp_path):
    told = configured(deployed)
    keys = {purpose: pseudonyms.key_for(told, purpose) for purpose in (RISK, AUDIT)}
    for purpose in keys:
        exports.export(told, purpose, to=tmp_path / purpose)
    new = tmp_path / "new.key"
    keys["new"] = pseudonyms.new_key(new)
    exports.rotate(told, AUDIT, new=new, map_file=tmp_path / "map.parquet")
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".key"]
    assert len(files) > 40
    content = b"".join(file.read_bytes() for file in files)
    for key in keys.values():
        assert key.secret not in content
        assert key.secret.hex().encode() not in content
        assert key.fingerprint.encode() in content


def described(system):
    """The deployment's folder, as the command reads it."""
    root = system.home.root
    outputs = "".join(f"  {p}: {{key: {{file: {p}.key}}, objections: []}}\n" for p in (RISK, AUDIT))
    (root / "registry.yaml").write_text(f"home: .\npostcodes: {{path: postcodes.csv}}\nthreads: 1\noutputs:\n{outputs}")
    (root / "providers").mkdir()
    for code, agreement in AGREEMENTS.items():
        (root / "providers" / f"{code}.yaml").write_text(
            f"provider: {code}\nsetting: {'gp' if code != 'RX1' else 'acute'}\n"
            f"agreement: {{reference: {agreement.reference}, purposes: [{', '.join(agreement.purposes)}]}}\n"
            "feeds: {patient: {source: {kind: csv, path: patient.csv}}}\n"
        )
    return root


@pytest.fixture
def say(deployed, monkeypatch):
    """Runs the command on the deployment; gives back what it says."""
    monkeypatch.delenv("REGISTRY_HOME", raising=False)
    monkeypatch.setenv("REGISTRY_CONFIG", str(described(deployed)))

    def run(*words):
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_the_command_exports_and_looks_after_keys(say, deployed, tmp_path):
    assert "not used yet" in say("key", "check")
    said = say("export", "--purpose", RISK, "--to", tmp_path / "out")
    assert re.search(r"patient_activity +4\b", said)
    assert "People left out, wholly or in part (* is 1 to 7): agreement *." in said
    assert (tmp_path / "out" / "manifest.json").is_file()
    made = say("key", "new", tmp_path / "new.key")
    assert (tmp_path / "new.key").read_text().strip() not in made
    assert say("key", "check").count("in use") == 1
    said = say(
        "key", "rotate", RISK, "--new", tmp_path / "new.key", "--map", tmp_path / "map.parquet", "--why", "yearly"
    )
    assert "The map of event 4, patient 4, record 4 is in" in said
    with pytest.raises(BadInput, match=r"^1 of 2 keys cannot be used; the first: The key of risk_stratification"):
        say("key", "check")
    with pytest.raises(BadInput, match="describes no output for 'research'"):
        say("export", "--purpose", "research")


@pytest.mark.parametrize("table", OUTPUT_TABLES.values(), ids=lambda table: table.name)
def test_what_an_output_tells_is_described_and_has_no_place_for_identity(table):
    names = table.column_names
    assert len(set(names)) == len(names)
    assert set(table.key) <= set(names)
    assert all(column.description for column in table.columns)
    identifying = {
        "patient_id", "record_id", "local_id", "event_key", "nhs_number", "given_name", "family_name", "birth_date",
        "death_date", "address", "postcode", "phone", "email", "description", "coordinator_id", "carer_local_id",
    }  # fmt: skip
    assert not identifying & set(names)
