"""Forgetting a person takes everything out, keeps it out, proves it, and touches nobody else."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
import sqlite3
import zipfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry_pipeline import forget, release
from registry_pipeline.config import load_configuration
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.extract import postgres
from registry_pipeline.forget import tables
from registry_pipeline.govern import forgotten, journal, pseudonyms
from registry_pipeline.link import overrides
from registry_pipeline.night import run_night
from registry_pipeline.outcomes import find
from registry_pipeline.storage import Home, lock, read_json, write_table
from registry_pipeline.tables import LINKAGE_ALTERNATIVE
from tests.pipeline.conftest import FIRST, SECOND, people

THIRD = SECOND + timedelta(days=1)
GONE, PARTNER, CARED_FOR = 7, 8, 9
WHOM = 40
SAID = {"who": "A. Lead", "why": "request 12"}
COLUMNS = ["id", "nhs", "forename", "surname", "dob", "sex", "street", "postcode", "phone", "email"]
MAPPED = '{local_id: id, nhs_number: nhs, given_name: forename, family_name: surname, sex: sex, address: street, postcode: postcode, phone: phone, email: email, birth_date: {from: dob, format: "%d/%m/%Y"}}'
EVENTS = "{event_id: event, local_id: person, start_date: day}"
RESULTS = (
    "{event_id: event, local_id: person, start_date: day, code: code, description: term, value: value, unit: unit}"
)
FEEDS = {
    "GP1": f"""setting: gp
feeds:
  contact: {{source: {{kind: csv, path: "drop/contacts_{{night}}.csv.gz"}}, columns: {EVENTS}}}
  patient: {{source: {{kind: csv, path: "drop/GP1_{{night}}.csv", delimiter: "|", encoding: cp1252}}, columns: {MAPPED}}}
  carer: {{source: {{kind: csv, path: "drop/carers_{{night}}.csv"}}, columns: {{event_id: event, local_id: person, carer_local_id: carer}}}}
  observation: {{source: {{kind: csv, path: "drop/results_{{night}}.csv"}}, columns: {RESULTS}}}
""",
    "RX1": f"""setting: acute
feeds:
  patient: {{source: {{kind: parquet, path: "drop/RX1_{{night}}.parquet"}}, columns: {MAPPED}}}
  spell: {{source: {{kind: csv, path: "drop/RX1_{{night}}.zip", member: "spells*"}}, columns: {EVENTS}}}
""",
    "RY1": """setting: community
feeds:
  patient: {source: {kind: fhir_ndjson, path: "drop/RY1_{night}.ndjson"}}
""",
    "SC1": f"""setting: social_care
feeds:
  patient: {{source: {{kind: postgres, dsn_env: SC1_DSN, query: "select 1"}}, columns: {MAPPED}}}
""",
}  # fmt: skip


def everybody() -> list[dict[str, str]]:
    """The pipeline tests' people, with ways to reach them; two share a household."""
    made = [
        {**p, "phone": f"07700 {900_100 + n}", "email": f"{p['forename'].lower()}.{n}@example.org"}
        for n, p in enumerate(people()[:WHOM])
    ]
    shared = {key: made[GONE][key] for key in ("street", "postcode", "phone")}
    made[PARTNER] = {**made[PARTNER], **shared}
    return made


def ids(n: int, night: date) -> dict[str, str]:
    """Local ids of a person; after being forgotten the practice knows the person under another one."""
    again = n == GONE and night >= THIRD
    return {"GP1": f"G{9000 + n}" if again else f"G{n:04}", "RX1": f"R{n:04}", "RY1": f"C{n:04}", "SC1": f"S{n:04}"}


