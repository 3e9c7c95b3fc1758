"""No personal value leaves the data: nights with faults of every kind, then a search of all that anybody may read.

A small care system is run over several nights, by the `registry` command and by Dagster, while extracts come late,
headless, in another encoding and with bad rows, people are called `<script>alert(1)</script>` and `=cmd()`, and every
stage breaks once with an error whose text holds a patient's name. Then every screen, log, Dagster event, check, page,
report, journal line and file that is not a table of the registry itself is searched for every name, NHS number, birth
date, postcode, address, telephone number and e-mail address that was ever delivered.
"""

from __future__ import annotations

import csv
import html
import io
import json
import logging
import os
import random
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import duckdb
import pytest

from registry_pipeline import cli, extract, link, registry, standardise, validate
from registry_pipeline.config import load_configuration
from registry_pipeline.definitions import definitions_of
from registry_pipeline.govern import journal
from registry_pipeline.link import evidence, identity
from registry_pipeline.registry import purposes
from registry_pipeline.storage import Home
from tests.pipeline.conftest import nhs_number

NIGHTS = [date(2026, 4, 1) + timedelta(days=n) for n in range(5)]
COLUMNS = ["id", "nhs", "forename", "surname", "dob", "sex", "street", "postcode", "phone", "email", "practice"]
PROVIDERS = {"GP1": "gp", "RX1": "acute", "RY1": "community"}
PEOPLE = 40
KEY = "a key for pseudonyms of the audit 0123456789"

PROVIDER = """\
provider: {provider}
setting: {setting}
agreement: {{reference: DSA-1, purposes: [direct_care, case_conference, audit], starts: 2026-01-01}}
feeds:
  patient:
    source: {{kind: csv, path: "drop/{provider}_{{night}}.csv"}}
    columns: {{local_id: id, nhs_number: nhs, given_name: forename, family_name: surname, sex: sex, address: street,
               postcode: postcode, phone: phone, email: email, gp_practice: practice, birth_date: {{from: dob, format: "%d/%m/%Y"}}}}
"""
EVENTS = {
    "condition": ("event_id local_id start_date code coding_system description", "GP1"),
    "observation": ("event_id local_id start_date code coding_system description value unit", "GP1"),
    "contact": ("event_id local_id start_date attendance_status team_type reason", "GP1 RY1"),
    "care_plan": ("event_id local_id plan_type start_date updated_date coordinator_id", "GP1"),
    "carer": ("event_id local_id relationship start_date", "GP1"),
    "spell": ("event_id local_id start_date end_date admission_method diagnoses specialty", "RX1"),
}
"""Feed to its columns and the providers that deliver it."""
DEPLOYMENT = """\
home: home
synthetic_nhs_numbers: true
outputs: {audit: {key: {env: NO_LEAK_KEY}, objections: [local]}}
sign_offs: {audit: 1}
nightly_report: false
"""
LONG_LINE = 10_000
SCRIPT, FORMULA = "<script>alert(1)</script>", "=cmd()"


# What was delivered -------------------------------------------------------------------------------------------------


def _word(chance: random.Random) -> str:
    """A name that no text of ours holds."""
    return "".join(chance.choice("bdfgklmnprtvz") + chance.choice("aeiouy") for _ in range(4)).capitalize() + "qx"


def _people() -> list[list[str]]:
    chance = random.Random(20)
    made = []
    for n in range(PEOPLE):
        given, family, street = _word(chance), _word(chance), _word(chance)
        born = date(1934, 3, 3) + timedelta(days=chance.randrange(30_000))
        made.append([
            nhs_number(500 + n), given, family, born.strftime("%d/%m/%Y"), "FM"[n % 2], f"{n + 11} {street} Road",
            f"ZX{n % 9 + 1} {n % 7 + 1}A{'BDEFGH'[n % 6]}", f"07700 {900_100 + n}", f"{given}.{family}@mail.example",
        ])  # fmt: skip
    made[1][1], made[2][2], made[3][2] = SCRIPT, FORMULA, "Zoëthardë"
    return made


