"""The check against the national data opt-out: the list of NHS numbers that goes out, the list that comes back.

What belongs here: writing a request into the MESH client's outbox, reading its reply, and how long a reply may be used.
What does not: whom an output leaves out (`objections`), and sending and fetching (the MESH client does).

The forms are those of the national Check for National Data Opt-outs service, as the UK Renal Registry describes them
(National Opt-Out Processes) and NHS England's page on the service has it: a `.dat` file with one NHS number a line
followed by a comma, LF line ends, named `<MAILBOX>-ddmmyy-nnnn` with a number that counts on through the month; the
reply has the request's name and form and holds the numbers of those who did *not* opt out; where a number of the
request was no number, it is one line of text instead.

Nobody's opt-out is stored. What stays is the list of those who may be disclosed, as a cache of one reply: it expires
`expires_after_days` after its request was written, and is deleted then, or when the next reply is in. Who was asked
about is kept until the reply is in, to check it against, and no longer: with both lists at hand the difference would be
a list of people who opted out. So somebody whom the last request did not ask about (who came later) is left out until
the next one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

from registry_pipeline.config import Configuration, NationalOptOut
from registry_pipeline.errors import BadInput, RunFailed
from registry_pipeline.govern import journal
from registry_pipeline.govern.free_text import refuse_personal
from registry_pipeline.storage import (
    Home,
    connect,
    file_digest,
    load_sql,
    lock,
    published_snapshots,
    read_json,
    scan,
    whole_file,
    write_json,
    write_table,
)
from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER, Column, Table

if TYPE_CHECKING:
    import duckdb

EMPTY_IS_SUSPICIOUS_FROM = 100
"""NHS numbers asked about from which an empty reply is refused: about one person in twenty has opted out (National Data
Opt-out statistics), so nobody left of a hundred is a fault, and taken in silence it would empty every output."""

UNCHANGED_IS_SUSPICIOUS_FROM = 500
"""NHS numbers asked about from which a reply that is the request itself is refused: with one in twenty opted out, that
nobody of 500 did so is less likely than one in a hundred thousand million; it is the outbox's file, taken for it."""

MOST_REQUESTS_A_MONTH = 9999
"""Four digits number the requests of a month."""

_NAME = re.compile(r"(?P<mailbox>[A-Za-z0-9]+)-(?P<day>[0-9]{6})-(?P<number>[0-9]{4})")
_LINE = rb"[0-9]{10},"
_NUMBERS = Table(
    "opt_out_numbers",
    "NHS number of a request to the national check, or of its reply",
    ("nhs_number",),
    (Column("nhs_number", "VARCHAR", "NHS number, ten digits"),),
)


@dataclass(frozen=True)
class Request:
    """One request to the national check, and what came of it.

    Attributes:
        name: `<MAILBOX>-ddmmyy-nnnn`, also the name of its files.
        asked_on: the day it was written, from which its reply's age counts.
        asked: NHS numbers asked about.
        sha256: of the file in the outbox.
        answered_at: when its reply was read, in UTC; None while it is open.
        kept: NHS numbers in the reply: people who may be disclosed.
        reply_sha256: of the reply.
        kept_sha256: of the list kept from it.
    """

    name: str
    asked_on: date
    asked: int
    sha256: str
    answered_at: str | None = None
    kept: int | None = None
    reply_sha256: str | None = None
    kept_sha256: str | None = None

    def expires_on(self, settings: NationalOptOut) -> date:
        """The last day on which its reply may be used."""
        return self.asked_on + timedelta(days=settings.expires_after_days)


def today_of(configuration: Configuration) -> date:
    """Today, by the deployment's own clock."""
    return datetime.now(ZoneInfo(configuration.deployment.timezone)).date()


def last_published(home: Home) -> Path:
    """The snapshot that outputs are made from next: the last one published, whether it is signed yet or not.

    Raises:
        RunFailed: there is none.
    """
    published = published_snapshots(home)
    if not published:
        raise RunFailed(f"Nothing is published under {home.root} yet: run a night first (registry run).")
    return published[-1]


def requests(home: Home) -> list[Request]:
    """Every request that was ever written, the first one first."""
    found = [read_json(file) for file in sorted(_folder(home).glob("*.json"))]
    made = [Request(**{**one, "asked_on": date.fromisoformat(one["asked_on"])}) for one in found]
    return sorted(made, key=lambda request: (request.asked_on, request.name[-4:]))


