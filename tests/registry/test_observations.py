"""Observations in the registry and in what a purpose sees: by person, as days, without free text and numbers that name."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from registry_pipeline.config import Agreement, Deployment, KeySource, PurposeOutput
from registry_pipeline.govern import pseudonyms
from registry_pipeline.govern.objections import TYPE_1_DISSENT, TYPE_1_WITHDRAWN
from registry_pipeline.registry import purposes
from registry_pipeline.storage import Home
from tests.registry.conftest import CareSystem

NIGHT = date(2026, 4, 1)
BEFORE, AFTER = date(2026, 1, 10), date(2026, 2, 9)
HBA1C = {"code": "999791000000106", "coding_system": "snomed", "unit": "mmol/mol"}
OBSERVATIONS = (
    {"event_id": "1", "record_id": "GP1:1", "start_date": BEFORE, "value": 53.0, **HBA1C},
    {"event_id": "2", "record_id": "GP1:2", "start_date": AFTER, "value": 48.5, **HBA1C},
    {"event_id": "3", "record_id": "GP1:1", "start_date": AFTER, "value": 9434765919.0, **HBA1C},
    {"event_id": "4", "record_id": "GP1:1", "start_date": AFTER, "code": "401191002", "coding_system": "snomed",
     "description": "Zebedee's feet", "unit": "as Zebedee says"},
    {"event_id": "5", "record_id": "GP1:2", "value": 20260401.0, "unit": "%", "code": "x"},
)  # fmt: skip


DISSENT, WITHDRAWN = TYPE_1_DISSENT[0], TYPE_1_WITHDRAWN[0]
SAID = {
    "GP1:3": [(DISSENT, BEFORE)],
    "GP1:4": [(DISSENT, BEFORE), (WITHDRAWN, AFTER)],
    "GP1:5": [(WITHDRAWN, BEFORE), (DISSENT, AFTER)],
}
"""What people said about their data leaving the practice, coded as observations."""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A published night of one practice of five people."""
    root = tmp_path_factory.mktemp("observed")
    agreement = Agreement(reference="DSA-1", purposes=("direct_care", "audit"))
    system = CareSystem(Home(root), agreements={"GP1": agreement}, providers=("GP1",), feeds=("patient", "observation"))
    system.people(NIGHT, {str(n): [f"GP1:{n}"] for n in range(1, 6)})
    said = [
        {"event_id": f"{record} {code}", "record_id": record, "code": code, "coding_system": "snomed", "start_date": on}
        for record, words in SAID.items()
        for code, on in words
    ]
    system.events("observation", "observation", "GP1", NIGHT, [*OBSERVATIONS, *said])
    system.publish(NIGHT)
    pseudonyms.new_key(root / "audit.key")
    return system


def configured(system, **settings):
    chosen = PurposeOutput(key=KeySource(file=Path("audit.key")), **{"objections": (), "smallest_group": 2, **settings})
    return system.configuration.model_copy(update={"deployment": Deployment(threads=1, outputs={"audit": chosen})})


def output(system, **settings):
    made = purposes.make_output(configured(system, **settings), "audit", f"{NIGHT}.1")
    rows = pq.read_table(made.folder / "patient_observation.parquet").to_pylist()
    return made, sorted(rows, key=lambda row: (row["start_month"] or "", row["code"], row["value"] or 0))


def test_each_observation_is_its_person_s(system, rows_of):
    folder = system.home.snapshot(f"{NIGHT}.1")
    ids = system.ids(folder)
    found = rows_of(
        folder / "patient_observation.parquet",
        "SELECT event_key, patient_id::VARCHAR, value, unit, description FROM t ORDER BY event_key LIMIT 4",
    )
    assert found == [
        ("GP1:observation:1", ids["GP1:1"], 53.0, "mmol/mol", None),
        ("GP1:observation:2", ids["GP1:2"], 48.5, "mmol/mol", None),
        ("GP1:observation:3", ids["GP1:1"], 9434765919.0, "mmol/mol", None),
        ("GP1:observation:4", ids["GP1:1"], None, "as Zebedee says", "Zebedee's feet"),
    ]


def test_a_purpose_sees_values_and_units_but_neither_days_nor_what_may_name_somebody(system):
    made, rows = output(system)
    rows = [r for r in rows if r["code"] not in {DISSENT, WITHDRAWN}]
    told = [(r["start_month"], r["start_day"], r["start_date"], r["code"], r["value"], r["unit"]) for r in rows]
    assert told == [
        # A value of eight digits may be a day; a per cent sign has the length of a code, but is no letter or digit.
        (None, None, None, "x", None, None),
        ("2026-01", 0, None, "999791000000106", 53.0, "mmol/mol"),
        ("2026-02", 30, None, "401191002", None, None),
        # Ten digits may be an NHS number. Relative days count from the person's first observation.
        ("2026-02", 30, None, "999791000000106", None, "mmol/mol"),
        ("2026-02", 0, None, "999791000000106", 48.5, "mmol/mol"),
    ]
    assert made.rows["patient_observation"] == 10
    content = b"".join(file.read_bytes() for file in made.folder.iterdir())
    assert b"Zebedee" not in content
    assert "description" not in rows[0]


def test_where_an_agreement_covers_days_they_are_told(system):
    _, rows = output(system, event_dates="day")
    assert {(r["code"], r["start_date"]) for r in rows if r["code"] == HBA1C["code"]} == {
        (HBA1C["code"], BEFORE), (HBA1C["code"], AFTER),
    }  # fmt: skip


def test_dissent_that_is_coded_among_observations_is_heard(system):
    made, _ = output(system, objections=("type_1",))
    key = pseudonyms.key_for(configured(system), "audit")
    ids = system.ids(system.home.snapshot(f"{NIGHT}.1"))
    seen = pq.read_table(made.folder / "patient.parquet")["patient_pseudonym"].to_pylist()
    assert {r for r, patient in ids.items() if pseudonyms.pseudonym(key, "patient", patient) in seen} == {
        "GP1:1", "GP1:2", "GP1:4",
    }  # fmt: skip
