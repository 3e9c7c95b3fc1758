"""Who may not be in an output for a purpose, because they said no.

What belongs here: the three kinds of objection, each applied to the purposes that it covers, and the register of local
ones. What does not: the exchange with the national check (`opt_out`), people who were forgotten (`forgotten`), and
making an output (`registry.purposes` does, and asks here).

* **National data opt-out** (`national`): a person is in an output only if the reply of the national check holds every
  valid NHS number of their records. Who has none cannot be asked about: `without_nhs_number` says what becomes of them.
  It covers planning and research on confidential patient information, not direct care (National Data Opt-out
  Operational Policy); which purposes those are here stands in `outputs.<purpose>.objections`.
* **Type 1 opt-out** (`type_1`): dissent, coded at the practice among problems or observations, from data leaving it for
  anything but direct care. The person's GP records stay out; what others recorded of the person does not leave a
  practice, and stays.
* **Local objections** (`local`): made to this deployment, by purpose (UK GDPR Article 21). All records that are one
  person with the one objected for, on the night, stay out.

None applies to direct care, whatever is configured. No flag is put on anybody: what comes out is, for one output,
the records that are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from registry_pipeline.config import Configuration, Purpose, PurposeRules
from registry_pipeline.errors import BadInput, NotAllowed, RunFailed
from registry_pipeline.govern import journal, opt_out
from registry_pipeline.govern.free_text import refuse_personal
from registry_pipeline.storage import Home, connect, file_digest, load_sql, lock, scan, whole_file
from registry_pipeline.tables import MOST_RECORDS_OF_A_NUMBER

if TYPE_CHECKING:
    import duckdb

TYPE_1_DISSENT = ("827241000000103", "9Nu0", "XaZ89")
"""Dissent from secondary use of general practitioner patient identifiable data: SNOMED CT, Read v2 and CTV3.

