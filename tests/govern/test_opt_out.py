"""The exchange with the national data opt-out's check: its forms, what is refused, and when a list goes."""

import stat
from datetime import date, timedelta

import duckdb
import pytest

from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal, objections, opt_out
from registry_pipeline.storage import Home
from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER
from tests.govern.small_registry import MAILBOX, NIGHT, configuration, covering, left_out, number, publish, record

TODAY = date(2026, 4, 2)
RECORDS = [
    record("G:1", 1, number(1)),
    record("R:1", 1, number(1)),
    record("G:2", 2, number(2)),
    record("R:2", 2, number(22)),
    record("G:3", 3, None),
    record("R:4", 4, number(4)),
]
ASKED = sorted({number(1), number(2), number(22), number(4)})
NAME = f"{MAILBOX}-020426-0001"


@pytest.fixture
def system(tmp_path):
    publish(tmp_path, RECORDS)
    return configuration(tmp_path)


def dat(numbers) -> bytes:
    return b"".join(f"{n},\n".encode() for n in numbers)


def reply(system, numbers, name=NAME):
    content = numbers if isinstance(numbers, bytes) else dat(numbers)
    file = system.directory / "mesh" / "inbox" / f"{name}.dat"
    file.write_bytes(content)
    return file


def lists(system):
    return sorted(f.name for f in (Home(system.home).govern / "opt_out").glob("*.parquet"))


def many(folder, people=150):
    publish(folder, [record(f"G:{n}", n, number(n)) for n in range(1, people + 1)])
    return configuration(folder)


# ------------------------------------------------------------------------------------------------------- asking ---


def test_a_request_is_one_number_a_line_followed_by_a_comma(system):
    request = opt_out.ask(system, today=TODAY)

    file = system.directory / "mesh" / "outbox" / f"{NAME}.dat"
    assert file.read_bytes() == dat(ASKED)
    assert (request.name, request.asked) == (NAME, 4)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_requests_are_numbered_on_through_the_month_whatever_became_of_their_files(system):
    names = [opt_out.ask(system, today=TODAY + timedelta(days=days)).name for days in (0, 0, 3, 40)]
    (system.directory / "mesh" / "outbox" / f"{names[0]}.dat").unlink()

    assert [name[-4:] for name in names] == ["0001", "0002", "0003", "0001"]
    assert opt_out.ask(system, today=TODAY).name == f"{MAILBOX}-020426-0004"


def test_a_number_of_very_many_records_is_a_placeholder_and_not_asked_about(tmp_path):
    crowd = [record(f"G:{n}", n, number(999)) for n in range(MOST_RECORDS_OF_A_NUMBER + 1)]
    publish(tmp_path, [*crowd, record("R:1", 1000, number(1))])

    assert opt_out.ask(configuration(tmp_path), today=TODAY).asked == 1


def test_a_request_and_its_reply_stand_in_the_journal_by_counts_and_digests_only(system):
    opt_out.ask(system, who="IG lead", today=TODAY)
    opt_out.take_reply(system, reply(system, ASKED[:3]), today=TODAY)

    asked, answered = journal.entries(Home(system.home))
    assert (asked.kind, asked.who, asked.what) == ("opt_out_request", "IG lead", {"request": NAME, "nhs_numbers": 4})
    assert (answered.kind, answered.what) == ("opt_out_refresh", {"request": NAME, "asked": 4, "kept": 3})
    assert all(len(digest) == 64 for entry in (asked, answered) for digest in entry.outputs.values())
    assert not any(n in Home(system.home).journal.read_text() for n in ASKED)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"national_opt_out": None}, "national_opt_out"),
        ({"national_opt_out": {"mailbox": MAILBOX, "outbox": "nowhere", "inbox": "mesh/inbox"}}, "nowhere"),
    ],
)
def test_a_request_needs_a_mailbox_and_its_folders(tmp_path, change, said):
    publish(tmp_path, RECORDS)
    with pytest.raises(BadInput, match=said):
        opt_out.ask(configuration(tmp_path, **change), today=TODAY)


def test_nobody_is_asked_about_before_a_registry_is_published(tmp_path):
    with pytest.raises(RunFailed, match="Nothing is published"):
        opt_out.ask(configuration(tmp_path), today=TODAY)


# ------------------------------------------------------------------------------------------------- taking a reply ---


