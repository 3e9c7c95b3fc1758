"""Legally restricted records: whoever's identity is withheld is in no table and no file, nor is what they did."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from registry_pipeline import outcomes
from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.govern import forgotten, withheld
from registry_pipeline.night import extract_provider, run_night, standardise_provider, validate_provider
from registry_pipeline.storage import Home, read_json

FIRST = date(2026, 4, 1)
SECOND, THIRD = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
PATIENTS = ["local_id", "given_name", "family_name", "birth_date", "withheld_identity_reason"]
EVENTS = ["event_id", "local_id", "start_date", "withheld_identity_reason"]
CARERS = ["event_id", "local_id", "carer_local_id"]
SECRET = "Quercusson"


def patient(local_id: str, reason: str = "", name: str | None = None) -> list[str]:
    family = name or (SECRET if reason else f"Ash{'abcdefgh'[int(local_id)]}")
    return [local_id, "Robin", family, f"19{60 + int(local_id)}-02-03", reason]


class Hospital:
    """A provider of patients, attendances and carers whose deliveries a test writes."""

    def __init__(self, folder: Path, *, delivery: str = "full", codes: dict[str, str] | None = None) -> None:
        self.folder = folder
        mapped = {name: name for name in PATIENTS}
        if codes:
            mapped["withheld_identity_reason"] = {"from": "withheld_identity_reason", "values": codes}
        feeds = {
            # Patients last: what they say holds for events all the same.
            "attendance": {"source": self.source("attendance"), "columns": {name: name for name in EVENTS}},
            "carer": {"source": self.source("carer"), "columns": {name: name for name in CARERS}},
            "patient": {"source": self.source("patient"), "columns": mapped},
        }
        described = {"provider": "RX9", "setting": "acute", "delivery": delivery, "feeds": feeds}
        self.provider = Provider.model_validate({**described, "agreement": {"reference": "DSA-1"}})
        self.configuration = Configuration(
            directory=folder,
            home=folder / "home",
            deployment=Deployment(threads=1, memory_limit="500MB", nightly_report=False, consumers=()),
            providers={"RX9": self.provider},
        )
        self.home = Home(folder / "home")

    @staticmethod
    def source(feed: str) -> dict[str, str]:
        return {"kind": "csv", "path": f"drop/{feed}_{{night}}.csv"}

    def deliver(self, night: date, patients: list, events: list = (), carers: list = ()) -> None:
        (self.folder / "drop").mkdir(exist_ok=True)
        for feed, header, rows in (
            ("patient", PATIENTS, patients), ("attendance", EVENTS, events), ("carer", CARERS, carers),
        ):  # fmt: skip
            with (self.folder / "drop" / f"{feed}_{night}.csv").open("w", newline="") as file:
                csv.writer(file).writerows([header, *rows])

    def take_in(self, night: date) -> dict[str, outcomes.FeedOutcome]:
        for stage in (extract_provider, validate_provider, standardise_provider):
            done = stage(self.configuration, "RX9", night)
        return {outcome.feed: outcome for outcome in done}

    def column(self, table: str, night: date, column: str = "local_id", feed: str | None = None) -> list:
        with duckdb.connect() as connection:
            file = self.home.staged(table, "RX9", night, feed)
            return [row[0] for row in connection.execute(f"SELECT {column} FROM '{file}' ORDER BY ALL").fetchall()]


@pytest.fixture
def hospital(tmp_path):
    return Hospital(tmp_path)


def files_with(folder: Path, text: str) -> list[str]:
    """Files that hold a text, in their bytes or in a cell."""
    found = [file for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
    with duckdb.connect() as connection:
        for file in folder.rglob("*.parquet"):
            rows = connection.execute(f"SELECT t::VARCHAR FROM '{file}' AS t").fetchall()
            found += [file] if any(text in row[0] for row in rows) else []
    return [str(file.relative_to(folder)) for file in found]


def test_whoever_is_withheld_is_nowhere_and_everybody_else_is(hospital):
    hospital.deliver(
        FIRST,
        [patient("1"), patient("2", "01"), patient("3", " 97 "), patient("4")],
        [["E1", "1", "2026-03-01", ""], ["E2", "2", "2026-03-01", ""], ["E3", "4", "2026-03-01", "03"]],
        [["C1", "4", "2"], ["C2", "3", "1"]],
    )

    run_night(hospital.configuration, FIRST)

    done = {feed: outcomes.find(hospital.home, "RX9", feed, FIRST) for feed in hospital.provider.feeds}
    assert {feed: outcome.rows_left_out for feed, outcome in done.items()} == {
        "patient": {"withheld_identity": 2}, "attendance": {"withheld_identity": 2}, "carer": {"withheld_identity": 1},
    }  # fmt: skip
    assert all(outcome.accepted for outcome in done.values())
    assert done["patient"].rows_delivered == 4
    for kind in ("raw", "accepted"):
        assert hospital.column(f"{kind}_patient", FIRST) == ["1", "4"]
        assert hospital.column(f"{kind}_attendance", FIRST) == ["1"]
        assert hospital.column(f"{kind}_carer", FIRST) == ["4"]
    assert hospital.column("raw_carer", FIRST, "carer_local_id") == [None]
    assert files_with(hospital.home.root, SECRET) == []
    assert files_with(hospital.home.root, "RX9:2") == []


def test_it_is_said_in_the_checks_and_in_the_manifest_by_count_only(hospital):
    hospital.deliver(FIRST, [patient("1"), patient("2", "01")])
    run_night(hospital.configuration, FIRST)

    checks = {check.name: check for check in outcomes.find(hospital.home, "RX9", "patient", FIRST).checks}
    manifest = read_json(hospital.home.current / "manifest.json")
    given = next(entry for entry in manifest["inputs"] if entry["feed"] == "patient")

    assert (checks["no_withheld_identity"].passed, checks["no_withheld_identity"].severity) == (False, "info")
    assert checks["no_withheld_identity"].observed == "1 rows left out"
    assert given["deliveries"][0]["rows_left_out"] == {"withheld_identity": 1}
    assert given["deliveries"][0]["rows_delivered"] == 2


def test_the_same_night_again_gives_the_same_from_the_landed_copy(hospital):
    hospital.deliver(FIRST, [patient("1"), patient("2", "01")], [["E2", "2", "2026-03-01", ""]])
    before = hospital.take_in(FIRST)
    for table in ("raw_patient", "raw_attendance"):
        hospital.home.staged(table, "RX9", FIRST).unlink()

    again = hospital.take_in(FIRST)

    assert hospital.column("raw_patient", FIRST) == ["1"]
    assert hospital.column("raw_attendance", FIRST) == []
    assert again["patient"].delivery == before["patient"].delivery
    assert withheld.known(hospital.home, "RX9", FIRST, whole=True)


def test_a_person_who_becomes_withheld_leaves_and_comes_back_with_what_is_delivered_then(hospital):
    events = [["E1", "1", "2026-03-01", ""], ["E2", "2", "2026-03-01", ""]]
    for night, reason in ((FIRST, ""), (SECOND, "01"), (THIRD, "")):
        hospital.deliver(night, [patient("1"), patient("2", reason, name="Oak")], events)
        hospital.take_in(night)

    assert [hospital.column("person_record", night) for night in (FIRST, SECOND, THIRD)] == [
        ["1", "2"], ["1"], ["1", "2"],
    ]  # fmt: skip
    assert [hospital.column("raw_attendance", night) for night in (FIRST, SECOND, THIRD)] == [
        ["1", "2"], ["1"], ["1", "2"],
    ]  # fmt: skip


def test_in_deltas_a_withheld_person_leaves_the_carried_state_and_stays_out_until_released(tmp_path):
    hospital = Hospital(tmp_path, delivery="delta")
    event = [["E9", "2", "2026-03-02", ""]]
    hospital.deliver(FIRST, [patient("1"), patient("2", name="Oak")])
    hospital.take_in(FIRST)

    hospital.deliver(SECOND, [patient("2", "01")], event)
    hospital.take_in(SECOND)
    assert hospital.column("person_record", SECOND) == ["1"]

    hospital.deliver(THIRD, [patient("3")], event)
    hospital.take_in(THIRD)
    assert hospital.column("person_record", THIRD) == ["1", "3"]
    assert hospital.column("raw_attendance", THIRD) == []

    fourth = THIRD + timedelta(days=1)
    hospital.deliver(fourth, [patient("2", name="Oak")], event)
    hospital.take_in(fourth)
    assert hospital.column("person_record", fourth) == ["1", "2", "3"]
    assert hospital.column("raw_attendance", fourth) == ["2"]


def test_a_provider_may_say_which_of_its_codes_is_no_reason(tmp_path):
    hospital = Hospital(tmp_path, codes={"N": ""})
    hospital.deliver(FIRST, [patient("1", "n", name="Ash"), patient("2", "N", name="Oak"), patient("3", "01")])

    hospital.take_in(FIRST)

    assert hospital.column("raw_patient", FIRST) == ["1", "2"]


def test_of_whom_is_withheld_only_digests_are_kept_for_the_owner(hospital):
    hospital.deliver(FIRST, [patient("1"), patient("2", "01")])
    hospital.take_in(FIRST)

    [file] = (hospital.home.govern / "withheld").rglob("*.json")
    assert file.stat().st_mode & 0o077 == 0
    # Under the home's key: a digest without one could be tried out, local ids being short.
    assert read_json(file)["withheld"] == [forgotten.with_key(hospital.home).digest("record", "RX9:2")]


def test_nothing_is_kept_of_providers_who_withhold_nobody(hospital):
    hospital.deliver(FIRST, [patient("1")], [["E1", "1", "2026-03-01", ""]])
    done = hospital.take_in(FIRST)

    assert not (hospital.home.govern / "withheld").exists()
    assert done["patient"].rows_left_out == {}
