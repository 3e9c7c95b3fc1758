"""Rows that may not be taken at all, found before anything is made of a delivery.

What belongs here: the rules by which a delivered row is left out (its person was forgotten, its identity is withheld),
and running them over the parts of a delivery. What does not: taking the rows out of the landed files (`redact`), and
rules about bad data (validate sets those rows aside, and keeps them).

Each rule puts the rows that it finds into `left_out_row`. Rows in it reach no table, are taken out of the landed copy
at once, and are counted by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from registry_pipeline.config import Configuration, Provider
from registry_pipeline.extract import mapping
from registry_pipeline.extract.parts import Part, Place
from registry_pipeline.govern import forgotten, withheld
from registry_pipeline.govern.forgotten import Forgotten
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import Home, load_sql, macros_of, scan
from registry_pipeline.tables import FEEDS

if TYPE_CHECKING:
    import duckdb

OTHER_KEY = {"patient": "merged_into", "carer": "carer_local_id"}
"""Feed to its column that names another person of the provider by local id."""


NO_WITHHELD_IDENTITY = CheckOutcome(
    name="no_withheld_identity",
    passed=True,
    severity="info",
    reason="Legally restricted records never enter: they are in no table, and were taken out of the landed copy.",
)


VALUES = ("local_id", "nhs_number", "phone", "email", "address", "given_name", "family_name", "birth_date")
"""Columns of a patient's row that identify somebody."""


@dataclass(frozen=True)
class LeftOut:
    """What the rules found; the rows themselves are in `left_out_row`, cells to blank in `blank_cell`.

    Attributes:
        rows: reason to rows of this feed.
        all_rows: rows of any feed that the same files hold.
        blanked: canonical columns with cells that name somebody who may not be named.
        new_records: record key and NHS number of forgotten people who came under a record key of which nobody knew.
        values: what the rows of the people asked for say of them (`VALUES`), for who searches for it afterwards.
    """

    rows: dict[str, int] = field(default_factory=dict)
    all_rows: int = 0
    blanked: tuple[str, ...] = ()
    new_records: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str | None, ...], ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.all_rows or self.blanked)


@dataclass(frozen=True)
class Asked:
    """One delivery that the rules look at.

    The connection has the view `delivered_row`: `part` (position of the part), `part_row`, `is_of_feed` (whether the
    feed's `only` takes the row), and the feed's canonical columns as text, as delivered.
    """

    connection: duckdb.DuckDBPyConnection
    configuration: Configuration
    provider: Provider
    feed: str
    night: date
    known: Forgotten


def find(
    connection: duckdb.DuckDBPyConnection,
    configuration: Configuration,
    provider: Provider,
    feed: str,
    night: date,
    parts: Sequence[Part],
    *,
    known: Forgotten | None = None,
) -> LeftOut:
    """Make `left_out_row` (part, part_row, reason) and `blank_cell` (part, part_row, column_name) of a delivery.

    Args:
        connection: where the parts can be read.
        configuration: the deployment.
        provider: who delivered.
        feed: which of its feeds.
        night: which night.
        parts: what was delivered.
        known: the people to look for, and only the rule about them; None: every rule, and all who were forgotten.

    Raises:
        RunFailed: the tombstones of forgotten people cannot be used.
    """
    rules = RULES if known is None else (_forgotten,)
    everybody = forgotten.load(Home(configuration.home)) if known is None else known
    asked = Asked(connection, configuration, provider, feed, night, everybody)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE left_out_row (part INTEGER, part_row BIGINT, reason VARCHAR);"
        "CREATE OR REPLACE TEMP TABLE blank_cell (part INTEGER, part_row BIGINT, column_name VARCHAR);"
        "CREATE OR REPLACE TEMP TABLE number_row (local_id VARCHAR, nhs_number VARCHAR, is_known BOOLEAN)"
    )
    query, parameters = mapping.delivered_query(
        Place(provider.provider, feed),
        provider.feeds[feed],  # type: ignore[index]  # feed names are checked on load
        parts,
    )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW delivered_row AS {_bound(query, parameters)}")
    for rule in rules:
        rule(asked)
    found = _found(asked)
    if known is None or feed != "patient" or not found.all_rows:
        return found
    rows = connection.execute(
        f"SELECT DISTINCT {', '.join(VALUES)} FROM delivered_row SEMI JOIN left_out_row USING (part, part_row)"  # noqa: S608  # names of ours
    ).fetchall()
    return replace(found, values=tuple(rows))


def anybody(home: Home, provider: str, night: date) -> bool:
    """Whether there is anybody whose rows may not be taken from a provider: where nobody is, nothing is looked for."""
    return bool(forgotten.load(home)) or bool(withheld.known(home, provider, night, whole=False))


def _bound(query: str, parameters: dict[str, str]) -> str:
    """The query with its parameters written in: a view takes none."""
    from registry_pipeline.extract.parts import quoted

    for name in sorted(parameters, key=len, reverse=True):
        query = query.replace(f"${name}", quoted(parameters[name]))
    return query


