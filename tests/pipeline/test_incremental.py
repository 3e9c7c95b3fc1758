"""Nights that only do the night's work: the same as linking every record, again and again, and safe against damage.

Every night here goes through the `registry` command. What must hold after any damage is the same: one sentence, nothing
changed, and the way out that the sentence names works.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest

from registry_pipeline import night
from registry_pipeline.config import Configuration, load_configuration
from registry_pipeline.errors import BadInput, RegistryError, RunFailed
from tests.pipeline.conftest import FIRST, SECOND, System, described, nhs_number

THIRD = FIRST + timedelta(days=2)
IDS = "SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL"
KEY, NUMBER, GIVEN, FAMILY, BIRTH, SEX, STREET, POSTCODE = range(8)


def extract(system: System, provider: str) -> list[list[str]]:
    """A provider's rows of the first night: in hospital a fifth without a number, in the community a letter wrong."""
    rows = [list(row) for row in system.rows(provider)]
    for n, row in enumerate(rows):
        if (provider == "RX1" and n % 5 == 0) or (provider == "RY1" and n % 4 == 0):
            row[NUMBER] = ""
        if provider == "RY1" and n % 7 == 0:
            row[FAMILY] = row[FAMILY][:2] + row[FAMILY][3:]
        if provider == "RX1" and n % 11 == 0:
            row[STREET], row[POSTCODE] = f"{n} Former Lane", "ZX8 9ZZ"
    return rows


def people_to_come(first: int, provider: str) -> list[list[str]]:
    """Rows of people whom nobody knew."""
    return [
        [f"{provider[0]}{n:04}", nhs_number(n), f"Newly{'abcdef'[n % 6]}", "Arrived", f"{n % 27 + 1:02}/05/1977", "F",
         f"{n} New Street", "ZX5 5AB"]
        for n in range(first, first + 6)
    ]  # fmt: skip


def first(system: System) -> dict[str, list[list[str]]]:
    return {provider: extract(system, provider) for provider in ("GP1", "RX1", "RY1")}


def second(system: System) -> dict[str, list[list[str]]]:
    """Records edited, gone and new; a number that is missing, and one that is somebody else's."""
    rows = first(system)
    for n in (3, 13):
        rows["GP1"][n][STREET], rows["GP1"][n][POSTCODE] = f"{n} Moved Road", "ZX7 7GH"
    rows["RY1"][30][FAMILY] = "Married"
    rows["RY1"][31][NUMBER] = ""
    rows["RY1"][41][NUMBER] = rows["RY1"][42][NUMBER]
    rows["RX1"] = rows["RX1"][:20] + rows["RX1"][25:] + people_to_come(200, "RX1")
    return rows


def third(system: System) -> dict[str, list[list[str]]]:
    """Some of it taken back: records return, the right number again; others go, and the new people are known twice."""
    rows = first(system)
    rows["GP1"] = rows["GP1"][:3] + rows["GP1"][4:]
    rows["RY1"][30][FAMILY] = "Married"
    rows["RX1"] += people_to_come(200, "RX1")
    rows["RY1"] += people_to_come(200, "RY1")
    return rows


def deliver(system: System, night: date, rows: dict[str, list[list[str]]]) -> None:
    for provider, its in rows.items():
        system.write(provider, night, its)


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory) -> Path:
    """A system with its first night published and its second one taken in, made once; tests take copies."""
    folder = tmp_path_factory.mktemp("taken_in") / "system"
    described(folder)
    configuration, system = load_configuration(folder, environment={}), System(folder)
    deliver(system, FIRST, first(system))
    night.run_night(configuration, FIRST)
    deliver(system, SECOND, second(system))
    night.take_in(configuration, SECOND, night.NightSummary(SECOND), lambda *_: None)
    return folder


@pytest.fixture
def started(taken_in, tmp_path, capsys, monkeypatch) -> System:
    """The system with its first night published and its second one taken in."""
    monkeypatch.delenv("REGISTRY_HOME", raising=False)
    monkeypatch.delenv("REGISTRY_CONFIG", raising=False)
    shutil.copytree(taken_in, tmp_path / "system", symlinks=True)
    return System(tmp_path / "system", capsys)


def linked(system: System, on: date, *, full: bool = False, verify: bool = False) -> night.LinkedNight:
    """The link stage of a night alone."""
    return night.link_records(configuration_of(system), on, full=full, verify=verify)


def configuration_of(system: System) -> Configuration:
    return load_configuration(system.folder, environment={})


def run(system: System, night: date, *flags: str) -> tuple[int, str, str]:
    return system.registry("run", "--night", night.isoformat(), *flags)