# ------------------------------------------------------------------------------------------------------- asking ---


def ask(configuration: Configuration, *, who: str | None = None, today: date | None = None) -> Request:
    """Write the NHS numbers of everybody in the last published registry into the outbox.

    All valid numbers of all of a person's records are asked about. Numbers in so many records that they are
    placeholders are nobody's, and not sent.

    Args:
        configuration: the deployment.
        who: who asks; default: this account.
        today: the day that goes into the name; default: the deployment's own.

    Raises:
        BadInput: no `national_opt_out` is described, or its outbox is not there.
        RunFailed: nothing is published, nobody has a number, or the disk is full.
    """
    settings = _settings(configuration)
    home, on = Home(configuration.home), today or today_of(configuration)
    outbox = _mesh_folder(configuration, "outbox")
    _check_journal(home, who)
    with lock(home, "opt-out"), _connection(configuration, home) as connection:
        name = _next_name(home, outbox, settings.mailbox, on)
        _owner_only(_folder(home))
        asked = _asked_file(home, name)
        query = _numbers_of_registry(connection, home)
        numbers = _write_numbers(connection, query, asked, {"most": MOST_RECORDS_OF_A_NUMBER})
        if not numbers:
            asked.unlink()
            raise RunFailed("Nobody in the last registry has an NHS number, so there is nobody to ask about.")
        sent = outbox / f"{name}.dat"
        _write_dat(connection, asked, sent)
        request = Request(name, on, numbers, file_digest(sent))
        _keep(home, request)
        journal.record(
            home, "opt_out_request", who=who, what={"request": name, "nhs_numbers": numbers},
            outputs={sent.name: request.sha256},
        )  # fmt: skip
    return request


def _check_journal(home: Home, who: str | None) -> None:
    """Before anything is changed: no patient's value in what is kept for ever, and a journal that can be written."""
    refuse_personal(who or "", "--who")
    journal.check_ready(home)


def _numbers_of_registry(connection: duckdb.DuckDBPyConnection, home: Home) -> str:
    """SQL of the numbers to ask about: of the last snapshot's records, as its night's shares have them."""
    snapshot = last_published(home)
    manifest = read_json(snapshot / "manifest.json")
    inputs = [entry for entry in manifest["inputs"] if entry["feed"] == "patient"]
    files = [home.staged("person_record", e["provider"], date.fromisoformat(e["night"])) for e in inputs]
    gone = next((file for file in files if not file.is_file()), None)
    if gone is not None:
        raise RunFailed(f"{gone} is gone, from which the last registry was made: run its night again.")
    connection.execute(f"CREATE TEMP VIEW person_record AS SELECT * FROM {scan(files)}")  # noqa: S608  # our own paths
    crosswalk = scan(snapshot / "patient_record.parquet")
    connection.execute(f"CREATE TEMP VIEW patient_record AS SELECT * FROM {crosswalk}")  # noqa: S608  # as above
    return load_sql("opt_out_asked")


def _next_name(home: Home, outbox: Path, mailbox: str, on: date) -> str:
    """The month's next number; what lies in the outbox counts too, so that nothing there is written over."""
    names = [request.name for request in requests(home)] + [file.stem for file in outbox.glob("*.dat")]
    month = re.compile(rf"{re.escape(mailbox)}-[0-9]{{2}}{on:%m%y}-([0-9]{{4}})")
    taken = [int(found[1]) for found in map(month.fullmatch, names) if found]
    number = 1 + max(taken, default=0)
    if number > MOST_REQUESTS_A_MONTH:
        raise RunFailed(f"{mailbox} has no request number left for {on:%B %Y}: wait for the next month.")
    return f"{mailbox}-{on:%d%m%y}-{number:04}"


def _write_dat(connection: duckdb.DuckDBPyConnection, numbers: Path, file: Path) -> None:
    """One number a line, each followed by a comma: what CSV makes of a number and an empty cell."""
    copy = f"COPY (SELECT nhs_number, NULL FROM {scan(numbers)} ORDER BY nhs_number)"  # noqa: S608  # our own path
    with whole_file(file, mode=0o600) as unfinished:
        target = str(unfinished).replace("'", "''")
        connection.execute(f"{copy} TO '{target}' (FORMAT csv, HEADER false, DELIMITER ',', NULLSTR '')")


# ------------------------------------------------------------------------------------------------- taking a reply ---