def test_the_newest_reply_of_the_inbox_is_read_and_the_question_forgotten(system):
    opt_out.ask(system, today=TODAY)
    second = opt_out.ask(system, today=TODAY + timedelta(days=1))
    reply(system, ASKED)
    reply(system, ASKED[1:], name=second.name)
    reply(system, b"nothing for us", name="OTHER01-300426-0009")

    taken = opt_out.take_reply(system, today=TODAY + timedelta(days=1))

    assert (taken.name, taken.asked, taken.kept) == (second.name, 4, 3)
    assert lists(system) == [f"{second.name}.kept.parquet"]
    with duckdb.connect() as connection:
        file = Home(system.home).govern / "opt_out" / lists(system)[0]
        kept = connection.execute(f"SELECT nhs_number FROM '{file}' ORDER BY 1").fetchall()
    assert [row[0] for row in kept] == ASKED[1:]
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in file.parent.iterdir())


def test_the_same_reply_again_changes_nothing_and_another_one_is_refused(system):
    opt_out.ask(system, today=TODAY)
    first = opt_out.take_reply(system, reply(system, ASKED), today=TODAY)

    assert opt_out.take_reply(system, today=TODAY) == first
    assert len(journal.entries(Home(system.home), ["opt_out_refresh"])) == 1
    with pytest.raises(BadInput, match="answered_once"):
        opt_out.take_reply(system, reply(system, ASKED[1:]), today=TODAY)


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (dat(ASKED[:1]) + b"90000,\n" + dat(ASKED[1:]), "one_number_a_line", 2),
        (dat(ASKED).replace(b",", b""), "one_number_a_line", 1),
        (dat(ASKED).replace(b"\n", b"\r\n"), "one_number_a_line", 1),
        (dat(ASKED)[:-5], "one_number_a_line", 4),
        (dat(ASKED)[:-1], "one_number_a_line", 4),
        (dat(ASKED) + b"\n", "one_number_a_line", 5),
        (b"\xff\xfe" + dat(ASKED), "one_number_a_line", 1),
        (dat([*ASKED, number(77)]), "asked_about", 5),
        (b"The file contains one or more invalid NHS Numbers.\n", "error_file", None),
    ],
)
def test_a_reply_in_another_form_is_refused_by_rule_and_line_and_never_quoted(system, content, rule, line):
    opt_out.ask(system, today=TODAY)

    with pytest.raises(BadInput, match=rule) as caught:
        opt_out.take_reply(system, reply(system, content), today=TODAY)

    said = str(caught.value)
    assert said.count(".dat") == 1
    assert (f"line {line} " in said) if line else ("line " not in said.replace("one-line", ""))
    assert not any(n in said for n in [*ASKED, number(77)])
    assert "\n" not in said
    assert lists(system) == [f"{NAME}.asked.parquet"]
    assert opt_out.usable_reply(system, today=TODAY) is None


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("OTHER01-020426-0001", "own_mailbox"),
        (f"{MAILBOX}-020426-0009", "request_is_known"),
        (f"{MAILBOX}-999999-0001", "named_like_its_request"),
        ("reply", "named_like_its_request"),
    ],
)
def test_a_reply_to_somebody_else_or_to_nobody_is_refused(system, name, rule):
    opt_out.ask(system, today=TODAY)

    with pytest.raises(BadInput, match=rule):
        opt_out.take_reply(system, reply(system, ASKED, name=name), today=TODAY)

    assert lists(system) == [f"{NAME}.asked.parquet"]


def test_a_reply_that_is_too_old_is_refused_and_what_was_asked_goes_too(system):
    opt_out.ask(system, today=TODAY)
    file = reply(system, ASKED)

    with pytest.raises(BadInput, match=r"expires_after_days.*older than 21 days"):
        opt_out.take_reply(system, file, today=TODAY + timedelta(days=22))

    assert lists(system) == []


def test_an_earlier_reply_does_not_take_the_place_of_a_later_one(system):
    opt_out.ask(system, today=TODAY)
    later = opt_out.ask(system, today=TODAY)
    opt_out.take_reply(system, reply(system, ASKED, name=later.name), today=TODAY)

    with pytest.raises(BadInput, match="newest_reply"):
        opt_out.take_reply(system, reply(system, ASKED), today=TODAY)


