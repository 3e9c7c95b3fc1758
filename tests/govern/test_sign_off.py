"""Signatures: who may give them, when they count, and how many a purpose waits for."""

import pytest

from registry_pipeline.config import Configuration, Deployment
from registry_pipeline.errors import BadInput
from registry_pipeline.govern import journal, sign_off
from registry_pipeline.storage import Home, file_digest

SNAPSHOT = "2026-04-01.1"


@pytest.fixture
def home(tmp_path) -> Home:
    home = Home(tmp_path)
    for folder, *names in (
        (home.snapshot(SNAPSHOT), "manifest.json"),
        (home.report(SNAPSHOT), *sign_off.SIGNED_FILES[1:]),
    ):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(f"{name} as it was signed")
    return home


def _files(home):
    return [home.snapshot(SNAPSHOT) / "manifest.json", *(home.report(SNAPSHOT) / n for n in sign_off.SIGNED_FILES[1:])]


def _digests(home):
    return {file.name: file_digest(file) for file in _files(home)}


def _sign(home, who, kind="sign_off"):
    if kind == "sign_off":
        sign_off.check_may_sign(home, SNAPSHOT, _digests(home), who)
    else:
        sign_off.check_may_reject(home, SNAPSHOT)
    journal.record(
        home, kind, who=who, why="read it", what={"snapshot": SNAPSHOT, "role": "IG lead"}, inputs=_digests(home)
    )


def _waits(home, **needed):
    configuration = Configuration(
        directory=home.root, home=home.root, deployment=Deployment(sign_offs=needed), providers={}
    )
    found = {purpose: sign_off.waits_for(configuration, home, SNAPSHOT, purpose) for purpose in ("audit", "research")}
    for purpose, missing in found.items():
        assert sign_off.enough_for(configuration, home, SNAPSHOT, purpose) == (missing == 0)
    return found


def test_the_standing_tells_who_signed_in_which_role_with_which_comment_and_when(home):
    _sign(home, "A. Lead")
    standing = sign_off.signed(home, SNAPSHOT)
    [entry] = journal.entries(home)
    assert standing.signatures == (sign_off.Signature("A. Lead", "IG lead", "read it", entry.at),)
    assert standing.rejection is None
    assert sign_off.signed(home, "2026-04-02.1").signatures == ()


@pytest.mark.parametrize(
    ("signers", "waits"),
    [
        ([], {"audit": 2, "research": 0}),
        (["A"], {"audit": 1, "research": 0}),
        (["A", "B"], {"audit": 0, "research": 0}),
    ],
)
def test_each_purpose_waits_for_its_own_number(home, signers, waits):
    for who in signers:
        _sign(home, who)
    assert _waits(home, audit=2, research=0) == waits
    assert _waits(home, audit=1, research=1)["research"] == (0 if signers else 1)


@pytest.mark.parametrize("again", ["A. Lead", "a. lead", "  A.  LEAD ", "A.Lead", "A Lead", "Ａ. Lead"])
def test_nobody_signs_twice(home, again):
    _sign(home, "A. Lead")
    with pytest.raises(BadInput, match="another person gives the second"):
        _sign(home, again)
    assert _waits(home, audit=2)["audit"] == 1


def test_the_same_name_in_the_journal_twice_counts_once(home):
    _sign(home, "A. Lead")
    journal.record(home, "sign_off", who="a lead", what={"snapshot": SNAPSHOT, "role": "x"}, inputs=_digests(home))
    assert _waits(home, audit=2)["audit"] == 1


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_signature_counts_only_for_what_was_signed(home, which):
    _sign(home, "A. Lead")
    _files(home)[which].write_text("something else")
    standing = sign_off.signed(home, SNAPSHOT)
    assert (standing.signatures, [each.who for each in standing.void]) == ((), ["A. Lead"])
    assert _waits(home, audit=1)["audit"] == 1
    _sign(home, "A. Lead")  # who signed the former may sign the new one
    assert _waits(home, audit=1)["audit"] == 0


@pytest.mark.parametrize("which", [1, 2])
def test_a_report_that_is_gone_or_another_cannot_be_signed(home, which):
    read = _digests(home)
    file = _files(home)[which]
    file.write_text("made anew meanwhile")
    with pytest.raises(BadInput, match="not the one that you were to sign"):
        sign_off.check_may_sign(home, SNAPSHOT, read, "A. Lead")
    file.unlink()
    with pytest.raises(BadInput, match="is missing"):
        sign_off.check_may_sign(home, SNAPSHOT, read, "A. Lead")


@pytest.mark.parametrize(
    "check", [lambda home, i: sign_off.check_may_sign(home, i, {}, "A"), sign_off.check_may_reject]
)
@pytest.mark.parametrize("snapshot_id", ["2026-04-01.2", "", "../snapshots/2026-04-02.1"])
def test_a_snapshot_that_does_not_exist_is_refused(home, check, snapshot_id):
    with pytest.raises(BadInput, match=r"There is no snapshot.*2026-04-01\.1"):
        check(home, snapshot_id)


def test_a_rejected_snapshot_is_signed_and_rejected_no_more(home):
    _sign(home, "A. Lead")
    _sign(home, "B. Lead", kind="reject")
    assert sign_off.signed(home, SNAPSHOT).rejection.who == "B. Lead"
    assert _waits(home, audit=1) == {"audit": 1, "research": 1}, "nor does it become current where none is needed"
    for kind in ("sign_off", "reject"):
        with pytest.raises(BadInput, match=r"was rejected by B\. Lead"):
            _sign(home, "C. Lead", kind=kind)
    _files(home)[2].write_text("made anew")
    assert _waits(home, audit=0)["audit"] == 1, "a rejection is of the snapshot, whatever becomes of the report"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (("", "IG lead", "fine"), "--who"), ((" .", "IG lead", "fine"), "--who"), (("A", " ", "fine"), "--role"),
        (("A", "IG lead", ""), "--comment"), (("A", "IG lead", "9000000009 is wrong"), "--comment"),
    ],
)  # fmt: skip
def test_who_role_and_comment_are_needed(said, told):
    with pytest.raises(BadInput, match=told):
        sign_off.check_said(*said)
    sign_off.check_said("A", "IG lead", "fine")
