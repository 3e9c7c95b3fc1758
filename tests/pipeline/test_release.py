"""From an audited snapshot to what readers of a purpose see: reports, signatures, rejections, outputs."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from registry_pipeline.config import load_configuration
from registry_pipeline.govern import journal, pseudonyms, sign_off
from registry_pipeline.night import report_night, run_night
from registry_pipeline.storage import published_snapshots

from .conftest import FIRST, SECOND, System, described

WHO = ("--role", "Caldicott Guardian", "--comment", "Looked at lights and checklist")
THIRD = SECOND + timedelta(days=1)


def asks(system: System, text: str) -> System:
    """The system with more lines in its registry.yaml."""
    file = system.folder / "registry.yaml"
    file.write_text(file.read_text() + text)
    return system


def current(system: System) -> str | None:
    return system.home.current.resolve().name if system.home.current.exists() else None


def kinds(system: System) -> list[str]:
    return [entry.kind for entry in journal.entries(system.home)]


def snapshot(night) -> str:
    return f"{night}.1"


@pytest.fixture(scope="module")
def held_once(tmp_path_factory) -> Path:
    """A first night whose readers wait for two signatures, with its report; made once, tests take copies."""
    folder = tmp_path_factory.mktemp("held") / "system"
    described(folder)
    asks(System(folder), "sign_offs: {direct_care: 2}\n").deliver(FIRST)
    configuration = load_configuration(folder, environment={})
    run_night(configuration, FIRST)
    report_night(configuration, FIRST, snapshot(FIRST))
    return folder


@pytest.fixture
def held(held_once, tmp_path, capsys, monkeypatch) -> System:
    monkeypatch.delenv("REGISTRY_HOME", raising=False)
    monkeypatch.delenv("REGISTRY_CONFIG", raising=False)
    shutil.copytree(held_once, tmp_path / "system", symlinks=True)
    return System(tmp_path / "system", capsys)


def test_readers_see_a_night_when_two_people_have_signed_it(held):
    assert current(held) is None
    code, out, _ = held.registry("sign-off", snapshot(FIRST), "--who", "A. Okoro", *WHO)
    assert (code, "waits for 1 more signature" in out, current(held)) == (0, True, None)

    code, out, _ = held.registry("sign-off", snapshot(FIRST), "--who", "B. Lindqvist", *WHO)
    assert (code, "direct_care sees it from now on" in out, current(held)) == (0, True, snapshot(FIRST))
    assert kinds(held)[-3:] == ["sign_off", "sign_off", "release"]


@pytest.mark.parametrize("again", ["A. Okoro", "a. okoro ", "A.  OKORO"])
def test_the_same_person_does_not_sign_twice(held, again):
    held.registry("sign-off", snapshot(FIRST), "--who", "A. Okoro", *WHO)

    code, _, said = held.registry("sign-off", snapshot(FIRST), "--who", again, *WHO)

    assert (code, current(held)) == (2, None)
    assert "signed" in said
    assert kinds(held).count("sign_off") == 1


def test_a_report_that_changed_has_to_be_signed_anew(held):
    held.registry("sign-off", snapshot(FIRST), "--who", "A. Okoro", *WHO)
    file = held.home.report(snapshot(FIRST)) / "linkage_quality.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "night": "1999-01-01"}))

    code, out, _ = held.registry("sign-off", snapshot(FIRST), "--who", "B. Lindqvist", *WHO)

    assert (code, "waits for 1 more signature" in out, current(held)) == (0, True, None)


def test_a_signed_report_is_not_replaced_unasked(held):
    held.registry("sign-off", snapshot(FIRST), "--who", "A. Okoro", *WHO)
    page = held.home.report(snapshot(FIRST)) / "linkage_quality.html"
    before = page.read_bytes()

    code, _, said = held.registry("report")

    assert (code, "--replace-signed" in said, page.read_bytes() == before) == (2, True, True)
    assert held.registry("report", "--replace-signed")[0] == 0
    assert sign_off.signed(held.home, snapshot(FIRST)).signatures == ()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("2026-04-01.9", "no snapshot"),
        ("../../etc", "not the id of a snapshot"),
        ("latest", "not the id of a snapshot"),
    ],
)
@pytest.mark.parametrize("command", ["sign-off", "reject"])
def test_what_does_not_exist_is_neither_signed_nor_rejected(held, command, asked, why):
    before = kinds(held)

    code, _, said = held.registry(command, asked, "--who", "A. Okoro", *WHO)

    assert code == 2
    assert why in said
    assert kinds(held) == before


def test_without_a_report_there_is_nothing_to_sign(first_night):
    code, _, said = first_night.registry("sign-off", snapshot(FIRST), "--who", "A. Okoro", *WHO)

    assert (code, "registry report" in said) == (2, True)


def test_a_rejected_night_is_not_built_upon(held):
    for who in ("A. Okoro", "B. Lindqvist"):
        held.registry("sign-off", snapshot(FIRST), "--who", who, *WHO)
    held.deliver(SECOND)
    held.run(SECOND)
    held.registry("report")

    code, out, _ = held.registry("reject", snapshot(SECOND), "--who", "A. Okoro", *WHO)

    assert (code, "becomes current for no purpose" in out) == (0, True)
    assert [p.name for p in published_snapshots(held.home)] == [snapshot(FIRST)]
    assert held.registry("sign-off", snapshot(SECOND), "--who", "C. Haddad", *WHO)[0] == 2
    held.deliver(THIRD)
    assert held.run(THIRD)[0] == 0
    manifest = json.loads((held.home.snapshot(snapshot(THIRD)) / "manifest.json").read_text())
    assert (manifest["prior_snapshot"], current(held)) == (snapshot(FIRST), snapshot(FIRST))


def test_a_night_that_readers_see_stays_when_it_is_rejected_and_that_is_said(first_night):
    first_night.registry("report")

    code, out, _ = first_night.registry("reject", snapshot(FIRST), "--who", "A. Okoro", *WHO)

    assert (code, current(first_night)) == (0, snapshot(FIRST))
    assert f"direct_care goes on seeing {snapshot(FIRST)}" in out


def test_every_step_of_a_night_stands_in_the_journal(first_night):
    found = journal.entries(first_night.home)

    assert [e.kind for e in found] == ["take_in", "take_in", "take_in", "build", "publish"]
    assert {e.what["provider"] for e in found[:3]} == {"GP1", "RX1", "RY1"}
    assert all(len(digest) == 64 for e in found for digest in (*e.inputs.values(), *e.outputs.values()))
    assert found[3].outputs == found[4].outputs
    assert journal.verify(first_night.home).wrong is None


def test_a_failed_stage_stands_in_the_journal_with_its_sentence(first_night):
    asks(first_night, "")
    (first_night.folder / "providers" / "RX1.yaml").write_text(
        (first_night.folder / "providers" / "RX1.yaml").read_text() + "required: true\n"
    )
    first_night.deliver(SECOND, "GP1")

    assert first_night.run(SECOND)[0] == 1

    last = journal.entries(first_night.home)[-1]
    assert (last.kind, last.what["stage"]) == ("failed", "publish")
    assert "RX1" in last.what["said"]


def test_the_report_is_found_by_its_snapshot(first_night):
    code, out, _ = first_night.registry("report")

    folder = first_night.home.report(snapshot(FIRST))
    assert code == 0
    assert str(folder / "linkage_quality.html") in out
    assert json.loads((folder / "linkage_quality.json").read_text())["snapshot_id"] == snapshot(FIRST)
    assert load_configuration(first_night.folder, environment={}).home == first_night.home.root


@pytest.fixture
def audited(system) -> System:
    """A system whose audit reads a pseudonymised output of nights that one person has signed."""
    for file in (system.folder / "providers").iterdir():
        file.write_text(f"{file.read_text()}agreement: {{reference: A-1, purposes: [direct_care, audit]}}\n")
    pseudonyms.new_key(system.folder / "audit.key")
    asks(system, "sign_offs: {audit: 1}\noutputs: {audit: {key: {file: audit.key}, objections: []}}\n")
    system.deliver(FIRST)
    return system


def test_a_purpose_sees_a_night_when_it_is_signed_and_direct_care_at_once(audited):
    code, out, _ = audited.run(FIRST)
    seen = audited.home.output_current("audit")
    assert (code, "waits for 1 signature" in out, current(audited), seen.exists()) == (0, True, snapshot(FIRST), False)
    assert "2026-04-01.1 waits for 1 signature(s)" in audited.registry("status")[1]
    assert audited.registry("export", "--purpose", "audit", "--to", str(audited.folder / "out"))[0] == 2

    audited.registry("report")
    code, out, _ = audited.registry("sign-off", snapshot(FIRST), "--who", "A. Okoro", *WHO)

    assert (code, "audit sees it from now on" in out, seen.resolve().name) == (0, True, snapshot(FIRST))
    assert (seen / "patient.parquet").is_file()


def test_an_output_that_cannot_be_made_stops_neither_the_registry_nor_the_report(audited):
    (audited.folder / "audit.key").chmod(0o644)

    code, out, said = audited.run(FIRST)

    assert code == 1
    assert "Output for audit" in said
    assert "chmod 600" in said
    assert f"Snapshot {snapshot(FIRST)} published" in out
    assert current(audited) == snapshot(FIRST)
    assert not audited.home.output_current("audit").exists()
    assert [e.what["stage"] for e in journal.entries(audited.home, ("failed",))] == ["output audit"]