def test_nobody_left_of_many_is_believed_only_on_demand(tmp_path):
    system = many(tmp_path)
    opt_out.ask(system, today=TODAY)
    file = reply(system, b"")

    with pytest.raises(BadInput, match="not_empty"):
        opt_out.take_reply(system, file, today=TODAY)
    assert opt_out.take_reply(system, file, accept_empty=True, today=TODAY).kept == 0


def test_the_request_itself_is_no_reply_where_many_were_asked_about(tmp_path):
    system = many(tmp_path, people=opt_out.UNCHANGED_IS_SUSPICIOUS_FROM)
    asked = opt_out.ask(system, today=TODAY)
    file = system.directory / "mesh" / "outbox" / f"{asked.name}.dat"

    with pytest.raises(BadInput, match="not_the_request"):
        opt_out.take_reply(system, file, today=TODAY)
    assert opt_out.take_reply(system, file, accept_unchanged=True, today=TODAY).kept == asked.asked


def test_nothing_in_the_inbox_is_said_so(system):
    opt_out.ask(system, today=TODAY)

    with pytest.raises(BadInput, match="no reply in the inbox"):
        opt_out.take_reply(system, today=TODAY)


# ------------------------------------------------------------------------------------------------- using a reply ---


def disclosed(system, today=TODAY):
    """Reason to records of what an output for research may not hold."""
    connection = covering(Home(system.home), RECORDS)
    try:
        counts = objections.name_left_out(connection, system, "research", NIGHT, today=today)
        return left_out(connection), counts
    finally:
        connection.close()


def test_a_person_is_kept_only_with_every_number_of_theirs_on_the_list(system):
    opt_out.ask(system, today=TODAY)
    opt_out.take_reply(system, reply(system, [number(1), number(2)]), today=TODAY)

    records, counts = disclosed(system)

    assert records == {"national": {"G:2", "R:2", "R:4"}, "without_nhs_number": {"G:3"}}
    assert counts == {"national": 2, "type_1": 0, "local": 0, "without_nhs_number": 1}


def test_people_without_a_number_stay_where_the_deployment_says_so(tmp_path):
    publish(tmp_path, RECORDS)
    system = configuration(tmp_path, outputs={"research": {"key": {"env": "NO_KEY"}, "without_nhs_number": "keep"}})
    opt_out.ask(system, today=TODAY)
    opt_out.take_reply(system, reply(system, ASKED), today=TODAY)

    assert disclosed(system) == ({}, {"national": 0, "type_1": 0, "local": 0})


def test_a_list_serves_to_its_last_day_and_is_deleted_after_it(system):
    opt_out.ask(system, today=TODAY)
    opt_out.take_reply(system, reply(system, ASKED), today=TODAY)

    assert disclosed(system, TODAY + timedelta(days=21))[1]["national"] == 0
    with pytest.raises(RunFailed, match=r"research.*expired after 2026-04-23.*expires_after_days: 21"):
        disclosed(system, TODAY + timedelta(days=22))
    assert lists(system) == []


@pytest.mark.parametrize(("done", "said"), [(0, "never asked"), (1, "not in yet")])
def test_no_output_that_honours_the_opt_out_is_made_without_a_reply(system, done, said):
    if done:
        opt_out.ask(system, today=TODAY)

    with pytest.raises(RunFailed, match=f"(?s)national data opt-out.*{said}"):
        disclosed(system)


def test_a_list_that_was_changed_after_it_was_read_is_not_used(system):
    opt_out.ask(system, today=TODAY)
    opt_out.take_reply(system, reply(system, ASKED[:1]), today=TODAY)
    file = Home(system.home).govern / "opt_out" / f"{NAME}.kept.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT '{number(1)}' AS nhs_number) TO '{file}' (FORMAT parquet)")

    with pytest.raises(RunFailed, match="its digest is another"):
        disclosed(system)
    file.unlink()
    with pytest.raises(RunFailed, match="is gone from"):
        disclosed(system)


def test_a_forgotten_number_leaves_every_list_and_the_rest_goes_on(system):
    opt_out.ask(system, today=TODAY)
    opt_out.take_reply(system, reply(system, ASKED), today=TODAY)

    assert objections.forget(Home(system.home), [number(4), number(88)], []) == 1

    assert disclosed(system)[0] == {"national": {"R:4"}, "without_nhs_number": {"G:3"}}
