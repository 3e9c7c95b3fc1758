"""A damaged snapshot: no night carries its ids on; what stands is left as it is."""

import shutil
from dataclasses import replace

import pytest

from registry_pipeline import registry
from registry_pipeline.errors import RunFailed
from registry_pipeline.storage import Home, read_json, write_json
from tests.registry.conftest import CareSystem, write_rows

PEOPLE = {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2"]}


def _truncated(folder, file):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])


def _gone(folder, file):
    (folder / file).unlink()


def _empty(folder, file):
    (folder / file).write_bytes(b"")


def _of_other_rows(folder, file):
    table = file.removesuffix(".parquet")
    write_rows(table, folder / file, [{"patient_id": "00000000-0000-4000-8000-000000000000"}])


def _of_other_bytes(folder, file):
    """Alike in size and rows, and yet another file."""
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 3] ^= 0xFF
    (folder / file).write_bytes(bytes(content))


def _without_counts(folder, file):
    write_json(folder / file, {"night": "2026-04-01"})


def _counting_wrongly(folder, file):
    manifest = read_json(folder / file)
    manifest["rows"]["identity_event"] += 1
    write_json(folder / file, manifest)


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory):
    care_system = CareSystem(Home(tmp_path_factory.mktemp("two_nights") / "home"))
    care_system.providers = ("GP1", "RX1")
    for number in (1, 2):
        care_system.live(number, PEOPLE)  # also leaves an empty override_pair, which is carried on too
        care_system.publish(care_system.night(number))
    care_system.people(care_system.night(3), PEOPLE)
    return care_system


@pytest.fixture
def published(two_nights, tmp_path):
    """A home of its own with two published nights and a third to come, and the newest snapshot."""
    care_system = replace(two_nights, home=Home(tmp_path / "home"))
    shutil.copytree(two_nights.home.root, care_system.home.root, symlinks=True)
    newest = care_system.home.current.resolve()
    for file in newest.iterdir():
        file.chmod(0o644)
    return care_system, newest


@pytest.mark.parametrize(
    ("damage", "file", "says"),
    [
        (_truncated, "patient_record.parquet", r"patient_record\.parquet cannot be read"),
        (_truncated, "identity_event.parquet", r"identity_event\.parquet cannot be read"),
        (_truncated, "manifest.json", r"manifest\.json cannot be read as JSON"),
        (_truncated, "moved_record.parquet", r"moved_record\.parquet is not the file that was published"),
        (_empty, "patient_record.parquet", r"patient_record\.parquet cannot be read"),
        (_empty, "manifest.json", r"manifest\.json cannot be read as JSON"),
        (_gone, "identity_event.parquet", r"identity_event\.parquet is missing"),
        (_gone, "former_record.parquet", r"former_record\.parquet is missing"),
        (_gone, "manifest.json", r"manifest\.json is missing"),
        (_of_other_rows, "patient_record.parquet", r"holds 1 rows where the manifest says 3"),
        (_of_other_rows, "identity_event.parquet", r"holds 1 rows where the manifest says 2"),
        (_of_other_bytes, "identity_event.parquet", r"is not the file that was published|cannot be read"),
        (_of_other_bytes, "override_pair.parquet", r"override_pair\.parquet is not the file that was published"),
        (_without_counts, "manifest.json", r"manifest\.json does not say how many rows"),
        (_counting_wrongly, "manifest.json", r"holds 2 rows where the manifest says 3"),
    ],
)
def test_a_damaged_snapshot_stops_the_night_in_one_sentence(published, damage, file, says):
    care_system, newest = published
    damage(newest, file)
    stands = sorted(care_system.home.snapshots.rglob("*"))
    with pytest.raises(RunFailed, match=says) as told:
        care_system.assign(care_system.night(3))
    assert told.value.exit_code == 1
    assert str(told.value).startswith(f"The snapshot {newest.name} is damaged")
    assert "from a backup, or move its folder away" in str(told.value)
    assert sorted(care_system.home.snapshots.rglob("*")) == stands
    assert care_system.home.current.resolve() == newest


def test_a_damaged_snapshot_that_is_moved_away_is_passed_over(published):
    care_system, newest = published
    newest.rename(care_system.home.root / "set aside")
    for snapshot in care_system.home.snapshots.glob("2026-04-02.*"):
        snapshot.rename(care_system.home.root / snapshot.name)
    assert registry.prior_snapshot(care_system.home, care_system.night(3)).name == "2026-04-01.2"
    assert registry.publish(care_system.configuration, care_system.build(care_system.night(3)))
