"""The journal: nothing is added twice, nothing is lost, and whatever was changed is found."""

import json
import multiprocessing
import threading
import time

import pytest

from registry_pipeline import cli
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal
from registry_pipeline.govern.free_text import refuse_personal
from registry_pipeline.storage import Home, write_json

KEY = "an-HMAC-key-for-tests-of-the-journal-0123456789"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.delenv(journal.KEY_VARIABLE, raising=False)
    return Home(tmp_path)


@pytest.fixture
def written(home) -> Home:
    """Six entries."""
    for number in range(6):
        journal.record(home, "publish", who="A. Lead", why="as agreed", what={"snapshot": f"2026-04-01.{number}"})
    return home


def _lines(home) -> list[bytes]:
    return home.journal.read_bytes().splitlines(keepends=True)


def _wrong(home, **more) -> tuple[int | None, str | None]:
    found = journal.verify(home, **more)
    return found.wrong, found.problem


def test_an_entry_says_who_did_what_when_and_why(home):
    entry = journal.record(
        home,
        "sign_off",
        who="A. Lead",
        why="no gaps",
        what={"snapshot": "2026-04-01.1"},
        inputs={"manifest.json": "0" * 64},
    )
    assert journal.entries(home) == [entry]
    assert (entry.number, entry.kind, entry.who, entry.previous) == (1, "sign_off", "A. Lead", "0" * 64)
    assert entry.at.endswith("+00:00")
    assert journal.entries(home, ("reject",)) == []


def test_without_a_name_it_is_the_account_that_runs(home, monkeypatch):
    monkeypatch.setenv("REGISTRY_USER", "night-runner")
    assert journal.record(home, "build").who == "night-runner"


def test_an_untouched_journal_verifies(written):
    found = journal.verify(written)
    assert (found.wrong, found.problem, found.head.entries, found.anchors) == (None, None, 6, 1)
    assert journal.head(written) == found.head
    assert journal.verify(written, noted=found.head.sha256).problem is None


def test_an_empty_journal_verifies(home):
    assert journal.verify(home).head == journal.Head(0, journal.NOTHING)


def _change(lines):
    lines[2] = lines[2].replace(b"as agreed", b"as AGREED")
    return lines


def _change_last(lines):
    lines[5] = lines[5].replace(b"as agreed", b"as AGREED")
    return lines


def _rechained(lines):
    """Somebody who can compute hashes changes an entry and makes all that follow anew."""
    made = []
    for number, line in enumerate(lines):
        entry = json.loads(line)
        entry["why"] = "as never agreed" if number == 2 else entry["why"]
        entry["previous"] = journal._digest(made[-1]) if made else journal.NOTHING
        made.append(json.dumps(entry).encode())
    return [line + b"\n" for line in made]


@pytest.mark.parametrize(
    ("harm", "wrong"),
    [
        (_change, 3),
        (_change_last, 6),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: lines[:-1], 6),
        (lambda lines: lines[:3], 4),
        (lambda _lines: [], 1),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:3], lines[4], lines[3], lines[5]], 4),
        (lambda lines: [*lines, lines[-1]], 7),
        (lambda lines: [*lines[:3], b"\n", *lines[3:]], 4),
        (lambda lines: [*lines[:3], b"nothing of the sort\n", *lines[4:]], 4),
        (_rechained, 6),
    ],
)
def test_any_change_removal_or_reordering_is_found(written, harm, wrong):
    written.journal.write_bytes(b"".join(harm(_lines(written))))
    number, problem = _wrong(written)
    assert number == wrong
    assert f"entry {wrong}" in problem
    assert problem.count("\n") == 0


def test_every_single_byte_counts(written):
    before = written.journal.read_bytes()
    for place in range(0, len(before), 7):
        changed = bytearray(before)
        changed[place] ^= 1
        written.journal.write_bytes(bytes(changed))
        assert _wrong(written)[0] is not None