def people(system: System) -> set[frozenset[str]]:
    """Who is one person with whom, whatever the ids."""
    together: dict[str, set[str]] = {}
    for record_id, patient_id in system.query(IDS):
        together.setdefault(str(patient_id), set()).add(record_id)
    return {frozenset(records) for records in together.values()}


def test_nights_of_changes_give_what_linking_every_record_gives(started, tmp_path):
    deliver(started, THIRD, third(started))
    for on in (SECOND, THIRD):
        code, printed, problems = run(started, on, "--verify", "--json", str(tmp_path / f"{on}.json"))

        assert (code, problems) == (0, "")
        assert "verified" in printed.lower()
    incremental = people(started)
    ids = dict(started.query(IDS))

    assert run(started, THIRD, "--full")[0] == 0

    assert people(started) == incremental
    assert dict(started.query(IDS)) == ids, "who is linked in full keeps the id too"

    told = json.loads((tmp_path / f"{SECOND}.json").read_text())["linked"]
    assert told["since"] == FIRST.isoformat()
    # 2 moved, 1 married, 1 without a number, 1 with another's, 6 new; 5 gone.
    assert 11 <= told["records_changed"] <= 40
    assert told["records_gone"] == 5
    assert told["pairs_reused"] > 200


def test_a_night_run_again_changes_no_id(started):
    run(started, SECOND)
    ids, events = started.query(IDS), started.query("SELECT count(*) FROM {identity_event}")

    assert run(started, SECOND, "--verify")[0] == 0

    assert started.query(IDS) == ids
    assert started.query("SELECT count(*) FROM {identity_event}") == events


def test_the_same_extracts_on_a_later_night_change_no_id(started):
    """The night between was never published: the third goes on from the first."""
    ids, events = started.query(IDS), started.query("SELECT count(*) FROM {identity_event}")
    deliver(started, THIRD, first(started))

    assert run(started, THIRD, "--verify")[0] == 0

    assert started.query(IDS) == ids
    assert started.query("SELECT count(*) FROM {identity_event}") == events


def test_an_earlier_night_run_again_leaves_later_ones_right(started):
    run(started, SECOND)
    ids = started.query(IDS)

    assert run(started, FIRST)[0] == 0
    code, _, problems = run(started, SECOND, "--verify")

    assert (code, problems) == (0, "")
    assert started.query(IDS) == ids


# Damage ---------------------------------------------------------------------------------------------------------------


def linkage(system: System, name: str) -> Path:
    return system.home.linked(name, FIRST)


def keys(system: System) -> Path:
    [path] = linkage(system, "x").parent.glob("keys/*.settled.parquet")
    return path