def take_reply(
    configuration: Configuration,
    file: Path | None = None,
    *,
    accept_empty: bool = False,
    accept_unchanged: bool = False,
    who: str | None = None,
    today: date | None = None,
) -> Request:
    """Read a reply and keep its list, in place of older ones. The same reply again changes nothing.

    Args:
        configuration: the deployment.
        file: the reply; None takes the newest in the inbox.
        accept_empty: take an empty list at its word, although many were asked about.
        accept_unchanged: take a list of everybody at its word, although many were asked about.
        who: who reads it in; default: this account.
        today: the day by which its age is judged; default: the deployment's own.

    Raises:
        BadInput: the file is not there, or cannot be used: the sentence names the rule and, where there is one, the
            line. Nothing is changed then.
        RunFailed: the disk is full.
    """
    settings = _settings(configuration)
    home, on = Home(configuration.home), today or today_of(configuration)
    reply = file or _newest_reply(configuration, settings)
    _check_journal(home, who)
    with lock(home, "opt-out"), _connection(configuration, home) as connection:
        delete_expired(configuration, today=on)
        known = requests(home)
        request = _request_of(reply, known, settings, on)
        content = _read(reply)
        digest = file_digest(reply)
        if request.answered_at is not None:
            if request.reply_sha256 == digest:
                return request
            _refuse(reply, "answered_once", f"{request.name} was answered already: send a new request")
        _check_lines(reply, content, asked=request.asked, accept_empty=accept_empty)
        if digest == request.sha256 and request.asked >= UNCHANGED_IS_SUSPICIOUS_FROM and not accept_unchanged:
            _refuse(
                reply, "not_the_request",
                f"it is the request itself, byte for byte, so that none of {request.asked:,} people would have opted"
                " out: fetch the reply, or give --accept-unchanged if it is so",
            )  # fmt: skip
        _hand_over(connection, content)
        _check_asked(connection, reply, home, request)
        kept = _kept_file(home, request.name)
        numbers = _write_numbers(connection, "SELECT DISTINCT nhs_number FROM reply_line", kept)
        answered = replace(
            request,
            answered_at=datetime.now(UTC).isoformat(timespec="seconds"),
            kept=numbers,
            reply_sha256=digest,
            kept_sha256=file_digest(kept),
        )
        _keep(home, answered)
        for older in known:
            if _later(request, older):
                _kept_file(home, older.name).unlink(missing_ok=True)
                _asked_file(home, older.name).unlink(missing_ok=True)
        _asked_file(home, request.name).unlink(missing_ok=True)
        journal.record(
            home, "opt_out_refresh", who=who, what={"request": request.name, "asked": request.asked, "kept": numbers},
            inputs={reply.name: digest}, outputs={kept.name: file_digest(kept)},
        )  # fmt: skip
    return answered


def _refuse(reply: Path, rule: str, what: str, *, line: int | None = None) -> NoReturn:
    where = f"{reply.name}, line {line}" if line else reply.name
    raise BadInput(f"The opt-out reply {where} is refused ({rule}): {what}.")


def _newest_reply(configuration: Configuration, settings: NationalOptOut) -> Path:
    inbox = _mesh_folder(configuration, "inbox")
    dated = []
    for file in inbox.glob("*.dat"):
        named = _NAME.fullmatch(file.stem)
        day = _day(named["day"]) if named else None
        if named and day:
            # Another mailbox's are looked at only where there is none of ours, to say so.
            dated.append((named["mailbox"] == settings.mailbox, day, named["number"], file))
    if not dated:
        raise BadInput(f"There is no reply in the inbox {inbox} yet: fetch it with the MESH client, then run again.")
    return max(dated, key=lambda found: found[:3])[-1]


def _request_of(reply: Path, known: list[Request], settings: NationalOptOut, on: date) -> Request:
    """Which request a reply answers, by its name."""
    if not reply.is_file():
        raise BadInput(f"There is no file {reply}: give the reply that the MESH client fetched.")
    named = _NAME.fullmatch(reply.stem)
    if named is None or _day(named["day"]) is None:
        _refuse(reply, "named_like_its_request", "a reply is named <MAILBOX>-ddmmyy-nnnn.dat, as its request was")
    if named["mailbox"] != settings.mailbox:
        _refuse(reply, "own_mailbox", f"it is for another mailbox than {settings.mailbox}, which registry.yaml names")
    request = next((one for one in known if one.name == reply.stem), None)
    if request is None:
        _refuse(reply, "request_is_known", "no request of that name was written here: see registry opt-out status")
    if on > request.expires_on(settings):
        _refuse(
            reply, "expires_after_days",
            f"its request of {request.asked_on} is older than {settings.expires_after_days} days: send a new one"
            " (registry opt-out request)",
        )  # fmt: skip
    newer = [one.name for one in known if one.answered_at and one.name != request.name and _later(one, request)]
    if newer and request.answered_at is None:
        _refuse(reply, "newest_reply", f"the later request {newer[-1]} was answered already")
    return request