def _event(feed: str, local_id: str, person: list[str], night: date) -> dict[str, str]:
    """One event of a person, in whose every free text the person's name, birth date and telephone number stand."""
    of_whom = f"{person[1]} {person[2]} born {person[3]} {person[7]}"
    day = (night - timedelta(days=3)).isoformat()
    told = {
        "condition": {"code": "44054006", "coding_system": "snomed", "description": f"Diabetes of {of_whom}"},
        "observation": {
            "code": "43396009", "coding_system": "snomed", "description": of_whom, "value": person[0], "unit": person[2],
        },
        "contact": {"attendance_status": "5", "team_type": f"Team of {of_whom}", "reason": of_whom},
        "care_plan": {
            "plan_type": f"Plan for {of_whom}", "updated_date": day, "coordinator_id": f"C{local_id}",
        },
        "carer": {"relationship": f"spouse of {of_whom}"},
        "spell": {
            "end_date": day, "admission_method": "21", "diagnoses": "I500", "specialty": f"Ward of {of_whom}",
        },
    }[feed]  # fmt: skip
    return {"event_id": f"{feed}{local_id}", "local_id": local_id, "start_date": day, **told}


@dataclass
class Delivered:
    """Every value that was ever delivered, by what it is."""

    words: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    postcodes: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    pieces: set[str] = field(default_factory=lambda: {"alert(1)", FORMULA})
    seen: set[str] = field(default_factory=set)
    """Long lines in which nothing was found."""

    def add(self, rows: Iterable[list[str]]) -> None:
        for _, nhs, given, family, born, _sex, street, postcode, phone, email, *_more in rows:
            self.words |= {w for name in (given, family, street) for w in _words(name)} - OUR_WORDS
            self.numbers |= {re.sub(r"\D", "", number) for number in (nhs, phone)} - {""}
            self.dates.add(born)
            if re.fullmatch(r"\d\d/\d\d/\d{4}", born):
                day, month, year = born.split("/")
                self.dates |= {f"{year}-{month}-{day}", f"{year}{month}{day}", f"{int(day)}/{int(month)}/{year}"}
            self.postcodes.add(postcode.replace(" ", "").upper())
            self.emails.add(email.lower())

    def found_in(self, text: str) -> set[str]:
        """The delivered values that stand in a text, whatever it is written in: HTML, JSON, an address, plain."""
        # The scripts that every page embeds stand on lines of their own, and need to be searched once.
        lines = [line for line in text.splitlines() if len(line) < LONG_LINE or line not in self.seen]
        self.seen |= {line for line in lines if len(line) >= LONG_LINE}
        text = "\n".join(lines)
        found: set[str] = set()
        for shown in {text, html.unescape(text), unquote(text), _unescaped(text)}:
            found |= self._in_plain(shown)
        if found:
            self.seen.clear()
        return found

    def _in_plain(self, text: str) -> set[str]:
        found = self.words & set(_words(text))
        found |= {piece for piece in self.pieces if piece in text}
        closed = re.sub(r"(?<=\d)[ \u00a0.\-](?=\d)", "", text)
        for run in {*re.findall(r"\d{10,40}", closed), *re.findall(r"\d{10,40}", text)}:
            found |= {n for n in self.numbers if n in run}
        found |= self.dates & set(re.findall(r"\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{4}|(?<!\d)\d{8}(?!\d)", text))
        found |= self.postcodes & {p.replace(" ", "") for p in re.findall(r"[A-Z]{2}\d ?\d[A-Z]{2}", text.upper())}
        return found | (self.emails & set(re.findall(r"[\w.+-]+@[\w-]+\.\w+", text.lower())))


OUR_WORDS = {"road", "script", "alert"}


def _words(text: str) -> list[str]:
    """Words of four letters or more, without accents, in small letters; shorter ones stand everywhere."""
    if text.isascii():
        return re.findall(r"[a-z]{4,}", text.lower())
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return [word.lower() for word in re.findall(r"[^\W\d_]{4,}", plain)]