class Deliveries:
    """What every provider delivers on a night, in a form of its own."""

    def __init__(self, folder: Path, *, without: tuple[int, ...] = ()) -> None:
        self.drop = folder / "drop"
        self.drop.mkdir(exist_ok=True)
        self.people = [(n, p) for n, p in enumerate(everybody()) if n not in without]

    def rows(self, provider: str, night: date) -> list[list[str]]:
        return [[ids(n, night)[provider], *(p[c] for c in COLUMNS[1:])] for n, p in self.people]

    def deliver(self, night: date) -> None:
        self.practice(night)
        gone = {n for n, _ in self.people}
        pq.write_table(self.table("RX1", night), self.drop / f"RX1_{night}.parquet", compression="zstd")
        pq.write_table(self.table("SC1", night), self.drop / f"SC1_{night}.parquet")
        resources = [self.resource(row) for row in self.rows("RY1", night)]
        (self.drop / f"RY1_{night}.ndjson").write_text("".join(json.dumps(r) + "\n" for r in resources))
        events = [["event", "person", "day"]]
        for n in sorted(gone):
            events += [[f"{n}-{i}", ids(n, night)["GP1"], f"2026-03-{10 + i}"] for i in range(2)]
        with gzip.open(self.drop / f"contacts_{night}.csv.gz", "wt", newline="") as file:
            csv.writer(file).writerows(events)
        carers = [["event", "person", "carer"], ["c1", ids(CARED_FOR, night)["GP1"], ids(GONE, FIRST)["GP1"]]]
        with (self.drop / f"carers_{night}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(carers)
        results = "event,person,day,code,term,value,unit\n" + "".join(
            f"o{n},{ids(n, night)['GP1']},2026-03-09,999791000000106,of {everybody()[n]['nhs']},{40 + n},mmol/mol\n"
            for n in sorted(gone)
        )
        (self.drop / f"results_{night}.csv").write_text(results)
        spells = "event,person,day\n" + "".join(f"s{n},{ids(n, night)['RX1']},2026-03-20\n" for n in sorted(gone))
        with zipfile.ZipFile(self.drop / f"RX1_{night}.zip", "w") as archive:
            archive.writestr("spells.csv", spells)
            other = "".join(f"{ids(n, night)['RX1']};{everybody()[n]['nhs']}\n" for n in sorted(gone))
            archive.writestr("notes.txt", "who;number\n" + other)

    def practice(self, night: date) -> None:
        """The practice's file: an address over two lines, a row that is none, and one without its key."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="|", lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for n, row in zip((n for n, _ in self.people), self.rows("GP1", night), strict=True):
            writer.writerow([c.replace(" Road", "\nRoad") if n in (3, GONE) else c for c in row])
        lines = text.getvalue()
        if GONE in dict(self.people):
            spaced = "{} {} {}".format(*re.match("(...)(...)(....)", everybody()[GONE]["nhs"]).groups())
            lines += f"G0007x|{spaced}|too few\r\n|{everybody()[GONE]['nhs']}|Zoë|Nobody||||||\r\n"
        (self.drop / f"GP1_{night}.csv").write_bytes(lines.encode("cp1252"))

    def table(self, provider: str, night: date) -> pa.Table:
        columns = zip(*self.rows(provider, night), strict=True)
        return pa.table({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})

    @staticmethod
    def resource(row: list[str]) -> dict:
        local, nhs, given, family, born, sex, street, postcode, phone, email = row
        day, month, year = born.split("/")
        return {
            "resourceType": "Patient",
            "id": local,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs}],
            "name": [{"use": "official", "family": family, "given": [given]}],
            "telecom": [{"system": "phone", "value": phone}, {"system": "email", "value": email}],
            "gender": {"F": "female", "M": "male"}[sex],
            "birthDate": f"{year}-{month}-{day}",
            "address": [{"use": "home", "line": [street], "postalCode": postcode}],
        }


def described(folder: Path) -> Path:
    (folder / "providers").mkdir(parents=True)
    (folder / "registry.yaml").write_text(
        "home: home\nsynthetic_nhs_numbers: true\nnightly_report: false\nconsumers: []\n"
    )
    for provider, text in FEEDS.items():
        (folder / "providers" / f"{provider}.yaml").write_text(f"provider: {provider}\n{text}")
    return folder


def run(folder: Path, night: date):
    return run_night(load_configuration(folder, environment={}), night)


@pytest.fixture(scope="module")
def landing_postgres():
    """PostgreSQL's part: the query's rows lie in a file as the reader lands them."""

    def fetch(place, source, night, target, environment=None):
        return Path(shutil.copyfile(source_of[0] / "drop" / f"SC1_{night}.parquet", target / postgres.FILE_NAME))

    source_of: list[Path] = [Path()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "fetch", fetch)
        yield source_of


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory, landing_postgres) -> Path:
    folder = described(tmp_path_factory.mktemp("forget") / "system")
    landing_postgres[0] = folder
    for night in (FIRST, SECOND):
        Deliveries(folder).deliver(night)
        run(folder, night)
    return folder


@pytest.fixture
def system(two_nights, landing_postgres, tmp_path) -> Path:
    folder = tmp_path / "system"
    shutil.copytree(two_nights, folder, symlinks=True)
    landing_postgres[0] = folder
    return folder


def configured(folder: Path):
    return load_configuration(folder, environment={})


def needles() -> list[str]:
    """What identifies the person and nobody else, written out here and not taken from the code."""
    gone = everybody()[GONE]
    spaced = f"{gone['nhs'][:3]} {gone['nhs'][3:6]} {gone['nhs'][6:]}"
    keys = [f"{p}:{i}" for p, i in ids(GONE, FIRST).items()]
    return [gone["nhs"], spaced, gone["email"], *keys, *ids(GONE, FIRST).values(), ids(GONE, THIRD)["GP1"]]


def texts(file: Path):
    """A file's content as text, whatever it is."""
    if file.name.endswith(".parquet"):
        yield str(pq.ParquetFile(file).read().to_pylist())
    elif file.name.endswith(".gz"):
        yield gzip.decompress(file.read_bytes()).decode("cp1252")
    elif file.name.endswith(".zip"):
        with zipfile.ZipFile(file) as archive:
            yield from (archive.read(name).decode("cp1252") for name in archive.namelist())
    else:
        yield file.read_bytes().decode("cp1252", errors="replace")


def holding(home: Path) -> dict[str, list[str]]:
    """Files that hold something of the person, by a search of our own."""
    found = {}
    for file in sorted(p for p in home.rglob("*") if p.is_file() and not p.is_symlink()):
        held = [needle for text in texts(file) for needle in needles() if needle.lower() in text.lower()]
        gone = everybody()[GONE]
        held += [
            "name and birth date"
            for text in texts(file)
            for line in re.split(r"[\r\n]+|}, {", text)
            if gone["surname"].lower() in line.lower()
            and gone["forename"].lower() in line.lower()
            and any(d in line for d in (gone["dob"], "-".join(reversed(gone["dob"].split("/")))))
        ]
        if held:
            found[str(file.relative_to(home))] = held
    return found


def tables_of(home: Path) -> dict[str, list[str]]:
    """Every Parquet of the home's own, as sorted rows."""
    files = [p for place in ("staging", "quarantine", "registry/snapshots") for p in (home / place).rglob("*.parquet")]
    return {str(p.relative_to(home)): sorted(map(str, pq.ParquetFile(p).read().to_pylist())) for p in files}


def people_of(home: Path) -> dict[str, str]:
    """Record to its person in the current registry."""
    with duckdb.connect() as connection:
        file = home / "registry" / "current" / "patient_record.parquet"
        rows = connection.execute("SELECT record_id, patient_id::VARCHAR FROM read_parquet(?)", [str(file)]).fetchall()
    return dict(rows)


def grouped(home: Path) -> set[frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for record, person in people_of(home).items():
        groups.setdefault(person, set()).add(record)
    return set(map(frozenset, groups.values()))


def landing_lines(home: Path) -> dict[str, list[str]]:
    """Rows of landed files; a row over two lines is put into one."""
    return {
        str(file.relative_to(home)): [
            line
            for text in texts(file)
            for line in (text.replace("\nRoad", " Road") if "Made Up\n" in text else text)
            .replace("}, {", "\n")
            .split("\n")
        ]
        for file in sorted((home / "landing").rglob("*"))
        if file.is_file() and file.name != "manifest.json"
    }


@dataclass
class Forgotten:
    """A system out of which one person was taken, and what it was before."""

    folder: Path
    done: forget.Done
    people: dict[str, str]
    tables: dict[str, list[str]]
    landed: dict[str, list[str]]
    places: set[str]

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def theirs(self) -> str:
        return self.people["GP1:G0007"]


@pytest.fixture(scope="module")
def without_them(two_nights, tmp_path_factory) -> Forgotten:
    """Somebody with records at four providers is forgotten, of whom an override spoke."""
    folder = tmp_path_factory.mktemp("forgotten") / "system"
    shutil.copytree(two_nights, folder, symlinks=True)
    asked = overrides.Asked(
        kind="cannot-link", left="GP1:G0007", right="GP1:G0010", who="A. Steward", why="not G0007 of the letter"
    )
    overrides.add(configured(folder), asked)
    home = folder / "home"
    before = people_of(home), tables_of(home), landing_lines(home), {name.split("/")[0] for name in holding(home)}
    return Forgotten(folder, forget.forget(configured(folder), "RX1:R0007", **SAID), *before)


def test_nothing_is_left_and_nobody_else_is_touched(without_them):
    home, done = without_them.home.root, without_them.done
    assert len({r for r, p in without_them.people.items() if p == without_them.theirs}) == 4
    assert {"landing", "staging", "quarantine", "linkage", "registry", "overrides"} <= without_them.places
    assert holding(home) == {}
    assert done.number == 1
    assert set(done.rows) >= {"landing", "staging", "quarantine", "linkage", "registry"}
    assert done.proof.shared == {"address": 1, "phone": 1}
    assert done.proof.looked_for["nhs_number"] == 1
    assert len(done.proof.files) > 50
    nobody = {needle.lower() for needle in [*needles(), without_them.theirs]}
    changed = ("identity_event.parquet", "carer.parquet", "carer.carer.parquet")  # an event more; a cell less
    for name, rows in tables_of(home).items():
        kept = [row for row in without_them.tables[name] if not any(needle in row.lower() for needle in nobody)]
        assert name.endswith(changed) or rows == kept, name
    for name, lines in landing_lines(home).items():
        kept = [line for line in without_them.landed[name] if not any(needle in line.lower() for needle in nobody)]
        assert [line for line in lines if "c1" not in line] == [line for line in kept if "c1" not in line], name
    assert people_of(home) == {r: p for r, p in without_them.people.items() if p != without_them.theirs}


def test_what_stands_beside_the_rows_is_right(without_them):
    home, theirs, done = without_them.home, without_them.theirs, without_them.done
    manifest = read_json(home.current / "manifest.json")
    assert manifest["redacted"][0]["number"] == 1
    assert "redaction_under_way" not in manifest
    for table, digest in manifest["sha256"].items():
        file = home.current / f"{table}.parquet"
        assert tables.file_digest(file) == digest
        assert file.stat().st_mode & 0o777 == 0o400
    metadata = pq.read_metadata(home.current / "patient.parquet").metadata
    assert metadata[b"one_row_per"] == b"person"
    with duckdb.connect() as connection:
        events = connection.execute(
            "SELECT event_type, cause, night FROM read_parquet(?) WHERE patient_id = ? ORDER BY night, event_type",
            [str(home.current / "identity_event.parquet"), theirs],
        ).fetchall()
        carers = connection.execute(
            "SELECT local_id, carer_local_id FROM read_parquet(?)", [str(home.current / "patient_carer.parquet")]
        ).fetchall()
    assert events == [("created", "new_person", FIRST), ("retired", "forgotten", SECOND)]
    assert carers == [("G0009", None)]
    landed = read_json(home.landing("GP1", "patient", SECOND) / "v1" / "manifest.json")
    assert landed["files"][0]["sha256"] != landed["redacted"][0]["files"][landed["files"][0]["name"]]["sha256"]
    assert landed["redacted"][0]["rows"] == 3
    key = forgotten.folder(home) / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert not any(needle in (forgotten.folder(home) / "tombstones.json").read_text() for needle in needles())
    entries = journal.entries(home, ["forget"])
    assert [entry.what["phase"] for entry in entries] == ["begun", "finished"]
    assert entries[-1].outputs == {"1.json": tables.file_digest(done.proof_file)}
    assert forgotten.load(home).of_patient_id(theirs).is_finished


def test_they_stay_out_also_under_another_key_and_the_rest_is_as_if_they_had_never_been(
    without_them, landing_postgres, tmp_path
):
    system = tmp_path / "system"
    shutil.copytree(without_them.folder, system, symlinks=True)
    landing_postgres[0] = system
    home = system / "home"
    deliveries = Deliveries(system)
    deliveries.deliver(THIRD)
    # A living person is given the number by mistake, and loses nothing but that.
    mistaken = [(n, {**p, "nhs": everybody()[GONE]["nhs"]} if n == 12 else p) for n, p in deliveries.people]
    deliveries.people = mistaken
    deliveries.practice(THIRD)
    summary = run(system, THIRD)
    assert holding(home) == {}
    left_out = {(f.provider, f.feed): f.rows_left_out for f in summary.feeds if f.rows_left_out}
    assert left_out[("GP1", "patient")] == {"forgotten": 2}
    assert left_out[("GP1", "contact")] == {"forgotten": 2}
    assert left_out[("RX1", "spell")] == {"forgotten": 1}
    assert find(Home(home), "GP1", "patient", THIRD).rows_delivered == WHOM + 2
    assert people_of(home) == {r: p for r, p in without_them.people.items() if p != without_them.theirs}
    twin = described(tmp_path / "twin")
    landing_postgres[0] = twin
    Deliveries(twin, without=(GONE,)).deliver(THIRD)
    run(twin, THIRD)
    assert grouped(home) == grouped(twin / "home")


@pytest.mark.parametrize("where", ["_write_manifest", "redact_staging"])
def test_a_kill_in_the_middle_is_finished_by_running_it_again(system, monkeypatch, where):
    home = system / "home"
    calls = []
    real = getattr(tables, where)

    def killed(*arguments, **named):
        calls.append(where)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(tables, where, killed)
        with pytest.raises(KeyboardInterrupt):
            forget.forget(configured(system), "GP1:G0007", **SAID)
    assert holding(home)
    assert not forgotten.load(Home(home)).tombstones[0].is_finished
    done = forget.forget(configured(system), "GP1:G0007", **SAID)
    assert (done.number, len(forgotten.load(Home(home)).tombstones)) == (1, 1)
    assert holding(home) == {}
    manifest = read_json(Home(home).current / "manifest.json")
    assert all(tables.file_digest(Home(home).current / f"{t}.parquet") == d for t, d in manifest["sha256"].items())


def test_nobody_elses_row_names_them_as_whom_a_record_might_be(system):
    """Also in the registry's keys of what another threshold would join: the id goes with the person."""
    home = Home(system / "home")
    people = people_of(home.root)
    theirs, other, another = people["GP1:G0007"], people["GP1:G0010"], people["GP1:G0011"]
    file = home.linked(LINKAGE_ALTERNATIVE.name, SECOND)
    rows = f"""VALUES ('GP1:G0010', -2.0, '{other}', '{theirs}'), ('GP1:G0010', 2.0, '{other}', '{another}'),
        ('GP1:G0007', -4.0, '{theirs}', '{other}')"""
    query = f"SELECT * FROM ({rows}) AS moved (record_id, threshold_move, patient_id, alternative_patient_id)"
    with duckdb.connect() as connection:
        write_table(connection, query, LINKAGE_ALTERNATIVE, file)

    forget.forget(configured(system), "GP1:G0007", **SAID)

    left = duckdb.execute("SELECT record_id, threshold_move FROM read_parquet(?)", [str(file)]).fetchall()
    assert left == [("GP1:G0010", 2.0)]


def test_a_file_that_is_written_anew_says_of_itself_what_it_said(system):
    """Its form's version, units, code lists and what is never null: readers and dictionary rest on them."""
    patient = Home(system / "home").current / "patient.parquet"
    before = pq.read_schema(patient)

    forget.forget(configured(system), "GP1:G0007", **SAID)

    after = pq.read_schema(Home(system / "home").current / "patient.parquet")
    assert after.metadata[b"schema_version"] == before.metadata[b"schema_version"]
    assert [(field.name, field.metadata) for field in after] == [(field.name, field.metadata) for field in before]


def test_rectified_they_come_in_afresh_under_their_id(system):
    home = system / "home"
    before = people_of(home)
    done = forget.forget(configured(system), "GP1:G0007", rectify=True, **SAID)
    assert done.number is None
    assert not forgotten.load(Home(home))
    assert everybody()[GONE]["email"] not in str(holding(home))
    assert people_of(home) == {r: p for r, p in before.items() if p != before["GP1:G0007"]}
    Deliveries(system).deliver(THIRD)
    run(system, THIRD)
    assert people_of(home)["RX1:R0007"] == before["GP1:G0007"]


def test_overrides_keep_their_decision_and_lose_the_persons_keys(without_them):
    kept = overrides.all_overrides(configured(without_them.folder))[0]
    assert (kept.left, kept.left_records, kept.right_records) == ("forgotten:1", ("forgotten:1",), ("GP1:G0010",))
    assert kept.why == "not [taken out] of the letter"
    with (
        pytest.raises(sqlite3.DatabaseError, match="append-only"),
        sqlite3.connect(without_them.home.overrides) as store,
    ):
        store.execute("UPDATE registry_override SET why = 'else'")


def test_what_nobody_knows_and_what_is_not_said_is_refused(system):
    configuration = configured(system)
    everything = {p: p.stat().st_mtime_ns for p in (system / "home").rglob("*") if "locks" not in str(p)}
    for asked, said in (
        ("GP1:G7777", "never held that record"),
        ("00000000-0000-4000-8000-000000000000", "never gave out"),
        ("Amara", "not a patient_id"),
        ("QQQ:1", "nor a record key"),
    ):
        with pytest.raises(BadInput, match=said):
            forget.look(configuration, asked)
    with pytest.raises(BadInput, match="--why"):
        forget.forget(configuration, "GP1:G0007", who="A. Lead", why=" ")
    with lock(Home(system / "home"), "night-2026-04-02"), pytest.raises(RunFailed, match="A run is at work"):
        forget.forget(configuration, "GP1:G0007", **SAID)
    after = {p: p.stat().st_mtime_ns for p in everything if p.is_file()}
    assert after == {p: t for p, t in everything.items() if p.is_file()}


def test_damage_is_not_hidden_by_a_new_digest(system):
    home = Home(system / "home")
    file = home.current / "patient_activity.parquet"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-8] + b"12345678")
    with pytest.raises(RunFailed, match=r"2026-04-02\.1 is damaged.*patient_activity"):
        forget.forget(configured(system), "GP1:G0007", **SAID)
    assert not forgotten.load(home)
    file.unlink()
    assert len(holding(home.root)) > 20