def test_a_removed_file_is_found(written):
    written.journal.unlink()
    assert _wrong(written)[0] == 1
    with pytest.raises(RunFailed, match="gone or empty"):
        journal.record(written, "build")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("registry/snapshots/2026-04-01.1/published.json", lambda told: {"journal": told}),
        ("reports/2026-04-01.1/linkage_quality.json", lambda told: {"about": {"journal": told}}),
    ],
)
def test_snapshots_and_reports_hold_the_journal_to_what_it_was(written, file, content):
    """Somebody who changes head.json too, or takes the whole journal away, is found by what others noted."""
    stood = journal.head(written)
    write_json(written.root / file, content({"entries": stood.entries, "head": stood.sha256}))
    journal.record(written, "report")
    assert journal.verify(written).anchors == 2
    assert _wrong(written) == (None, None)

    lines = [line.rstrip(b"\n") for line in _rechained(_lines(written))]
    written.journal.write_bytes(b"".join(line + b"\n" for line in lines))
    write_json(written.journal.with_name("head.json"), {"entries": 7, "head": journal._digest(lines[-1])})
    number, problem = _wrong(written)
    assert number == 6
    assert file in problem

    written.journal.unlink()
    written.journal.with_name("head.json").unlink()
    assert _wrong(written)[0] == 1


def test_a_head_that_somebody_noted_is_looked_for(written):
    noted = journal.head(written).sha256
    journal.record(written, "build")
    assert _wrong(written, noted=noted) == (None, None)
    lines = [line.rstrip(b"\n") for line in _rechained(_lines(written))]
    written.journal.write_bytes(b"".join(line + b"\n" for line in lines))
    write_json(written.journal.with_name("head.json"), {"entries": 7, "head": journal._digest(lines[-1])})
    assert _wrong(written) == (None, None), "nobody but the one who noted it can tell"
    assert _wrong(written, noted=noted)[0] == 7
    with pytest.raises(BadInput, match="64 hexadecimal digits"):
        journal.verify(written, noted=noted[:12])


def test_nothing_is_added_to_a_journal_that_was_cut(written):
    written.journal.write_bytes(b"".join(_lines(written)[:4]))
    with pytest.raises(RunFailed, match="does not end where it ended"):
        journal.record(written, "build")
    assert len(_lines(written)) == 4


def test_a_kill_between_line_and_head_is_no_fault(written):
    anchor = written.journal.with_name("head.json")
    before = anchor.read_bytes()
    journal.record(written, "build")
    anchor.write_bytes(before)
    assert _wrong(written) == (None, None)
    assert journal.record(written, "build").number == 8
    assert journal.verify(written).head.entries == 8


def test_entries_that_the_registry_did_not_write_are_found(written):
    stood = written.journal.with_name("head.json").read_bytes()
    for _ in range(2):
        journal.record(written, "build")
    written.journal.with_name("head.json").write_bytes(stood)
    assert _wrong(written)[0] == 7


@pytest.mark.parametrize("torn", [b'{"number": 7, "at": "2026', b"{", b'{"number": 7}'])
def test_a_torn_last_line_is_told_and_never_mended_silently(written, torn):
    with written.journal.open("ab") as file:
        file.write(torn)
    before = written.journal.read_bytes()
    for read in (journal.entries, journal.head, lambda home: journal.record(home, "build")):
        with pytest.raises(RunFailed, match=r"torn.*registry journal mend"):
            read(written)
    assert _wrong(written)[0] == 7
    assert written.journal.read_bytes() == before

    mended = journal.mend(written, who="B. Keeper", why="power failed in the night")
    assert (mended.number, mended.kind, mended.what) == (7, "journal_mended", {"bytes_cut": len(torn)})
    assert next(written.journal.parent.glob("torn-*.part")).read_bytes() == torn
    assert _wrong(written) == (None, None)
    with pytest.raises(BadInput, match="nothing to mend"):
        journal.mend(written, who="B. Keeper", why="once more")


def _appends(root, name, number):
    for turn in range(number):
        journal.record(Home(root), "build", who=name, what={"turn": turn})


def test_parallel_writers_never_fork_the_chain(home):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_appends, args=(home.root, f"process {n}", 25)) for n in range(3)]
    threads = [threading.Thread(target=_appends, args=(home.root, f"thread {n}", 25)) for n in range(4)]
    for worker in (*processes, *threads):
        worker.start()
    for worker in (*processes, *threads):
        worker.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = journal.verify(home)
    assert (found.problem, found.head.entries) == (None, 175)
    turns: dict[str, list[int]] = {}
    for entry in journal.entries(home):
        turns.setdefault(entry.who, []).append(entry.what["turn"])
    assert list(turns.values()) == [list(range(25))] * 7


