"""Overrides over whole nights: what a person decides holds on the next one, and undone it leaves nothing behind."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest

from registry_pipeline.config import load_configuration
from registry_pipeline.explain import Explained, explain_patient
from registry_pipeline.link import overrides
from registry_pipeline.night import run_night
from tests.pipeline.conftest import FIRST, SECOND, System, nhs_number

THIRD, FOURTH = FIRST + timedelta(days=2), FIRST + timedelta(days=3)
STRANGER = ["R9001", "", "Wilhelmina", "Oyelaran", "02/11/1957", "F", "4 Elsewhere Lane", "ZX9 9ZZ"]
LATER_KNOWN = ["R9002", "", "Ottoline", "Brackenbury", "19/07/1983", "F", "88 Faraway Street", "ZX8 8YY"]
"""Records at the hospital that fit nobody."""
SIGNED = ("--who", "Dr Example", "--why", "seen in clinic")
SAYS = {"who": "Dr Example", "why": "seen in clinic", "role": "records manager"}
PARTED = ("GP1:G0003", "RX1:R0003", "RY1:R0003")


@dataclass
class Story:
    """Four nights with overrides in between: record key to patient_id after each, and what was told."""

    system: System
    ids: dict[date, dict[str, str]] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    explained: Explained | None = None

    @property
    def configuration(self):
        return load_configuration(self.system.folder, environment={})

    def night(self, on: date, *more: list[str]) -> None:
        self.system.deliver(on, "GP1", "RY1")
        self.system.write("RX1", on, [*self.system.rows("RX1"), *more])
        run_night(self.configuration, on)
        self.look(on)

    def look(self, on: date) -> None:
        self.ids[on] = dict(self.system.query("SELECT record_id, patient_id::VARCHAR FROM {patient_record}"))

    def add(self, kind: str, left: str, right: str, **more: str) -> None:
        made = overrides.add(self.configuration, overrides.Asked(kind=kind, left=left, right=right, **SAYS, **more))
        self.effects[kind] = made.effect


@pytest.fixture(scope="module")
def story(published, tmp_path_factory) -> Story:
    """First night; then apart: G0003 and R0003, until the fourth. Second; then together: R9001 and G0005. Third, on which
    the hospital learns that R9002 is person 7; then the must-link and the join of R9002 are undone. Fourth."""
    folder = tmp_path_factory.mktemp("story") / "system"
    shutil.copytree(published, folder, symlinks=True)
    told = Story(System(folder))
    told.look(FIRST)
    told.add("cannot-link", "GP1:G0003", "RX1:R0003", until=FOURTH.isoformat())
    told.night(SECOND, STRANGER, LATER_KNOWN)
    told.add("must-link", "RX1:R9001", "GP1:G0005")
    known = ["R9002", *told.system.rows("RX1")[7][1:]]
    told.night(THIRD, STRANGER, known)
    told.explained = explain_patient(told.configuration, told.ids[SECOND]["RX1:R9001"])
    overrides.undo(told.configuration, 2, **SAYS)
    told.effects["unjoin"] = overrides.unjoin(told.configuration, told.ids[SECOND]["RX1:R9002"], **SAYS).effect
    told.night(FOURTH, STRANGER, known)
    return told


def others(held: dict[str, str], *but: str) -> dict[str, str]:
    return {record: person for record, person in held.items() if record not in (*but, "RX1:R9001", "RX1:R9002")}


def test_a_must_link_makes_one_person_and_undone_gives_back_who_was_there(story):
    before, joined = story.ids[SECOND], story.ids[THIRD]
    older = before["GP1:G0005"]
    assert before["RX1:R9001"] != older

    assert story.effects["must-link"].startswith("2 people of today become one: ")
    assert joined["RX1:R9001"] == joined["GP1:G0005"] == joined["RY1:R0005"] == older
    assert story.ids[FOURTH]["RX1:R9001"] == before["RX1:R9001"]
    assert story.ids[FOURTH]["GP1:G0005"] == older


def test_what_a_must_link_did_is_explained(story):
    before = story.ids[SECOND]
    rows = {title: cells for title, _, cells in story.explained.sections}

    assert story.explained.headline.startswith(f"{before['RX1:R9001']} was joined into {before['GP1:G0005']}: ")
    assert ("GP1:G0005", "RX1:R9001", "must_link override 2") in [row[:3] for row in rows["Links between them"]]
    [override] = rows["Overrides"]
    assert override[:4] == ("2", "must_link", "RX1:R9001", "GP1:G0005")
    assert override[4].startswith("Dr Example (records manager) on 2")
    assert override[5] == "in force"
    told = repr(story.explained)
    assert not [value for value in (*STRANGER[2:4], nhs_number(5)) if value in told]


def test_a_cannot_link_parts_a_person_until_it_ends(story):
    one = story.ids[FIRST]["GP1:G0003"]
    assert {story.ids[FIRST][record] for record in PARTED} == {one}
    assert story.effects["cannot-link"] == f"the two sides are one person today ({one}), and part"

    parted = [story.ids[SECOND][record] for record in PARTED]
    assert parted[0] != parted[1]
    assert parted[2] in parted[:2], "the third record does not bridge them"
    assert one in parted[:2]
    assert [story.ids[THIRD][record] for record in PARTED] == parted, "nothing flickers while it holds"
    assert {story.ids[FOURTH][record] for record in PARTED} == {one}


def test_a_join_that_the_data_made_is_undone(story):
    before, joined, after = story.ids[SECOND], story.ids[THIRD], story.ids[FOURTH]
    assert before["RX1:R9002"] != before["GP1:G0007"]
    assert joined["RX1:R9002"] == joined["GP1:G0007"] == before["GP1:G0007"]

    assert "part from that person's 3 others, and get their id back" in story.effects["unjoin"]
    assert after["RX1:R9002"] == before["RX1:R9002"]
    assert after["GP1:G0007"] == after["RX1:R0007"] == before["GP1:G0007"]


def test_nobody_else_gets_another_id(story):
    kept = others(story.ids[FIRST], *PARTED)
    assert all(others(held, *PARTED) == kept for held in story.ids.values())
    assert others(story.ids[FOURTH]) == others(story.ids[FIRST])


def decide(system: System, *arguments: str) -> str:
    """An override that is accepted; what was said of it."""
    code, printed, said = system.registry("override", *arguments, *SIGNED)
    assert (code, said) == (0, "")
    return printed


def test_the_commands_say_what_will_come_of_it_and_when(first_night):
    ids = "SELECT record_id, patient_id::VARCHAR FROM {patient_record} ORDER BY 1"
    before = first_night.query(ids)
    one = dict(before)["GP1:G0003"]

    assert decide(first_night, "cannot-link", "GP1:G0003", "RX1:R0003", "--until", FOURTH.isoformat()) == (
        f"Override 1: GP1:G0003 and RX1:R0003 are never one person, on nights before {FOURTH}. The two sides are one"
        f" person today ({one}), and part. It takes effect with the next run (registry run).\n"
    )
    assert decide(first_night, "undo", "1") == (
        "Override 1 is undone: GP1:G0003 and RX1:R0003 are never one person, made by Dr Example. It takes effect with the"
        " next run (registry run).\n"
    )
    assert decide(first_night, "must-link", "GP1:G0003", "RX1:R0003").startswith(
        "Override 2: GP1:G0003 and RX1:R0003 are one person. The 2 records are of one person already, and stay so"
    )
    assert first_night.query(ids) == before, "nothing happens before the next run"


def test_a_file_of_overrides_and_the_list_of_them(first_night, tmp_path):
    file = tmp_path / "overrides.csv"
    file.write_text(
        "kind,left,right,who,why,until\n"
        f"cannot_link,GP1:G0003,RX1:R0003,Dr Example,two people,{FOURTH}\n"
        "must_link,GP1:G0004,RX1:R0004,Dr Example,[b]one[/b] person,\n"
    )

    code, printed, _ = first_night.registry("override", "apply", str(file))
    assert (code, printed.splitlines()[-1]) == (
        0, f"2 overrides of {file} made. They take effect with the next run (registry run).")  # fmt: skip

    decide(first_night, "undo", "1")
    _, printed, _ = first_night.registry("override", "list")
    assert printed.splitlines()[0] == "2  must_link  GP1:G0004  RX1:R0004  in force"
    assert "Dr Example on 2" in printed
    assert "[b]one[/b] person" in printed
    _, printed, _ = first_night.registry("override", "list", "--all")
    assert "1  cannot_link  GP1:G0003  RX1:R0003  undone by Dr Example on 2" in printed
    assert f"until {FOURTH}; pairs of records: 1" in printed
    assert "[b]one[/b] person" in first_night.registry("explain", "GP1:G0004")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("must-link", "GP1:G0003", "GP1:G0004"), "two different valid NHS numbers into one person, of GP1:G0003 and"),
        (("must-link", "GP1:G0003", "GP1:G9999"), "right: there is no record GP1:G9999 in the current registry"),
        (("cannot-link", "GP1:G0003", "GP1:G0003"), "both sides are the same"),
        (("cannot-link", "GP1:G0003", "RX1:R0003", "--until", "2026-04-01"), "until 2026-04-01 is past"),
        (("undo", "3"), "There is no override 3 (there is none yet)"),
        (("unjoin", "GP1:G0003"), "That is not a patient_id"),
        (("apply", "nowhere.csv"), "nowhere.csv cannot be read (FileNotFoundError)"),
    ],
)
def test_what_cannot_be_decided_is_one_sentence_and_changes_nothing(first_night, arguments, said):
    signed = () if arguments[0] == "apply" else SIGNED
    code, printed, told = first_night.registry("override", *arguments, *signed)

    assert (code, printed) == (2, "")
    assert told.startswith("registry: ")
    assert said in told
    assert told.count("\n") == 1
    assert nhs_number(3) not in told
    assert not first_night.home.overrides.exists()


def test_a_store_that_cannot_be_read_stops_the_night_and_the_registry_still_stands(first_night):
    before = first_night.current()["snapshot_id"]
    first_night.home.overrides.parent.mkdir()
    first_night.home.overrides.write_bytes(b"no database any more " * 50)
    first_night.deliver(SECOND)

    code, _, said = first_night.run(SECOND)

    assert code == 1
    assert "overrides.sqlite cannot be read (DatabaseError)" in said
    assert first_night.current()["snapshot_id"] == before