def _unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)


# Nights with faults -------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """The care system, and everything that anybody could read of it so far: (where, text)."""

    folder: Path
    delivered: Delivered = field(default_factory=Delivered)
    said: list[tuple[str, str]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def rows(self, provider: str) -> list[list[str]]:
        return [[f"{provider[0]}{n:04}", *person, "A81001"] for n, person in enumerate(_people())]

    def deliver(self, night: date, *providers: str) -> None:
        for provider in providers or PROVIDERS:
            self.drop(provider, night, [COLUMNS, *self.rows(provider)])

    def events(self, provider: str, night: date) -> None:
        """What befell the people, told with their names wherever a provider can write words."""
        for feed, (columns, delivered_by) in EVENTS.items():
            if provider not in delivered_by.split():
                continue
            text = io.StringIO()
            writer = csv.DictWriter(text, columns.split())
            writer.writeheader()
            for n, person in enumerate(_people()):
                writer.writerow(_event(feed, f"{provider[0]}{n:04}", person, night))
            (self.folder / "drop" / f"{provider}_{feed}_{night}.csv").write_text(text.getvalue(), encoding="utf-8")

    def drop(self, provider: str, night: date, rows: list[list[str]], encoding: str = "utf-8") -> None:
        (self.folder / "drop").mkdir(exist_ok=True)
        self.events(provider, night)
        self.delivered.add(row for row in rows if row != COLUMNS and len(row) >= len(COLUMNS))
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
        path = self.folder / "drop" / f"{provider}_{night}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.getvalue().encode(encoding))

    def registry(self, *arguments: str, config: bool = True) -> int:
        """The command in this process, with all that it says kept."""
        before = sys.argv
        sys.argv = ["registry", *arguments, *(["--config", str(self.folder)] if config else [])]
        with _all_output() as output:
            try:
                cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            finally:
                sys.argv = before
        name = " ".join(arguments[:3])
        self.said.append((f"registry {name}", output[0]))
        self.codes[name] = code
        return code

    def run(self, night: date, *more: str) -> int:
        return self.registry("run", "--night", night.isoformat(), *more)

    def dagster(self, job: str, night: date) -> dg.ExecuteInProcessResult:
        configuration = load_configuration(self.folder)
        definition = definitions_of(configuration).resolve_job_def(job)
        with _all_output() as output:
            result = definition.execute_in_process(
                instance=self.instance, partition_key=night.isoformat(), raise_on_error=False
            )
        self.said.append((f"Dagster's log of {job}", output[0]))
        for event in self.instance.all_logs(result.run_id):
            # Everything that Dagster keeps of an event: metadata, checks, errors with their causes.
            self.said.append((f"a Dagster event of {job}", f"{event.user_message}\n{dg.serialize_value(event)}"))
        return result

    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)


@contextmanager
def _all_output() -> Iterator[list[str]]:
    """What the block prints, also below Python, and what any logger is told."""
    printed: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        streams, kept = (sys.stdout, sys.stderr), [os.dup(1), os.dup(2)]
        written = os.fdopen(os.dup(file.fileno()), "w", encoding="utf-8", errors="replace", buffering=1)
        handler = logging.StreamHandler(written)
        level = logging.root.level
        try:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stdout = sys.stderr = written
            logging.root.addHandler(handler)
            logging.root.setLevel(logging.DEBUG)
            yield printed
        finally:
            logging.root.removeHandler(handler)
            logging.root.setLevel(level)
            sys.stdout, sys.stderr = streams
            written.flush()
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            written.close()
            file.seek(0)
            printed.append(file.read())


@contextmanager
def _broken(module, name: str, person: list[str], *, only: str | None = None) -> Iterator[None]:
    """A stage that breaks with errors that hold a patient's values: in text, in their cause, in what DuckDB says."""
    honest = getattr(module, name)

    def breaks(*arguments, **named):
        if only is not None and not any(getattr(a, "provider", None) == only for a in arguments):
            return honest(*arguments, **named)
        try:
            raise duckdb.ConversionException(f"Could not convert string '{person[2]}' to DATE for {person[0]}")
        except duckdb.Error as problem:
            raise ValueError(f"{person[1]} {person[2]}, born {person[3]}, {person[7]}") from problem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, breaks)
        yield