Confirmed in what could be read: 9Nu0 (Cegedim's National Data Opt-out Reminder, 2018, and the consent codes of the
Discovery Data Service), XaZ89 (the same codes) and 827241000000103 (a practice's own form names it beside XaZ89)."""

TYPE_1_WITHDRAWN = ("827261000000102", "9Nu1", "XaZ8A")
"""Dissent withdrawn for the same. These stand in no source that could be read again here: the first is in the project's
reference notes as general knowledge, as is that the Read codes follow those of dissent. Should one of them not exist
nothing matches it, and the dissent stands."""

REASONS = ("national", "without_nhs_number", "type_1", "local")
"""Every reason for which a record may be left out. `national` is everybody who is not on the reply's list: those who
opted out, and those who came after the request (the two are not told apart, on purpose)."""


# --------------------------------------------------------------------------------------------------- for an output ---


def name_left_out(
    connection: duckdb.DuckDBPyConnection,
    configuration: Configuration,
    purpose: Purpose,
    night: date,
    *,
    today: date | None = None,
) -> dict[str, int]:
    """Make the temporary table `left_out_record` (record_id, reason) of what an output may not hold.

    A record that several objections keep out has a row for each.

    Args:
        connection: has the views `covered_record` (the columns of person_record, and patient_id) and
            `covered_condition` (record_id, setting, code, coding_system, start_date) of conditions and observations.
            Those of records that are not in `covered_record` count as well, so that a dissent is heard wherever it was
            recorded.
        configuration: the deployment.
        purpose: the output's.
        night: the night of the registry that it is made from.
        today: the day by which the age of the national check's reply is judged; default: the deployment's own.

    Returns:
        People who are left out, wholly or in part, by reason; of the kinds that the purpose honours.

    Raises:
        RunFailed: the purpose honours the national opt-out, and there is no reply that may still be used.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE left_out_record (record_id VARCHAR, reason VARCHAR)")
    rules = configuration.rules_of(purpose)
    honoured = rules.objections
    if not honoured:
        return {}
    _name_everybody(connection, Home(configuration.home), night)
    if "national" in honoured:
        _leave_out_national(connection, configuration, purpose, rules, today)
    if "type_1" in honoured:
        codes = {"dissent": list(TYPE_1_DISSENT), "withdrawn": list(TYPE_1_WITHDRAWN)}
        connection.execute(f"INSERT INTO left_out_record {load_sql('objection_type_1')}", codes)
    if "local" in honoured:
        records = [r for each in in_force(Home(configuration.home)) if purpose in each.purposes for r in each.records]
        connection.execute(f"INSERT INTO left_out_record {load_sql('objection_local')}", {"records": records})
    counted = dict(connection.execute(load_sql("objection_counted")).fetchall())
    reasons: list[str] = [*honoured]
    if "national" in honoured and rules.without_nhs_number == "remove":
        reasons.append("without_nhs_number")
    return {reason: counted.get(reason, 0) for reason in reasons}


def _name_everybody(connection: duckdb.DuckDBPyConnection, home: Home, night: date) -> None:
    """`known_record`: whose every record is on the night, and whose it was when it left, beyond the covered ones."""
    sources = ["SELECT record_id, patient_id, 1 AS rank FROM covered_record"]
    for rank, table in ((2, "patient_record"), (3, "former_record")):
        file = home.linked(table, night)
        if file.is_file():
            sources.append(f"SELECT record_id, patient_id, {rank} FROM {scan(file)}")  # noqa: S608  # our own path
    everybody = " UNION ALL ".join(sources)
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW known_record AS FROM ({everybody})"
        " SELECT record_id, arg_min(patient_id, rank) AS patient_id GROUP BY record_id"
    )


def _leave_out_national(
    connection: duckdb.DuckDBPyConnection,
    configuration: Configuration,
    purpose: Purpose,
    rules: PurposeRules,
    today: date | None,
) -> None:
    usable = opt_out.usable_reply(configuration, today=today)
    if usable is None:
        raise NotAllowed(
            f"Nothing is made for {purpose}, since it honours the national data opt-out and there is no reply of"
            f" the check that may be used: {opt_out.why_not_usable(configuration, today=today)}."
        )
    _, kept = usable
    connection.execute(f"CREATE OR REPLACE TEMP VIEW kept_number AS SELECT nhs_number FROM {scan(kept)}")  # noqa: S608  # our own path
    connection.execute(
        f"INSERT INTO left_out_record {load_sql('objection_national')}",
        {"most": MOST_RECORDS_OF_A_NUMBER, "without_number": rules.without_nhs_number == "remove"},
    )


# ------------------------------------------------------------------------------------------------ local objections ---


@dataclass(frozen=True)
class Objection:
    """A line of the register: an objection, or the withdrawal of one.

    Attributes:
        number: 1, 2, ... in the register, counting withdrawals.
        kind: objection or withdrawal.
        purposes: what is objected to; of a withdrawal: as in the objection.
        records: record keys of the person when it was made.
        who, why, at: who wrote it down, for what reason, and when (UTC).
        withdraws: of a withdrawal, the objection's number.
    """

    number: int
    kind: Literal["objection", "withdrawal"]
    purposes: tuple[Purpose, ...]
    records: tuple[str, ...]
    who: str
    why: str
    at: str
    withdraws: int | None = None


def register(home: Home) -> list[Objection]:
    """Every line of the register, the first one first.

    Raises:
        RunFailed: a line cannot be read.
    """
    file = _file(home)
    if not file.is_file():
        return []
    lines = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            read = json.loads(line)
            lines.append(Objection(**{**read, "purposes": tuple(read["purposes"]), "records": tuple(read["records"])}))
        except (ValueError, TypeError, KeyError) as problem:
            raise RunFailed(
                f"{file}, line {number}: the register of objections is damaged, so nothing may leave: restore it from a"
                " backup."
            ) from problem
    return lines


def in_force(home: Home) -> list[Objection]:
    """Objections that nobody has withdrawn."""
    lines = register(home)
    withdrawn = {line.withdraws for line in lines if line.kind == "withdrawal"}
    return [line for line in lines if line.kind == "objection" and line.number not in withdrawn]


def object_to(configuration: Configuration, person: str, purposes: Sequence[str], *, who: str, why: str) -> Objection:
    """Write an objection down; it counts from the next output on.

    Args:
        configuration: the deployment.
        person: a record key (PROVIDER:local_id), or a patient_id that is in use: its records of today are written down.
        purposes: what is objected to.
        who: who writes it down.
        why: for what reason; no patient's name or number, since it is shown.

    Raises:
        BadInput: no such record or person, no such purpose, direct care, or who or why is empty.
        RunFailed: nothing is published yet, or the disk is full.
    """
    asked = _purposes(purposes)
    said_by, reason = _said(who, why)
    home = Home(configuration.home)
    journal.check_ready(home)
    records = records_of(home, person)
    with lock(home, "objections"):
        before = register(home)
        line = Objection(len(before) + 1, "objection", asked, records, said_by, reason, _now())
        _append(home, line)
    return line


def withdraw(configuration: Configuration, number: int, *, who: str, why: str) -> Objection:
    """Withdraw an objection; the person is in outputs again from the next one on.

    Raises:
        BadInput: no objection of that number is in force, or who or why is empty.
        RunFailed: the disk is full.
    """
    said_by, reason = _said(who, why)
    home = Home(configuration.home)
    journal.check_ready(home)
    with lock(home, "objections"):
        objection = next((line for line in in_force(home) if line.number == number), None)
        if objection is None:
            raise BadInput(f"No objection {number} is in force: see registry objection list.")
        line = Objection(
            len(register(home)) + 1, "withdrawal", objection.purposes, (), said_by, reason, _now(), withdraws=number
        )
        _append(home, line)
    return line


def records_of(home: Home, person: str) -> tuple[str, ...]:
    """The record keys that a record key or a patient_id stands for today.

    Raises:
        BadInput: this registry never held it, or no record is left under it.
        RunFailed: nothing is published yet.
    """
    snapshot = opt_out.last_published(home)
    files = [snapshot / f"{table}.parquet" for table in ("patient_record", "former_record")]
    column = "record_id" if ":" in person else "patient_id::VARCHAR"
    with closing(connect(home, macros=False)) as connection:
        found = connection.execute(
            f"SELECT DISTINCT record_id FROM {scan([f for f in files if f.is_file()])}"  # noqa: S608  # our own paths
            f" WHERE {column} = $person ORDER BY ALL",
            {"person": person.strip()},
        ).fetchall()
    if not found:
        # Not quoted: who mistypes may have written a name or a number.
        raise BadInput(
            "That is neither a record key (PROVIDER:local_id) nor a patient_id with records in the last registry:"
            " see registry resolve for an id that was joined into another."
        )
    return tuple(row[0] for row in found)


def forget(home: Home, nhs_numbers: Collection[str], record_ids: Collection[str]) -> int:
    """Take a forgotten person's numbers and record keys out of all that is kept of objections.

    The lines of the register stay, so that numbers keep their meaning; whose they were is no longer told. The caller
    holds the home for itself alone.

    Returns:
        Lines and numbers that were changed or taken out.
    """
    gone = set(record_ids)
    lines = register(home)
    changed = [line for line in lines if not gone.isdisjoint(line.records)]
    if changed:
        rest = [{**asdict(line), "records": [r for r in line.records if r not in gone]} for line in lines]
        _write(home, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in rest))
    return len(changed) + opt_out.forget_numbers(home, nhs_numbers)


def _purposes(purposes: Sequence[str]) -> tuple[Purpose, ...]:
    every = get_args(Purpose)
    unknown = next((each for each in purposes if each not in every), None)
    if unknown is not None or not purposes:
        named = f"{unknown!r} is no purpose" if unknown else "No purpose is given"
        raise BadInput(f"{named}: give one or more of {', '.join(p for p in every if p != 'direct_care')}.")
    if "direct_care" in purposes:
        raise BadInput(
            "Direct care cannot be objected to here, since it rests on what each provider holds: the person asks the"
            " provider to restrict the record, and registry forget takes out what a controller decided must go."
        )
    return tuple(each for each in every if each in purposes)


def _said(who: str, why: str) -> tuple[str, str]:
    for option, text in (("--who", who), ("--why", why)):
        if not text.strip():
            raise BadInput(f"{option} is empty: say who decides, and why.")
        refuse_personal(text, option)
    return who.strip(), why.strip()


def _append(home: Home, line: Objection) -> None:
    before = _file(home).read_text(encoding="utf-8") if _file(home).is_file() else ""
    _write(home, f"{before}{json.dumps(asdict(line), ensure_ascii=False)}\n")
    journal.record(
        home, "objection", who=line.who, why=line.why,
        what={
            "number": line.number, "kind": line.kind, "withdraws": line.withdraws, "purposes": list(line.purposes),
            "records": len(line.records),
        },
        outputs={_file(home).name: file_digest(_file(home))},
    )  # fmt: skip


def _write(home: Home, text: str) -> None:
    """The register, whole or as it was."""
    with whole_file(_file(home), mode=0o600) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _file(home: Home) -> Path:
    return home.govern / "objections.jsonl"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