def _later(one: Request, other: Request) -> bool:
    return (one.asked_on, one.name[-4:]) > (other.asked_on, other.name[-4:])


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%d%m%y").date()  # noqa: DTZ007  # a day, without a time zone
    except ValueError:
        return None


def _read(reply: Path) -> bytes:
    try:
        return reply.read_bytes()
    except OSError as problem:
        raise BadInput(
            f"The opt-out reply {reply} cannot be read ({problem.strerror}): see to its rights."
        ) from problem


def _check_lines(reply: Path, content: bytes, *, asked: int, accept_empty: bool) -> None:
    """The form, line by line; the message has the line's number and never what stands on it."""
    if not content:
        if asked >= EMPTY_IS_SUSPICIOUS_FROM and not accept_empty:
            _refuse(
                reply, "not_empty",
                f"it holds nobody although {asked:,} were asked about: fetch it again, or give --accept-empty if it is"
                " so",
            )  # fmt: skip
        return
    if re.fullmatch(rb"(?:[0-9]{10},\n)+", content):
        return
    lines = content.split(b"\n")
    if len([line for line in lines if line.strip()]) == 1 and not re.match(rb"\s*[0-9]", content):
        _refuse(
            reply, "error_file",
            "it is the service's one-line error (a number of the request was no valid NHS number): send a new one",
        )  # fmt: skip
    ended = lines[-1] == b""
    number = next(
        (n for n, line in enumerate(lines[:-1] if ended else lines, start=1) if not re.fullmatch(_LINE, line)),
        len(lines),
    )
    _refuse(
        reply, "one_number_a_line",
        "a line is ten digits, a comma and a line feed, and this one is not (cut off, or saved by another program?):"
        " fetch it again",
        line=number,
    )  # fmt: skip


def _hand_over(connection: duckdb.DuckDBPyConnection, content: bytes) -> None:
    """The numbers as `reply_line`, with their lines. Their form is checked, so each line is twelve bytes."""
    import pyarrow as pa

    text = content.replace(b",\n", b"")
    offsets = pa.array(range(0, len(text) + 1, 10), pa.int32()).buffers()[1]
    numbers = pa.StringArray.from_buffers(len(text) // 10, offsets, pa.py_buffer(text))
    connection.register("reply", pa.table({"nhs_number": numbers}))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE reply_line AS SELECT nhs_number, row_number() OVER () AS line FROM reply"
    )
    connection.unregister("reply")