def _faulty_rows(rows: list[list[str]]) -> list[list[str]]:
    """A night's rows with faults of their own: dates, numbers and keys; each new value is known to the search."""
    rows = [list(row) for row in rows]
    rows[5][4], rows[6][4], rows[7][4] = "31/02/1951", "1951-13-44", "soon"
    rows[8][1], rows[9][1] = "9434765910", "943 476 591"
    rows[10][0] = rows[11][0]
    rows[12][0] = ""
    rows[13][7], rows[14][8], rows[15][9] = "ZX99 9ZZZ", "077009001", "no-mail"
    return rows


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Iterator[Watched]:
    """All of it, once."""
    folder = tmp_path_factory.mktemp("watched") / "system"
    (folder / "providers").mkdir(parents=True)
    (folder / "registry.yaml").write_text(DEPLOYMENT)
    for provider, setting in PROVIDERS.items():
        described = PROVIDER.format(provider=provider, setting=setting)
        for feed, (columns, delivered_by) in EVENTS.items():
            if provider in delivered_by.split():
                columns_of_feed = ", ".join(f"{name}: {name}" for name in columns.split())
                path = f"drop/{provider}_{feed}_{{night}}.csv"
                described += (
                    f'  {feed}:\n    source: {{kind: csv, path: "{path}"}}\n    columns: {{{columns_of_feed}}}\n'
                )
        (folder / "providers" / f"{provider}.yaml").write_text(described)
    umask = os.umask(0o022)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("REGISTRY_HOME", "REGISTRY_CONFIG", "REGISTRY_TRACEBACK"):
            patch.delenv(name, raising=False)
        patch.setenv("NO_LEAK_KEY", KEY)
        try:
            made = Watched(folder)
            _by_command(made)
            _by_dagster(made)
            yield made
            made.instance.dispose()
        finally:
            os.umask(umask)


def _by_command(system: Watched) -> None:
    first, second, third, fourth, _ = NIGHTS
    people = _people()
    system.deliver(first, "RX1", "RY1")
    system.drop("GP1", first, [COLUMNS, *_faulty_rows(system.rows("GP1"))])
    assert system.run(first, "--data-docs", "--json", str(system.folder / "home" / "tmp_summary.json")) == 0

    # Nothing from one, no header from another (its first patient stands where names of columns should), another encoding;
    # and publishing breaks.
    system.drop("RX1", second, system.rows("RX1"))
    system.drop("RY1", second, [COLUMNS, *system.rows("RY1")], encoding="cp1252")
    with _broken(registry, "publish", people[8]):
        assert system.run(second) == 1

    # Lines with too many cells and an open quote, the same key for everybody, day and month the wrong way round.
    system.drop("GP1", third, [COLUMNS, *([row[0], *row[1:], "more", row[2]] for row in system.rows("GP1"))])
    system.drop("RX1", third, [COLUMNS, *(["R1", *row[1:]] for row in system.rows("RX1"))])
    system.drop(
        "RY1",
        third,
        [
            COLUMNS,
            *([*row[:4], "/".join(row[4].split("/")[i] for i in (1, 0, 2)), *row[5:]] for row in system.rows("RY1")),
        ],
    )
    with (system.folder / "drop" / f"GP1_{third}.csv").open("a") as file:
        file.write('"G9999","' + people[0][1])
    assert system.run(third, "--data-docs") == 0

    # What nobody foresaw, in every provider's stages and in linking.
    system.deliver(fourth)
    with (
        _broken(extract, "extract_feed", people[4], only="GP1"),
        _broken(validate, "validate_feed", people[5], only="RX1"),
        _broken(standardise, "standardise_feed", people[6], only="RY1"),
        _broken(link, "link_night", people[7]),
    ):
        assert system.run(fourth) == 1
    _decisions(system)


