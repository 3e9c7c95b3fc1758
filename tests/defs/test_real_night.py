"""The real stages, through Dagster: nights of a small made-up system, with a provider that fails, one late, one again."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg

from registry_pipeline import open_registry, synthetic
from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.definitions import definitions_of
from registry_pipeline.defs import automation, registry_assets

FIRST, SECOND = date(2026, 4, 1), date(2026, 4, 2)
PROVIDERS = {"RX1": ("patient", "spell"), "RY2": ("patient",)}
"""Two hospital files and one of a community service: enough to fail, and quick."""


def small_system(folder: Path) -> Configuration:
    synthetic.synthesise(folder, people=150, nights=2, seed=4)
    from ruamel.yaml import YAML

    yaml = YAML()
    for file in (folder / "providers").iterdir():
        described = yaml.load(file)
        wanted = PROVIDERS.get(described["provider"])
        if wanted is None:
            file.unlink()
            continue
        described["feeds"] = {feed: described["feeds"][feed] for feed in wanted}
        with file.open("w") as written:
            yaml.dump(described, written)
    return load_configuration(folder, home=folder.parent / "home")


def run(configuration: Configuration, instance: dg.DagsterInstance, job: str, on: date) -> dg.ExecuteInProcessResult:
    definition = definitions_of(configuration).resolve_job_def(job)
    return definition.execute_in_process(instance=instance, partition_key=on.isoformat(), raise_on_error=False)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {f"{e.asset_key.to_user_string()}:{e.check_name}": e for e in result.get_asset_check_evaluations()}


def rows(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    return {
        e.asset_key.to_user_string(): e.materialization.metadata["dagster/row_count"].value
        for e in result.get_asset_materialization_events()
        if "dagster/row_count" in e.materialization.metadata
    }


def test_two_nights_with_one_provider_late(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    configuration = small_system(tmp_path / "made_up")

    first = run(configuration, instance, "provider_night", FIRST)
    assert first.success
    assert {name for name, check in checks(first).items() if name.endswith("delivered") and check.passed} == {
        "RX1/raw_patient:delivered", "RX1/raw_spell:delivered", "RY2/raw_patient:delivered",
    }  # fmt: skip
    made = rows(first)
    assert made["RX1/raw_patient"] == made["RX1/accepted_patient"] + made["RX1/quarantined_patient"] > 0
    assert 0 < made["RX1/person_record"] <= made["RX1/accepted_patient"]
    registry = run(configuration, instance, "registry_night", FIRST)
    assert registry.success
    assert {name: check.passed for name, check in checks(registry).items() if name.startswith("linked_pair")} == {
        f"linked_pair:{name}": True for name in registry_assets.LINKAGE_CHECKS
    }
    built = rows(registry)
    assert "needs_attention" in built
    assert built["patient_record"] == made["RX1/person_record"] + made["RY2/person_record"]
    assert_consumers(registry, configuration)
    assert_outputs_and_report(registry, configuration)
    with open_registry(configuration.home) as reader:
        assert reader.execute("select count(*) from patient").fetchall() == [(built["patient"],)]

    late = tmp_path / "made_up" / "drop" / "ry2" / f"{SECOND}_CYP001MPI.csv"
    away = late.rename(tmp_path / "not_there_yet")
    second = run(configuration, instance, "provider_night", SECOND)
    assert second.success, "a provider's failure is data"
    told = checks(second)["RY2/raw_patient:delivered"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "RY2" in told.description
    assert checks(second)["RX1/raw_patient:delivered"].passed
    assert "RY2/person_record" not in rows(second)
    registry = run(configuration, instance, "registry_night", SECOND)
    assert registry.success
    carried = checks(registry)["linked_pair:every_provider_is_in"]
    assert not carried.passed
    assert carried.description == "Carried forward: RY2 of 2026-04-01"
    incrementally = checks(registry)["linked_pair:linked_incrementally"]
    assert incrementally.passed
    assert "from the night 2026-04-01" in incrementally.description

    now = datetime(2026, 4, 2, 9, tzinfo=ZoneInfo("Europe/London"))
    assert not requests(configuration, instance, now)
    away.rename(late)
    (request,) = requests(configuration, instance, now)
    job = definitions_of(configuration).resolve_job_def("provider_night")
    taken = job.execute_in_process(
        instance=instance, partition_key=request.partition_key, asset_selection=list(request.asset_selection)
    )
    assert set(rows(taken)) == {
        f"RY2/{t}" for t in ("raw_patient", "accepted_patient", "quarantined_patient", "person_record")
    }
    assert not requests(configuration, instance, now)

    again = run(configuration, instance, "registry_night", SECOND)
    assert again.success
    assert checks(again)["linked_pair:every_provider_is_in"].passed
    before = run(configuration, instance, "registry_night", FIRST)
    assert before.success, "a past night can be built again"
    published = [
        e.materialization.metadata["what readers see now"].value
        for e in before.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey("published_registry")
    ]
    assert published == [False], "and does not take the place of a later one"
    assert instance.get_materialized_partitions(dg.AssetKey("published_registry")) == {"2026-04-01", "2026-04-02"}


def assert_consumers(registry: dg.ExecuteInProcessResult, configuration: Configuration) -> None:
    told, made = checks(registry), rows(registry)
    for name in configuration.deployment.consumers:
        assert told[f"{name}:is_made_and_seen"].passed, told[f"{name}:is_made_and_seen"].description
        assert name in made
    assert made["risk_stratification"] == made["patient"]
    pages = [
        e.materialization.metadata["page"].url
        for e in registry.get_asset_materialization_events()
        if "page" in e.materialization.metadata
    ]
    assert all(page.startswith("file://") and page.endswith(".html") for page in pages)
    assert len(pages) == 2  # case conferences and audit


def assert_outputs_and_report(registry: dg.ExecuteInProcessResult, configuration: Configuration) -> None:
    told = checks(registry)
    assert all(told[f"purpose_outputs:{purpose}"].passed for purpose in configuration.deployment.outputs)
    (report,) = [
        e.materialization.metadata
        for e in registry.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey("linkage_quality_report")
    ]
    page = Path(report["file"].path)
    assert report["report"].url == page.as_uri()
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "linkage_quality_report:lights" in told


def requests(configuration: Configuration, instance: dg.DagsterInstance, now: datetime) -> list[dg.RunRequest]:
    found = automation.late_requests(configuration, instance, now)
    return [request for request in found if isinstance(request, dg.RunRequest)]
