"""What people decide at a terminal stands in the journal: by number and count, never by record or value."""

import csv

import pytest

from registry_pipeline.govern import journal
from registry_pipeline.storage import file_digest

WHO = ("--who", "A. Lead", "--why", "seen both letters")


def _entries(system, kind):
    return [(entry.who, entry.why, dict(entry.what)) for entry in journal.entries(system.home, (kind,))]


def test_a_night_and_overrides_are_in_the_journal(first_night, tmp_path):
    assert {"take_in", "build", "publish"} <= {entry.kind for entry in journal.entries(first_night.home)}
    assert first_night.registry("override", "cannot-link", "GP1:G0001", "RX1:R0001", *WHO)[0] == 0
    assert first_night.registry("override", "undo", "1", *WHO)[0] == 0
    file = tmp_path / "overrides.csv"
    file.write_text(
        "kind,left,right,who,why,until\nmust-link,GP1:G0002,RX1:R0002,B. Clerk,one letter for both,\n"
        "cannot-link,GP1:G0005,RX1:R0005,A. Lead,two letters,\n"
    )
    code, _, err = first_night.registry("override", "apply", str(file))
    assert code == 0, err
    made, undone, applied = journal.entries(first_night.home, ("override",))
    assert (made.who, made.why) == ("A. Lead", "seen both letters")
    assert made.what == {"done": "made", "overrides": [1], "kinds": {"cannot_link": 1}, "pairs_of_records": 1}
    assert (undone.what["done"], undone.what["overrides"]) == ("undone", [1])
    assert (applied.who, applied.what["kinds"]) == ("A. Lead, B. Clerk", {"must_link": 1, "cannot_link": 1})
    assert applied.inputs == {"overrides.csv": file_digest(file)}
    assert "G0001" not in first_night.home.journal.read_text()
    assert first_night.registry("journal", "verify")[0] == 0


@pytest.mark.parametrize(
    ("why", "told"), [("number 900 000 1009 is wrong", "an NHS number"), ("moved to ZX1 1AB", "a postcode")]
)
def test_a_reason_with_a_patients_value_changes_nothing(first_night, tmp_path, why, told):
    file = tmp_path / "overrides.csv"
    with file.open("w", newline="") as content:
        csv.writer(content).writerows([["kind", "left", "right", "who", "why", "until"],
                                       ["must-link", "GP1:G0002", "RX1:R0003", "B", why, ""]])  # fmt: skip
    for arguments in (
        ("override", "cannot-link", "GP1:G0001", "RX1:R0001", "--who", "A. Lead", "--why", why),
        ("override", "cannot-link", "GP1:G0001", "RX1:R0001", "--who", why, "--why", "seen"),
        ("override", "undo", "1", "--who", "A. Lead", "--why", why),
        ("override", "unjoin", "no id", "--who", "A. Lead", "--why", why),
        ("override", "apply", str(file)),
        ("model", "admit", "v0001", "--who", "A. Lead", "--why", why),
    ):
        code, _, err = first_night.registry(*arguments)
        assert code == 2
        assert told in err
        assert why not in err
    assert not first_night.home.overrides.exists()
    assert _entries(first_night, "override") == []


def test_nothing_is_decided_that_cannot_be_written_down(first_night):
    with first_night.home.journal.open("ab") as file:
        file.write(b"{")
    code, _, err = first_night.registry("override", "cannot-link", "GP1:G0001", "RX1:R0001", *WHO)
    assert code == 1
    assert "torn" in err
    assert not first_night.home.overrides.exists()


def test_reviews_are_written_down_with_their_files(first_night, tmp_path):
    folder = tmp_path / "sample"
    assert first_night.registry("evaluate", "--review-sample", "5", "--folder", str(folder))[0] == 0
    [sample] = folder.iterdir()
    [written] = journal.entries(first_night.home, ("review",))
    assert written.outputs == {sample.name: file_digest(sample)}
    assert 0 < written.what["written"] <= 5
    with sample.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["is_match"] = "true"
    with sample.open("w", newline="") as file:
        filled = csv.DictWriter(file, rows[0])
        filled.writeheader()
        filled.writerows(rows)
    assert first_night.registry("evaluate", "--review", str(sample))[0] == 0
    back = journal.entries(first_night.home, ("review",))[-1]
    assert back.what["taken_back"] == len(rows)
    assert back.inputs == {f"1: {sample.name}": file_digest(sample)}