def frozen(system: System, name: str) -> Path:
    [path] = system.home.frozen.glob(f"*/*/{name}")
    return path


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwrite(path: Path) -> None:
    """As long as before, and wrong in the middle."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(bytes(content))


def alter(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def without(path: Path, name: str) -> None:
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != name}))


STATE: dict[str, tuple[Callable[[System], None], str]] = {
    # damage: how, what the sentence names
    "pairs cut short": (lambda s: truncate(linkage(s, "linked_pair")), "linked_pair.parquet"),
    "pairs overwritten": (lambda s: overwrite(linkage(s, "linked_pair")), "linked_pair.parquet"),
    "pairs gone": (lambda s: linkage(s, "linked_pair").unlink(), "linked_pair.parquet"),
    "clusters cut short": (lambda s: truncate(linkage(s, "person_cluster")), "person_cluster.parquet"),
    "keys cut short": (lambda s: truncate(keys(s)), "record_key"),
    "keys overwritten": (lambda s: overwrite(keys(s)), "record_key"),
    "keys gone": (lambda s: shutil.rmtree(keys(s).parent), "record_key"),
    "states of records of another night": (
        lambda s: shutil.copy(linkage(s, "held_pair"), linkage(s, "record_state")),
        "record_state.parquet",
    ),
    "the note is no JSON": (lambda s: linkage(s, "linked").with_suffix(".json").write_text("{"), "linked.json"),
    "the note lacks its files": (lambda s: without(linkage(s, "linked").with_suffix(".json"), "files"), "linked.json"),
}

FROZEN: dict[str, tuple[Callable[[System], None], str]] = {
    "frequencies of another model": (
        lambda s: alter(frozen(s, "frozen.json"), model_version="v9999"),
        "another model",
    ),
    "frequencies of a model that was changed since": (
        lambda s: alter(frozen(s, "frozen.json"), model_digest="0" * 64),
        "another model",
    ),
    "a count that was altered": (lambda s: alter(frozen(s, "frozen.json"), records=7), "frozen"),
    "frequencies that are no JSON": (lambda s: frozen(s, "frozen.json").write_text("[]"), "frozen"),
    "frequencies cut short": (lambda s: truncate(frozen(s, "term_frequency.parquet")), "frozen"),
    "frequencies overwritten": (lambda s: overwrite(frozen(s, "term_frequency.parquet")), "frozen"),
    "frequencies gone": (lambda s: frozen(s, "term_frequency.parquet").unlink(), "frozen"),
    "frequencies of another deployment": (
        lambda s: halve(frozen(s, "term_frequency.parquet")),
        "frozen",
    ),
}


def halve(path: Path) -> None:
    """A table in the right shape that is another one."""
    import duckdb

    other = path.with_suffix(".other")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM '{path}' WHERE digest % 2 = 0) TO '{other}' (FORMAT parquet)")
    other.replace(path)


MENDED = ("pairs cut short", "keys gone", "the note is no JSON", "frequencies that are no JSON", "frequencies gone")
"""Damages after which linking in full is tried too; what it reads does not depend on the others."""


@pytest.mark.parametrize("damage", [*STATE, *FROZEN])
def test_a_damaged_state_of_linkage_is_named_and_changes_nothing_and_a_full_run_mends_it(started, damage):
    harm, named = {**STATE, **FROZEN}[damage]
    harm(started)
    before = digest_of(started.home.root, "registry", "linkage")

    with pytest.raises(BadInput if damage in FROZEN else RunFailed) as refused:
        linked(started, SECOND)

    assert named in str(refused.value)
    assert "--full" in str(refused.value)
    assert digest_of(started.home.root, "registry", "linkage") == before

    if damage in MENDED:
        assert linked(started, SECOND, full=True).linked.why_full == "asked for"


def test_damage_is_told_in_one_sentence_and_the_way_out_publishes(started):
    """One damage through the whole command; the nights after it go on from the full one."""
    truncate(linkage(started, "linked_pair"))
    before = digest_of(started.home.root, "registry")

    code, printed, problems = started.run(SECOND)

    assert code == 1
    assert one_sentence(problems)
    assert shows_no_value(started, printed + problems)
    assert digest_of(started.home.root, "registry") == before

    assert run(started, SECOND, "--full")[0] == 0
    assert started.current()["night"] == SECOND.isoformat()
    deliver(started, THIRD, third(started))
    code, _, problems = run(started, THIRD, "--verify")
    assert (code, problems) == (0, "")


SNAPSHOT: dict[str, Callable[[Path], None]] = {
    "the crosswalk cut short": lambda snapshot: truncate(snapshot / "patient_record.parquet"),
    "the crosswalk overwritten": lambda snapshot: overwrite(snapshot / "patient_record.parquet"),
    "the crosswalk gone": lambda snapshot: (snapshot / "patient_record.parquet").unlink(),
    "the events of ids cut short": lambda snapshot: truncate(snapshot / "identity_event.parquet"),
    "the manifest is no JSON": lambda snapshot: (snapshot / "manifest.json").write_text("{"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("damage", SNAPSHOT)
def test_a_corrupted_snapshot_of_the_night_before_is_named_and_changes_nothing(started, damage):
    """Ids last by it, so no run may go on without it: it is put back from a backup, and then the night runs."""
    snapshot = started.home.current.resolve()
    backup = started.folder / "backup"
    shutil.copytree(snapshot, backup)
    SNAPSHOT[damage](snapshot)
    before = digest_of(started.home.root, "registry")

    for full in (False, True):
        with pytest.raises(RegistryError) as refused:
            linked(started, SECOND, full=full)
            night.build_registry(configuration_of(started), SECOND)

        assert snapshot.name in str(refused.value)
        assert shows_no_value(started, str(refused.value))
        assert digest_of(started.home.root, "registry") == before

    shutil.rmtree(snapshot)
    shutil.copytree(backup, snapshot)
    linked(started, SECOND)
    assert night.build_registry(configuration_of(started), SECOND).rows["patient_record"] > 300


def digest_of(root: Path, *parts: str) -> str:
    """Of all files below some folders of the home, by name and content; unfinished ones count, links as what they say."""
    made = hashlib.sha256()
    for path in sorted(_below(root, parts)):
        made.update(str(path.relative_to(root)).encode())
        made.update(str(path.readlink()).encode() if path.is_symlink() else path.read_bytes())
    return made.hexdigest()


def _below(root: Path, parts: Iterable[str]) -> Iterable[Path]:
    for part in parts:
        yield from (path for path in (root / part).rglob("*") if path.is_symlink() or path.is_file())


def one_sentence(problems: str) -> bool:
    """One line for a person, not an unforeseen failure."""
    return problems.count("\n") == 1 and "failed unexpectedly" not in problems and "Traceback" not in problems


def shows_no_value(system: System, text: str) -> bool:
    """No name, number or address of anybody stands in it."""
    return not any(value and value in text for row in system.rows("RX1") for value in (row[1], *row[2:4], *row[6:8]))