def _decisions(system: Watched) -> None:
    """What people ask and decide, some of it wrong."""
    who, last = ("--who", "A. Lead", "--why", "seen both letters"), f"{NIGHTS[2]}.1"
    snapshot = system.home.current.resolve().name
    patient_id = duckdb.sql(f"SELECT min(patient_id) FROM '{system.home.current}/patient.parquet'").fetchall()[0][0]
    secret = _people()[0][0]
    asked = [
        (("override", "cannot-link", "GP1:G0001", "RX1:R0001", *who), 0),
        (("override", "must-link", "GP1:G0001", "RX1:R0001", *who), 2),
        (("override", "must-link", "GP1:G0002", "RX1:R9999", *who), 2),
        (("override", "cannot-link", "GP1:G0003", "RX1:R0003", "--who", "A", "--why", f"number {secret}"), 2),
        (("override", "list"), 0),
        (("report",), 0),
        (("evaluate", "--night", str(NIGHTS[2])), None),
        (("evaluate", "--review-sample", "5", "--folder", str(system.folder / "home" / "sample")), 0),
        (("explain", str(patient_id)), 0),
        (("sign-off", snapshot, "--who", "A. Lead", "--role", "IG lead", "--comment", f"{secret} is wrong"), 2),
        (("sign-off", snapshot, "--who", "A. Lead", "--role", "IG lead", "--comment", "read it"), 0),
        (("sign-off", f"{last}9", "--who", "A. Lead", "--role", "IG lead", "--comment", "read it"), 2),
        (("export", "--purpose", "audit", "--to", str(system.folder / "exported")), 0),
        (("status",), 0),
        (("check-config",), 0),
        (("journal", "list"), 0),
        (("journal", "verify"), 0),
    ]
    with _broken(evidence, "gather", _people()[13]):
        assert system.registry("report") == 1
    for arguments, expected in asked:
        code = system.registry(*arguments)
        assert expected is None or code == expected, (arguments[:2], system.said[-1])


def _by_dagster(system: Watched) -> None:
    night, people = NIGHTS[4], _people()
    (system.folder / "registry.yaml").write_text(DEPLOYMENT.replace("nightly_report: false", "nightly_report: true"))
    system.deliver(night, "RY1")
    system.drop("RX1", night, system.rows("RX1"))
    system.drop("GP1", night, [COLUMNS, *_faulty_rows(system.rows("GP1"))])
    with _broken(standardise, "standardise_feed", people[9], only="RY1"):
        system.dagster("provider_night", night)
    with _broken(identity, "assign_identities", people[10]):
        assert not system.dagster("registry_night", night).success
    with _broken(purposes, "make_output", people[11]), _broken(evidence, "gather", people[12]):
        assert not system.dagster("registry_night", night).success
    assert system.dagster("registry_night", night).success


# The search ---------------------------------------------------------------------------------------------------------


DATA = ("landing", "linkage/frozen")
"""Beside the tables: deliveries as they came, and the words that are common in names, which linking looks up."""


def _files(system: Watched) -> Iterator[tuple[str, str]]:
    """Everything under the data folder but the data themselves: landed deliveries and tables with identities."""
    home = system.home.root
    for path in sorted([*home.rglob("*"), *(system.folder / "exported").rglob("*")]):
        if not path.is_file() or path.is_symlink() or any(path.is_relative_to(home / part) for part in DATA):
            continue
        name = str(path.relative_to(system.folder))
        if path.suffix != ".parquet":
            yield name, path.read_bytes().decode("utf-8", "replace")
        elif path.is_relative_to(home / "outputs") or not path.is_relative_to(home):
            with duckdb.connect() as connection:
                rows = connection.execute(
                    "SELECT row_to_json(t)::VARCHAR FROM read_parquet(?) t", [str(path)]
                ).fetchall()
            yield name, "\n".join(row for (row,) in rows)
        yield name, path.name