def test_ten_thousand_entries_neither_slow_an_append_nor_a_check(home):
    line, lines = b"", []
    for number in range(1, 10_001):
        entry = {"number": number, "at": "2026-04-01T00:00:00+00:00", "kind": "take_in", "who": "night", "why": "",
                 "what": {"provider": "RX1", "rows_accepted": number}, "inputs": {}, "outputs": {"manifest.json": "0" * 64},
                 "previous": journal._digest(line) if line else journal.NOTHING}  # fmt: skip
        line = json.dumps(entry).encode()
        lines.append(line + b"\n")
    home.journal.parent.mkdir()
    home.journal.write_bytes(b"".join(lines))
    write_json(home.journal.with_name("head.json"), {"entries": 10_000, "head": journal._digest(line)})
    began = time.perf_counter()
    assert journal.verify(home).problem is None
    assert time.perf_counter() - began < 2
    # Only the tail is read: to a file that is all but its end of other stuff an entry is added all the same.
    content = home.journal.read_bytes()
    home.journal.write_bytes(b"x" * (len(content) - 40_000) + content[-40_000:])
    assert journal.record(home, "build").number == 10_001


def test_an_entry_longer_than_a_read_of_the_tail(home):
    for _ in range(2):
        journal.record(home, "build", what={"rows": {f"table_{n}": n for n in range(3_000)}})
    assert journal.record(home, "build").number == 3
    assert _wrong(home) == (None, None)


class TestSigned:
    def test_a_signed_journal_verifies_with_and_without_the_key(self, home, monkeypatch):
        journal.record(home, "build")
        monkeypatch.setenv(journal.KEY_VARIABLE, KEY)
        journal.record(home, "publish")
        journal.record(home, "report")
        found = journal.verify(home)
        assert (found.problem, found.signed, found.checked) == (None, 2, True)
        monkeypatch.delenv(journal.KEY_VARIABLE)
        found = journal.verify(home)
        assert (found.problem, found.signed, found.checked) == (None, 2, False)
        assert KEY not in home.journal.read_text()

    def test_nothing_unsigned_is_added_to_it(self, home, monkeypatch):
        monkeypatch.setenv(journal.KEY_VARIABLE, KEY)
        journal.record(home, "build")
        monkeypatch.delenv(journal.KEY_VARIABLE)
        with pytest.raises(BadInput, match="REGISTRY_JOURNAL_KEY"):
            journal.record(home, "build")

    def test_nobody_without_the_key_can_write_it_all_anew(self, written, monkeypatch):
        """The whole file, head.json included, as anybody may who has the account's rights."""
        monkeypatch.setenv(journal.KEY_VARIABLE, KEY)
        journal.record(written, "build")
        honest = _lines(written)
        for forged in (_rechained(honest[:6]), _rechained([line.replace(KEY.encode(), b"") for line in honest])):
            written.journal.write_bytes(b"".join(forged))
            head = {"entries": len(forged), "head": journal._digest(forged[-1].rstrip(b"\n"))}
            write_json(written.journal.with_name("head.json"), head)
            monkeypatch.delenv(journal.KEY_VARIABLE, raising=False)
            assert _wrong(written) == (None, None), "the chain alone cannot tell"
            monkeypatch.setenv(journal.KEY_VARIABLE, KEY)
            assert _wrong(written)[0] is not None

    def test_a_signature_that_was_taken_off_is_missed(self, home, monkeypatch):
        monkeypatch.setenv(journal.KEY_VARIABLE, KEY)
        for _ in range(2):
            journal.record(home, "build")
        lines = _lines(home)
        last = journal._SIGNATURE.sub(b"}", lines[1].rstrip(b"\n"))
        home.journal.write_bytes(lines[0] + last + b"\n")
        write_json(home.journal.with_name("head.json"), {"entries": 2, "head": journal._digest(last)})
        assert _wrong(home)[0] == 2

    @pytest.mark.parametrize("key", ["short", "", "a" * 64])
    def test_a_key_that_anybody_can_guess_is_refused(self, home, monkeypatch, key):
        monkeypatch.setenv(journal.KEY_VARIABLE, key)
        with pytest.raises(BadInput, match="REGISTRY_JOURNAL_KEY"):
            journal.record(home, "build")
        assert not home.journal.exists()


