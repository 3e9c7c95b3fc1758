"""Ids over whole nights, from the terminal: another model let in, a damaged snapshot."""

import json
import shutil

from registry_pipeline.config import REPOSITORY, load_configuration
from tests.pipeline.conftest import FIRST, SECOND

IDS = "SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL"


def _with_models(system):
    """The deployment with a folder of models of its own: the one in use, and a stricter one."""
    models = system.folder / "models"
    in_use = system.current()["model_version"]
    models.mkdir()
    model = json.loads((REPOSITORY / "linkage_models" / f"{in_use}.json").read_text())
    shutil.copy(REPOSITORY / "linkage_models" / f"{in_use}.json", models)
    model |= {"version": "v9000", "match_weight": model["match_weight"] + 3}
    (models / "v9000.json").write_text(json.dumps(model))
    file = system.folder / "registry.yaml"
    file.write_text(f"{file.read_text()}\nmodels: models\n")
    assert load_configuration(system.folder).models == models
    return in_use


def test_a_newer_model_waits_until_it_is_reported_on_and_let_in(first_night):
    in_use, before = _with_models(first_night), first_night.query(IDS)

    code, _, said = first_night.run(FIRST)
    assert (code, first_night.current()["model_version"]) == (0, in_use)
    assert "A newer linkage model is waiting: v9000" in said

    admit = ("model", "admit", "v9000", "--who", "Ada", "--why", "stricter")
    code, _, said = first_night.registry(*admit)
    assert (code, "registry model report v9000 --night DATE" in said) == (2, True)
    code, told, _ = first_night.registry("model", "report", "v9000", "--night", f"{FIRST}")
    assert (code, f"(model {in_use})" in told, first_night.query(IDS)) == (0, True, before)
    assert first_night.registry(*admit)[0] == 0

    code, _, said = first_night.run(FIRST)
    assert (code, said, first_night.current()["model_version"]) == (0, "", "v9000")


def test_a_damaged_snapshot_stops_the_night_and_changes_nothing(first_night):
    file = first_night.home.current / "identity_event.parquet"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:500])

    code, _, said = first_night.run(SECOND)

    assert code == 1
    assert "is damaged" in said
    assert "identity_event.parquet cannot be read" in said
    assert len(list(first_night.home.snapshots.iterdir())) == 1