def _check_asked(connection: duckdb.DuckDBPyConnection, reply: Path, home: Home, request: Request) -> None:
    asked = _asked_file(home, request.name)
    if not asked.is_file():
        _refuse(
            reply, "request_is_known", f"the numbers of {request.name} are gone from {asked.parent}: send a new one"
        )
    others = connection.execute(
        f"SELECT count(*), min(line) FROM reply_line ANTI JOIN {scan(asked)} AS asked USING (nhs_number)"  # noqa: S608  # our own path
    ).fetchall()[0]
    if others[0]:
        _refuse(
            reply, "asked_about", f"{others[0]:,} of its numbers were not asked about, so it is no reply to"
            f" {request.name}: fetch the right one",
            line=others[1],
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------- using a reply ---


def usable_reply(configuration: Configuration, *, today: date | None = None) -> tuple[Request, Path] | None:
    """The newest reply that may still be used, with the Parquet file of its `nhs_number`s; expired ones are deleted."""
    home = Home(configuration.home)
    delete_expired(configuration, today=today)
    for request in reversed(requests(home)):
        kept = _kept_file(home, request.name)
        if request.answered_at is not None and kept.is_file():
            if file_digest(kept) != request.kept_sha256:
                raise RunFailed(
                    f"{kept} is not the list that was read in (its digest is another): send a new request (registry"
                    " opt-out request), and read its reply."
                )
            return request, kept
    return None


def why_not_usable(configuration: Configuration, *, today: date | None = None) -> str:
    """Why there is no usable reply, and what to do: the rest of a sentence."""
    settings = configuration.deployment.national_opt_out
    if settings is None:
        return "registry.yaml does not describe the check (national_opt_out)"
    known = requests(Home(configuration.home))
    answered = [request for request in known if request.answered_at is not None]
    if not known:
        return "it was never asked for: send a request (registry opt-out request) and read its reply"
    if not answered:
        return f"the reply to {known[-1].name} is not in yet: fetch it and run registry opt-out refresh"
    ended = answered[-1].expires_on(settings)
    if (today or today_of(configuration)) <= ended:
        return f"the list of {answered[-1].name} is gone from {_folder(Home(configuration.home))}: send a new request"
    return (
        f"the last reply expired after {ended} (expires_after_days: {settings.expires_after_days}): send a new request"
        " (registry opt-out request) and read its reply"
    )


def delete_expired(configuration: Configuration, *, today: date | None = None) -> list[str]:
    """Delete lists whose time is over; returns their requests' names."""
    settings = configuration.deployment.national_opt_out
    home, on = Home(configuration.home), today or today_of(configuration)
    deleted = []
    for request in requests(home):
        files = [_kept_file(home, request.name), _asked_file(home, request.name)]
        if (settings is None or on > request.expires_on(settings)) and any(file.is_file() for file in files):
            for file in files:
                file.unlink(missing_ok=True)
            deleted.append(request.name)
    return deleted


def forget_numbers(home: Home, nhs_numbers: Collection[str]) -> int:
    """Take NHS numbers out of every list kept here, for somebody who is forgotten; returns the lines taken out.

    The caller holds the home for itself alone.
    """
    numbers = list(nhs_numbers)
    taken_out = 0
    with closing(connect(home, macros=False)) as connection:
        for request in requests(home):
            for file in (_asked_file(home, request.name), _kept_file(home, request.name)):
                if not file.is_file():
                    continue
                source = f"FROM {scan(file)} SELECT nhs_number WHERE"
                held = f"{source} nhs_number IN (SELECT unnest($numbers::VARCHAR[]))"
                found = len(connection.execute(held, {"numbers": numbers}).fetchall())
                if found:
                    rest = f"{source} nhs_number NOT IN (SELECT unnest($numbers::VARCHAR[]))"
                    rows = _write_numbers(connection, rest, file, {"numbers": numbers})
                    if file == _kept_file(home, request.name):
                        _keep(home, replace(request, kept=rows, kept_sha256=file_digest(file)))
                taken_out += found
    return taken_out


# ------------------------------------------------------------------------------------------------------- its files ---


def _settings(configuration: Configuration) -> NationalOptOut:
    settings = configuration.deployment.national_opt_out
    if settings is None:
        raise BadInput(
            f"{configuration.directory / 'registry.yaml'} describes no national_opt_out: name its mailbox, outbox and"
            " inbox there."
        )
    return settings


def _mesh_folder(configuration: Configuration, name: str) -> Path:
    folder: Path = configuration.directory / getattr(_settings(configuration), name)
    if not folder.is_dir():
        raise BadInput(
            f"There is no folder {folder}: make it, or correct national_opt_out.{name} in"
            f" {configuration.directory / 'registry.yaml'}."
        )
    return folder


def _folder(home: Home) -> Path:
    return home.govern / "opt_out"


def _asked_file(home: Home, name: str) -> Path:
    return _folder(home) / f"{name}.asked.parquet"


def _kept_file(home: Home, name: str) -> Path:
    return _folder(home) / f"{name}.kept.parquet"


def _keep(home: Home, request: Request) -> None:
    content = {**asdict(request), "asked_on": request.asked_on.isoformat()}
    write_json(_folder(home) / f"{request.name}.json", content)
    (_folder(home) / f"{request.name}.json").chmod(0o600)


def _write_numbers(
    connection: duckdb.DuckDBPyConnection, query: str, file: Path, parameters: Mapping[str, Any] | None = None
) -> int:
    """A list of numbers as Parquet, for this account only."""
    rows = write_table(connection, query, _NUMBERS, file, parameters)
    file.chmod(0o600)
    return rows


def _owner_only(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def _connection(configuration: Configuration, home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    settings = configuration.deployment
    with closing(
        connect(home, memory_limit=settings.memory_limit, threads=settings.threads, macros=False)
    ) as connection:
        yield connection
