"""What Dagster is given: every asset, dependency, check, job, schedule and sensor, held against a committed copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from registry_pipeline import night
from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.definitions import definitions_of, defs
from registry_pipeline.errors import BadInput

SNAPSHOT = Path(__file__).with_name("definitions.json")


@pytest.fixture
def configuration(folder: Path) -> Configuration:
    """The hospital and the practice, with everything that is made of their registry."""
    file = folder / "registry.yaml"
    file.write_text(file.read_text().replace("consumers: []\n", ""))
    return load_configuration(folder, home=folder.parent / "home")


def described(definitions: dg.Definitions) -> dict[str, Any]:
    """Definitions as plain data, in an order that does not change."""
    graph = definitions.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=lambda k: k.to_user_string()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "from": sorted(k.to_user_string() for k in node.parent_keys),
            "group": node.group_name,
            "checks": sorted(k.name for k in graph.get_check_keys_for_assets({key})),
            "kinds": sorted(node.kinds),
            "owners": list(node.owners),
            "tags": {k: v for k, v in sorted(node.tags.items()) if not k.startswith("dagster/")},
            "description": node.description,
        }
    repository = definitions.get_repository_def()
    jobs = {
        name: {
            "assets": sorted(
                k.to_user_string() for k in definitions.resolve_job_def(name).asset_layer.selected_asset_keys
            ),
            "executor": definitions.resolve_job_def(name).executor_def.name,
        }
        for name in ("provider_night", "registry_night")
    }
    return {
        "assets": assets,
        "jobs": jobs,
        "schedules": {
            s.name: {"cron": s.cron_schedule, "timezone": s.execution_timezone, "job": s.job_name}
            for s in sorted(repository.schedule_defs, key=lambda s: s.name)
        },
        "sensors": {s.name: {"job": s.job_name} for s in sorted(repository.sensor_defs, key=lambda s: s.name)},
    }


def test_definitions_are_those_that_were_agreed(configuration: Configuration) -> None:
    """After a wanted change: remove definitions.json, run this test twice, and read the difference before committing."""
    now = described(definitions_of(configuration))
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(json.dumps(now, indent=1) + "\n")
        pytest.fail(f"{SNAPSHOT.name} was missing and is written anew: read it and run again")
    assert now == json.loads(SNAPSHOT.read_text())


def test_every_asset_tells_its_columns_from_the_data_dictionary(configuration: Configuration) -> None:
    graph = definitions_of(configuration).resolve_asset_graph()
    no_tables = {dg.AssetKey(name) for name in ("published_registry", "purpose_outputs", "linkage_quality_report")}
    for key in graph.get_all_asset_keys() - no_tables:
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert columns, key
        assert all(column.description for column in columns), key


def test_a_suite_is_one_check_that_names_its_rules(configuration: Configuration) -> None:
    graph = definitions_of(configuration).resolve_asset_graph()
    key = dg.AssetCheckKey(dg.AssetKey(["RX1", "raw_patient"]), "expectations")
    description = graph.get_check_spec(key).description
    assert "Critical: " in description
    for rule in night.expected_checks(configuration, "RX1"):
        if rule.table == "raw_patient" and rule.name != night.DELIVERED:
            assert rule.name in description


def test_a_provider_is_added_by_one_file(folder: Path, tmp_path: Path) -> None:
    before = described(definitions_of(load_configuration(folder, home=tmp_path)))
    (folder / "providers" / "la1.yaml").write_text(
        "provider: LA1\nsetting: social_care\nfeeds: {patient: {source: {kind: csv, path: la1.csv}}}\n"
    )
    after = described(definitions_of(load_configuration(folder, home=tmp_path)))
    added = set(after["assets"]) - set(before["assets"])
    assert added == {"LA1/raw_patient", "LA1/accepted_patient", "LA1/quarantined_patient", "LA1/person_record"}
    assert added < set(after["jobs"]["provider_night"]["assets"])
    assert "LA1/person_record" in after["assets"]["linked_pair"]["from"]


def test_a_typo_in_the_configuration_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "providers" / "rx1.yaml").write_text("provider: RX1\nseting: acute\nfeeds: {}\n")
    monkeypatch.setenv("REGISTRY_CONFIG", str(folder))
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"rx1\.yaml, line 2: .*did you mean 'setting'") as told:
        defs()
    assert told.value.__suppress_context__
    assert "\n" not in str(told.value)


def test_the_deployment_of_the_environment_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_CONFIG", str(folder))
    dg.Definitions.validate_loadable(defs())


@pytest.mark.parametrize("owner", ["informatics", "team:", "a b@c"])
def test_an_owner_that_cannot_be_shown_is_refused(folder: Path, tmp_path: Path, owner: str) -> None:
    file = folder / "providers" / "gp1.yaml"
    file.write_text(file.read_text() + f"owners: ['{owner}']\n")
    with pytest.raises(BadInput, match=f"GP-1: the owner '{owner}' is neither an e-mail nor team:name"):
        definitions_of(load_configuration(folder, home=tmp_path))


def test_providers_that_are_too_alike_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "providers" / "other.yaml").write_text(
        (folder / "providers" / "gp1.yaml").read_text().replace("GP-1", "GP_1")
    )
    with pytest.raises(BadInput, match="too alike"):
        definitions_of(load_configuration(folder, home=tmp_path))
