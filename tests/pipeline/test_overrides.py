"""Overrides over whole nights: what a person decides holds on the next one, and undone it leaves nothing behind."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.pipeline.conftest import FIRST, SECOND, System, nhs_number

THIRD, FOURTH = FIRST + timedelta(days=2), FIRST + timedelta(days=3)
STRANGER = ["R9001", "", "Wilhelmina", "Oyelaran", "02/11/1957", "F", "4 Elsewhere Lane", "ZX9 9ZZ"]
"""A record at the hospital that fits nobody."""
SIGNED = ("--who", "Dr Example", "--why", "seen in clinic")


def night(system: System, on: date, *more: list[str]) -> dict[str, str]:
    """Run a night with further rows at the hospital; record key to patient_id."""
    system.deliver(on, "GP1", "RY1")
    system.write("RX1", on, [*system.rows("RX1"), *more])
    code, _, said = system.run(on)
    assert code == 0, said
    return ids(system)


def ids(system: System) -> dict[str, str]:
    return dict(system.query("SELECT record_id, patient_id::VARCHAR FROM {patient_record}"))


def decide(system: System, *arguments: str) -> str:
    """An override that is accepted; what was said of it."""
    code, printed, said = system.registry("override", *arguments, *SIGNED)
    assert (code, said) == (0, "")
    return printed


def others(held: dict[str, str], *but: str) -> dict[str, str]:
    return {record: person for record, person in held.items() if record not in but}


def test_a_must_link_makes_one_person_and_undone_gives_back_who_was_there(first_night):
    before = night(first_night, SECOND, STRANGER)
    older, younger = before["GP1:G0005"], before["RX1:R9001"]

    printed = decide(first_night, "must-link", "RX1:R9001", "GP1:G0005", "--role", "records manager")
    assert printed.startswith("Override 1: RX1:R9001 and GP1:G0005 are one person. 2 people of today become one: ")
    assert printed.endswith("It takes effect with the next run (registry run).\n")
    assert ids(first_night) == before, "nothing happens before the next run"

    joined = night(first_night, THIRD, STRANGER)
    assert joined["RX1:R9001"] == joined["GP1:G0005"] == joined["RY1:R0005"] == older
    assert others(joined, "RX1:R9001") == others(before, "RX1:R9001")
    _, explained, _ = first_night.registry("explain", younger)
    for part in (
        f"{younger} was joined into {older}",
        "must_link override 1",
        "Dr Example (records manager)",
        "in force",
    ):
        assert part in explained
    assert "Wilhelmina" not in explained

    printed = decide(first_night, "undo", "1")
    assert printed.startswith("Override 1 is undone: RX1:R9001 and GP1:G0005 are one person, made by Dr Example.")
    assert night(first_night, FOURTH, STRANGER) == before


def test_a_cannot_link_parts_a_person_until_it_ends(first_night):
    before = ids(first_night)
    one = before["GP1:G0003"]
    assert before["RX1:R0003"] == before["RY1:R0003"] == one

    printed = decide(first_night, "cannot-link", "GP1:G0003", "RX1:R0003", "--until", FOURTH.isoformat())
    assert f"are never one person, on nights before {FOURTH}. The two sides are one person today ({one})" in printed

    first_night.deliver(SECOND)
    assert first_night.run(SECOND)[0] == 0
    parted = ids(first_night)
    assert parted["GP1:G0003"] != parted["RX1:R0003"]
    assert parted["RY1:R0003"] in (parted["GP1:G0003"], parted["RX1:R0003"]), "the third record does not bridge them"
    assert one in (parted["GP1:G0003"], parted["RX1:R0003"])
    apart = ("GP1:G0003", "RX1:R0003", "RY1:R0003")
    assert others(parted, *apart) == others(before, *apart)

    first_night.deliver(THIRD)
    assert first_night.run(THIRD)[0] == 0
    assert ids(first_night) == parted, "nothing flickers while it holds"

    first_night.deliver(FOURTH)
    assert first_night.run(FOURTH)[0] == 0
    assert ids(first_night) == before


def test_a_join_that_the_data_made_is_undone(first_night):
    before = night(first_night, SECOND, STRANGER)
    person = first_night.rows("RX1")[5]
    joined = night(first_night, THIRD, ["R9001", *person[1:]])
    assert joined["RX1:R9001"] == joined["GP1:G0005"] == before["GP1:G0005"]

    printed = decide(first_night, "unjoin", before["RX1:R9001"])
    assert "part from that person's 3 others, and get their id back" in printed

    assert night(first_night, FOURTH, ["R9001", *person[1:]]) == before


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