def test_the_proof_finds_what_nobody_took_out(system):
    note = system / "home" / "reports" / "note.txt"
    note.parent.mkdir(exist_ok=True)
    number = everybody()[GONE]["nhs"]
    note.write_text(f"asked about {number[:3]}-{number[3:6]}-{number[6:]}")
    with pytest.raises(RunFailed, match=r"found in 1 files.*reports/note\.txt"):
        forget.forget(configured(system), "GP1:G0007", **SAID)
    proof = read_json(forgotten.folder(Home(system / "home")) / "1.json")
    assert proof["found"] == {"reports/note.txt": ["nhs_number"]}
    (forgotten.folder(Home(system / "home")) / "key").chmod(0o644)
    with pytest.raises(RunFailed, match="read by others"):
        forgotten.load(Home(system / "home"))


def test_what_readers_of_a_purpose_saw_is_made_anew_without_the_person(first_night):
    for file in (first_night.folder / "providers").iterdir():
        file.write_text(f"{file.read_text()}agreement: {{reference: A-1, purposes: [direct_care, audit]}}\n")
    settings = first_night.folder / "registry.yaml"
    settings.write_text(f"{settings.read_text()}outputs: {{audit: {{key: {{file: audit.key}}, objections: []}}}}\n")
    pseudonyms.new_key(first_night.folder / "audit.key")
    configuration = configured(first_night.folder)
    assert [made.is_current for made in release.make_outputs(configuration, "2026-04-01.1")] == [True]
    shown = first_night.home.output_current("audit") / "patient.parquet"
    before = set(pq.read_table(shown).column("patient_pseudonym").to_pylist())
    person = people_of(first_night.home.root)["RX1:R0007"]

    done = forget.forget(configuration, person, **SAID)

    assert (done.outputs_deleted, done.outputs_made) == (("audit/2026-04-01.1",), ("audit/2026-04-01.1",))
    after = set(pq.read_table(shown).column("patient_pseudonym").to_pylist())
    assert after < before
    assert len(after) == len(before) - 1