def _found(asked: Asked) -> LeftOut:
    connection = asked.connection
    all_rows = connection.execute("SELECT count(*) FROM (SELECT DISTINCT part, part_row FROM left_out_row)").fetchall()
    blanked = connection.execute("SELECT DISTINCT column_name FROM blank_cell ORDER BY ALL").fetchall()
    rows: dict[str, int] = {}
    if all_rows[0][0]:
        rows = dict(
            connection.execute(
                "SELECT reason, count(*) FROM (SELECT part, part_row, min(reason) AS reason FROM left_out_row"
                " SEMI JOIN (SELECT part, part_row FROM delivered_row WHERE is_of_feed) USING (part, part_row)"
                " GROUP BY part, part_row) GROUP BY reason ORDER BY reason"
            ).fetchall()
        )
    new = connection.execute(load_sql("left_out_new_records"), {"provider": asked.provider.provider}).fetchall()
    return LeftOut(rows, int(all_rows[0][0]), tuple(name for (name,) in blanked), tuple(new))


def _forgotten(asked: Asked) -> None:
    """Everything of people who were forgotten: by record key, and in a patient feed also by NHS number."""
    if not asked.known:
        return
    connection, columns = asked.connection, FEEDS[asked.feed].column_names
    other = OTHER_KEY.get(asked.feed)
    taken = {
        "local_id": "local_id" if "local_id" in columns else None,
        "other_local_id": other,
        "nhs_number": "nhs_number" if "nhs_number" in columns else None,
        "other_nhs_number": "replaced_by" if "replaced_by" in columns else None,
    }
    cells = ", ".join(f"{source or 'NULL::VARCHAR'} AS {name}" for name, source in taken.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE keyed_row AS SELECT part, part_row, {cells} FROM delivered_row")  # noqa: S608  # names from tables.py
    _name_known_records(asked)
    script = load_sql("left_out_forgotten")
    connection.execute(macros_of(script))
    inner, outer = asked.known.pads
    bound = {
        "provider": asked.provider.provider,
        "records": asked.known.records,
        "numbers": asked.known.nhs_numbers,
        "inner": inner,
        "outer": outer,
        "is_patient": asked.feed == "patient",
        "other_column": other,
    }
    for statement in connection.extract_statements(script):
        connection.execute(statement, {name: bound[name] for name in statement.named_parameters})


def _withheld(asked: Asked) -> None:
    """Legally restricted rows: with a reason why the identity is withheld, and the other rows of such a patient."""
    feed = asked.provider.feeds[asked.feed]  # type: ignore[index]  # feed names are checked on load
    home, code, columns = Home(asked.configuration.home), asked.provider.provider, FEEDS[asked.feed].column_names
    whole = asked.provider.delivery_of("patient") == "full" if "patient" in asked.provider.feeds else True
    known = withheld.known(home, code, asked.night, whole=whole)
    agreed = mapping.agreed_columns(Place(code, asked.feed), feed)
    says_why = withheld.COLUMN in columns and withheld.COLUMN in agreed
    if not (says_why or known) or "local_id" not in columns:
        return
    connection, other = asked.connection, OTHER_KEY.get(asked.feed)
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW withheld_key AS SELECT part, part_row, local_id,"  # noqa: S608  # names from tables.py
        f" {other or 'NULL::VARCHAR'} AS other_local_id, {withheld.COLUMN if says_why else 'NULL::VARCHAR'} AS reason"
        " FROM delivered_row"
    )
    script = load_sql("left_out_withheld")
    connection.execute(macros_of(script))
    codes = agreed[withheld.COLUMN].codes if says_why else {}
    inner, outer = withheld.pads(home)
    bound = {
        "inner": inner,
        "outer": outer,
        "provider": code,
        "codes": {"key": list(codes), "value": list(codes.values())} if codes else None,
        "known": sorted(known),
        "is_patient": asked.feed == "patient",
        "other_column": other,
        "reason": withheld.REASON,
    }
    for statement in connection.extract_statements(script):
        connection.execute(statement, {name: bound[name] for name in statement.named_parameters})
    if asked.feed == "patient":
        found = {
            table: connection.execute(f"FROM {table}").fetchall() for table in ("withheld_record", "released_record")
        }
        kept, released = ([digest for (digest,) in rows] for rows in found.values())
        withheld.keep(home, code, asked.night, withheld=kept, released=released)


def _name_known_records(asked: Asked) -> None:
    """Make the view `known_record` of the provider's records in the current registry."""
    crosswalk = Home(asked.configuration.home).current / "patient_record.parquet"
    source = scan(crosswalk.resolve()) if crosswalk.is_file() else "(SELECT NULL AS record_id LIMIT 0)"
    asked.connection.execute(f"CREATE OR REPLACE TEMP VIEW known_record AS SELECT record_id FROM {source}")  # noqa: S608  # our own path


def check(rows: Mapping[str, int]) -> CheckOutcome:
    """How many rows were left out because their identity is withheld: said, and no fault of anybody's."""
    found = rows.get(withheld.REASON, 0)
    return NO_WITHHELD_IDENTITY.model_copy(
        update={"passed": not found, "observed": f"{found:,} rows left out" if found else "none"}
    )


RULES: tuple[Callable[[Asked], None], ...] = (_forgotten, _withheld)
"""Every rule, in order; a row that several find counts under the first reason in the alphabet."""