@pytest.mark.parametrize(
    "text",
    [
        "same person as 9000000009", "see 900 000 0009", "see 900-000-0009", "number:9000000009.", "lives at ZX1 2AB",
        "zx12ab has moved", "mail j.doe@example.org", "rang 07700 900123", "rang +44 7700 900123", "born 3/4/1950",
        "DOB: 1950-04-03", "date of birth 3 April 1950",
    ],
)  # fmt: skip
def test_a_reason_with_a_patients_value_is_refused(home, text):
    with pytest.raises(BadInput) as told:
        journal.record(home, "override", who="A. Lead", why=text)
    assert text.split()[-1].strip(".") not in str(told.value)
    with pytest.raises(BadInput):
        journal.record(home, "override", who=text, why="as asked")
    with pytest.raises(BadInput):
        journal.record(home, "sign_off", who="A. Lead", what={"role": text})
    assert not home.journal.exists()


@pytest.mark.parametrize(
    "text",
    [
        "twins, seen by the practice on 2026-04-01 10:30", "override 12 was wrong; see ticket 4711-0815", "v2 3rd draft",
        "GP1:G0001 and RX1:R0001", "1,000,000 people", "snapshot 2026-04-01.1 is 0.97 at best", "agreed @ IG board",
        "patient_id 0b6c0b0e-6b0c-4a86-9d3f-1a2b3c4d5e6f",
    ],
)  # fmt: skip
def test_what_staff_usually_write_is_not(text):
    refuse_personal(text, "--why")


class TestCommand:
    @pytest.fixture
    def registry(self, written, monkeypatch, capsys):
        folder = written.root / "deployment"
        (folder / "providers").mkdir(parents=True)
        (folder / "registry.yaml").write_text("home: ..\n")
        (folder / "providers" / "GP1.yaml").write_text(
            "provider: GP1\nsetting: gp\nfeeds: {patient: {source: {kind: csv, path: p.csv}}}\n"
        )
        monkeypatch.delenv("REGISTRY_HOME", raising=False)

        def run(*arguments: str) -> tuple[int, str, str]:
            monkeypatch.setattr("sys.argv", ["registry", "journal", *arguments, "--config", str(folder)])
            capsys.readouterr()
            try:
                cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            said = capsys.readouterr()
            return code, said.out, said.err

        return run

    def test_verify_tells_the_head_to_note(self, registry, written):
        code, out, _ = registry("verify")
        assert code == 0
        assert journal.head(written).sha256 in out
        assert "6 entries" in out

    def test_verify_fails_with_one_sentence(self, registry, written):
        written.journal.write_bytes(b"".join(_change(_lines(written))))
        code, out, err = registry("verify")
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
        assert "entry 3" in err
        assert registry("verify", "--head", "no hash")[0] == 2

    def test_list_shows_the_last_and_one_kind(self, registry, written):
        journal.record(written, "sign_off", who="A. Lead", why="[bold]fine[/bold]", what={"snapshot": "2026-04-01.5"})
        code, out, _ = registry("list", "--last", "2")
        assert code == 0
        assert "[bold]fine[/bold]" in out
        assert "2026-04-01.5" in out
        assert out.count("publish") == 1
        assert registry("list", "--kind", "publish")[1].count("publish") >= 6
        code, _, err = registry("list", "--kind", "publishing")
        assert code == 2
        assert "publish" in err

    def test_mend(self, registry, written):
        assert registry("mend", "--who", "B. Keeper", "--why", "to see")[0] == 2
        with written.journal.open("ab") as file:
            file.write(b'{"num')
        assert registry("list")[0] == 1
        assert registry("mend", "--who", "B. Keeper", "--why", "power failed")[0] == 0
        assert registry("verify")[0] == 0


def test_files_are_whole_and_nothing_is_left_over(written):
    assert sorted(file.name for file in written.journal.parent.iterdir()) == ["head.json", "journal.jsonl"]
