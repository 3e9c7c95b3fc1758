"""Which value of each field survives: `survivorship.yaml` holds input and expected rows."""

from datetime import timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from registry_pipeline.errors import RunFailed
from registry_pipeline.registry import SURVIVORSHIP
from registry_pipeline.tables import TABLES

CASES = YAML(typ="safe").load((Path(__file__).parent / "survivorship.yaml").read_text(encoding="utf-8"))


def _survivor(care_system, rows_of, case):
    night = care_system.night(10)
    care_system.providers = tuple({r["record_id"].split(":")[0]: None for r in case["records"]})
    if "replaced" in case:
        care_system.feeds = ("patient", "nhs_number_replacement")
        care_system.replaced(care_system.providers[0], night, case["replaced"])
    # Whoever is late delivered on an earlier night and not since.
    for days in {case.get("days_old", {}).get(code, 0) for code in care_system.providers}:
        late = [c for c in care_system.providers if case.get("days_old", {}).get(c, 0) == days]
        everyone, care_system.providers = care_system.providers, tuple(late)
        care_system.deliver(
            night - timedelta(days=days), [r for r in case["records"] if r["record_id"].split(":")[0] in late]
        )
        care_system.providers = everyone
    care_system.cluster(night, [[record["record_id"] for record in case["records"]]])
    if case.get("two_numbers"):
        # Linking never gives such a cluster and the audit stops it; the rule must hold all the same.
        with pytest.raises(RunFailed, match="patient_has_one_nhs_number: 1 of 1"):
            care_system.build(night)
        folder = care_system.home.failed(f"{night}.1")
    else:
        folder = care_system.build(night).folder
    names = TABLES["patient"].column_names
    [row] = rows_of(folder / "patient.parquet", "SELECT * FROM t")
    return dict(zip(names, row, strict=True))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_survivor(care_system, rows_of, case):
    patient = _survivor(care_system, rows_of, case)
    for field, expected in case["expected"].items():
        if isinstance(expected, list):
            value, record_id, rule = expected
            assert patient[field] == value, field
            assert patient["field_sources"][field] == {"record_id": record_id, "rule": rule}, field
        else:
            assert patient[field] == expected, field
            assert field not in patient["field_sources"]


def test_every_surviving_field_has_a_rule_and_a_reason_and_each_is_tried():
    about_a_person = {"patient_id", "is_nhs_number_verified", "is_sensitive", "record_count", "setting_count"}
    about_a_person |= {"field_sources", "is_stale"}
    fields = [name for name in TABLES["patient"].column_names if name not in about_a_person]
    assert [s.field for s in SURVIVORSHIP] == fields
    assert all(s.why.endswith(".") for s in SURVIVORSHIP)
    tried = {(f, e[2]) for case in CASES for f, e in case["expected"].items() if isinstance(e, list)}
    assert {(s.field, s.rule) for s in SURVIVORSHIP} <= tried