def test_the_nights_left_something_of_every_kind(watched):
    """Else a search that finds nothing says nothing."""
    names = [name for name, _ in _files(watched)]
    for part in (
        "journal/journal.jsonl", "linkage_quality.html", "linkage_quality.json", "outcome.patient.json", "manifest.json",
        "validation.patient.json", "home/outputs/audit", "consumers/audit_measure", "case_conference_list/2026-04-01.1/pages/a81001.html", "exported", "data_docs", "published.json", "home/sample/",
    ):  # fmt: skip
        assert any(part in name for name in names), part
    statuses = {
        json.loads(path.read_text())["status"]
        for path in (watched.home.root / "staging").rglob("outcome.patient.json")
    }  # fmt: skip
    assert {"accepted", "missing", "columns", "unreadable", "rejected", "failed"} <= statuses
    said = "\n".join(text for _, text in watched.said)
    for part in ("failed unexpectedly (ValueError)", "broke unexpectedly (ValueError", "STEP_FAILURE", "RX1"):
        assert part in said
    kinds = {entry.kind for entry in journal.entries(watched.home)}
    assert {
        "take_in",
        "build",
        "publish",
        "report",
        "release",
        "sign_off",
        "override",
        "review",
        "export",
        "failed",
    } <= kinds
    heads = [
        *watched.home.snapshots.glob("*/published.json"),
        *watched.home.root.glob("reports/*/linkage_quality.json"),
    ]
    assert journal.verify(watched.home).anchors == 1 + len(heads), (
        "each snapshot and report notes where the journal stood"
    )
    assert len(watched.delivered.words) > 3 * PEOPLE - 10
    assert len(watched.delivered.numbers) > 2 * PEOPLE


def test_the_search_finds_what_is_there(watched):
    nhs, given, _family, born, _sex, street, postcode, phone, email = _people()[20]
    day, month, year = born.split("/")
    for planted in (
        f"see {nhs}", f"{nhs[:3]} {nhs[3:6]} {nhs[6:]}", f"x_{given.upper()}_1", f"<td>{given}</td>", f"&#{ord(given[0])};{given[1:]}",
        f"{year}-{month}-{day}T00:00", f"born {born}", f"at {street}", postcode.lower(), postcode.replace(" ", ""), f"rang {phone}",
        f"({email})", "Zo\\u00ebthard\\u00eb", "ZOETHARDE", f"{given}%20x", SCRIPT, html.escape(SCRIPT), FORMULA,
    ):  # fmt: skip
        assert watched.delivered.found_in(f"nothing\nof note {planted}, 2026-04-01"), planted
    assert not watched.delivered.found_in("2026-04-01.1 of GP1:G0001 RX1 patient 1234567890123 0.97 <script>x</script>")


def test_the_search_looks_everywhere(watched):
    """A name on a screen, in a log, below Python, in a new file or in a file's name is found."""
    given = _people()[21][1]
    with _all_output() as output:
        print(f"1 {given}")
        logging.getLogger("another.package").debug("2 %s", given)
        os.write(1, f"3 {given}\n".encode())
        sys.stderr.write(f"4 {given}\n")
    assert output[0].count(given) == 4
    for planted in (watched.home.root / "reports" / "a page.html", watched.home.root / f"{given}.log"):
        planted.write_text(f"<td>{given}" if planted.suffix == ".html" else "")
        try:
            texts = [text for name, text in _files(watched) if name.endswith(planted.name)]
            assert any(watched.delivered.found_in(text) for text in texts)
        finally:
            planted.unlink()


def test_no_screen_log_or_dagster_event_shows_a_value(watched):
    found = {(where, value) for where, text in watched.said for value in watched.delivered.found_in(text)}
    assert not found


def test_no_file_but_the_data_shows_a_value(watched):
    found = {(where, value) for where, text in _files(watched) for value in watched.delivered.found_in(text)}
    assert not found


def test_everything_is_for_the_owner_only(watched):
    open_to_others = [
        str(path.relative_to(watched.folder))
        for path in [watched.home.root, *watched.home.root.rglob("*"), *(watched.folder / "exported").rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert not open_to_others
