"""A small care system of three providers whose files a test can break, and the `registry` command run over it."""

from __future__ import annotations

import csv
import random
import shutil
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from registry_pipeline import cli, outcomes
from registry_pipeline.config import load_configuration
from registry_pipeline.night import run_night
from registry_pipeline.storage import Home, read_json

FIRST = date(2026, 4, 1)
SECOND = FIRST + timedelta(days=1)
PEOPLE = 120
COLUMNS = ["id", "nhs", "forename", "surname", "dob", "sex", "street", "postcode"]
MAPPED = (
    "{local_id: id, nhs_number: nhs, given_name: forename, family_name: surname, sex: sex, address: street,"
    ' postcode: postcode, birth_date: {from: dob, format: "%d/%m/%Y"}}'
)
GIVEN = [
    "Amara",
    "Bilal",
    "Chidi",
    "Dorota",
    "Efua",
    "Fergus",
    "Gwen",
    "Harpreet",
    "Ines",
    "Jakub",
    "Kwame",
    "Leila",
    "Mei",
    "Niamh",
    "Olu",
    "Priya",
    "Quentin",
    "Rhys",
    "Sadia",
    "Tomasz",
]
FAMILY = [
    "Abara",
    "Begum",
    "Costa",
    "Davies",
    "Eze",
    "Farah",
    "Gupta",
    "Hughes",
    "Ivanov",
    "Jones",
    "Khan",
    "Lopez",
    "Morgan",
    "Nowak",
    "Okafor",
    "Patel",
    "Quinn",
    "Rahman",
    "Singh",
    "Tran",
]


def nhs_number(n: int) -> str:
    """The n-th valid number of the synthetic range."""
    nine = 900_000_100 + 7 * n
    while (digit := 11 - sum(int(d) * (10 - i) for i, d in enumerate(str(nine))) % 11) == 10:
        nine += 1
    return f"{nine}{digit % 11}"


def people() -> list[dict[str, str]]:
    """Made-up people, each with a number, names, birth date and address of their own."""
    chance = random.Random(7)
    return [
        {
            "nhs": nhs_number(n),
            "forename": GIVEN[n % 20],
            "surname": FAMILY[(n // 20 + n) % 20] + ("" if n < 100 else "son"),
            "dob": (date(1931, 3, 14) + timedelta(days=chance.randrange(33_000))).strftime("%d/%m/%Y"),
            "sex": "F" if n % 2 else "M",
            "street": f"{n + 1} Made Up Road",
            "postcode": f"ZX{n % 9 + 1} {n % 7 + 1}A{'BDEFGH'[n % 6]}",
        }
        for n in range(PEOPLE)
    ]


@dataclass
class System:
    """The deployment's folder, its home, and what a test does with them."""

    folder: Path
    capture: pytest.CaptureFixture[str] | None = None

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def drop(self, provider: str, night: date) -> Path:
        return self.folder / "drop" / f"{provider}_{night}.csv"

    def deliver(self, night: date, *providers: str) -> None:
        for provider in providers or ("GP1", "RX1", "RY1"):
            self.write(provider, night, self.rows(provider))

    def rows(self, provider: str) -> list[list[str]]:
        return [[f"{provider[0]}{n:04}", *person.values()] for n, person in enumerate(people())]

    def write(self, provider: str, night: date, rows: list[list[str]]) -> None:
        path = self.drop(provider, night)
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])

    def describe(self, provider: str, setting: str, **more: str) -> None:
        lines = [
            f"provider: {provider}",
            f"setting: {setting}",
            *(f"{k}: {v}" for k, v in more.items() if k != "source"),
        ]
        source = more.get("source", f'{{kind: csv, path: "drop/{provider}_{{night}}.csv"}}')
        lines += ["feeds:", "  patient:", f"    source: {source}", f"    columns: {MAPPED}"]
        (self.folder / "providers" / f"{provider}.yaml").write_text("\n".join(lines) + "\n")

    def registry(self, *arguments: str) -> tuple[int, str, str]:
        """The `registry` command in this process: exit code, what it printed, what it said on stderr."""
        before, sys.argv = sys.argv, ["registry", *arguments, "--config", str(self.folder)]
        assert self.capture is not None
        self.capture.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.argv = before
        printed = self.capture.readouterr()
        return code, printed.out, printed.err

    def run(self, night: date) -> tuple[int, str, str]:
        return self.registry("run", "--night", night.isoformat())

    def outcome(self, provider: str, night: date, feed: str = "patient") -> outcomes.FeedOutcome:
        found = outcomes.find(self.home, provider, feed, night)
        assert found is not None
        return found

    def current(self) -> dict:
        return read_json(self.home.current / "manifest.json")

    def query(self, sql: str) -> list[tuple]:
        """Rows of SQL over the current registry's tables, as `{patient_record}` and the like."""
        tables = {p.stem: f"read_parquet('{p}')" for p in self.home.current.glob("*.parquet")}
        with duckdb.connect() as connection:
            return connection.execute(sql.format(**tables)).fetchall()

    def quarantined(self, provider: str, night: date) -> list[tuple[int, list[str]]]:
        path = self.home.quarantined("patient", provider, night)
        with duckdb.connect() as connection:
            return connection.execute(
                "SELECT source_line, broken_rules FROM read_parquet(?) ORDER BY 1", [str(path)]
            ).fetchall()


def described(folder: Path) -> None:
    """The three providers' configuration."""
    (folder / "providers").mkdir(parents=True)
    (folder / "registry.yaml").write_text(
        "home: home\nsynthetic_nhs_numbers: true\nnightly_report: false\nconsumers: []\n"
    )
    made = System(folder)
    for provider, setting in (("GP1", "gp"), ("RX1", "acute"), ("RY1", "community")):
        made.describe(provider, setting)


@pytest.fixture
def system(tmp_path, capsys, monkeypatch) -> System:
    monkeypatch.delenv("REGISTRY_HOME", raising=False)
    monkeypatch.delenv("REGISTRY_CONFIG", raising=False)
    described(tmp_path / "system")
    return System(tmp_path / "system", capsys)


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    """A system with its first night published, made once; tests take copies."""
    folder = tmp_path_factory.mktemp("published") / "system"
    described(folder)
    System(folder).deliver(FIRST)
    run_night(load_configuration(folder, environment={}), FIRST)
    return folder


@pytest.fixture
def first_night(published, tmp_path, capsys, monkeypatch) -> System:
    """The system with its first night published."""
    monkeypatch.delenv("REGISTRY_HOME", raising=False)
    monkeypatch.delenv("REGISTRY_CONFIG", raising=False)
    shutil.copytree(published, tmp_path / "system", symlinks=True)
    return System(tmp_path / "system", capsys)
