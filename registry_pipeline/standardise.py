"""One shape for what every provider delivers: accepted rows become `person_record` and the event tables.

What belongs here: the ordered list of cleaning steps, and running them over one feed of one provider and night. What
does not: the rules themselves (one macro each in `sql/macros.sql`), how the steps are put into SQL
(`sql/person_record.sql` and one file per event table), which rows may come here at all (`validate`), and who is who
(`link`).

Nothing is guessed and nothing is dropped in silence: a value that cannot be used is set to null and its reason is kept
in the row (`null_reasons`); a row that goes no further is counted (`Standardised.left_out`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.config import Column, Configuration, Provider
from registry_pipeline.errors import RunFailed
from registry_pipeline.govern import withheld
from registry_pipeline.storage import Home, connect, load_sql, scan, threads_for, write_table
from registry_pipeline.tables import DELIVERY_COLUMNS, FEEDS, TABLES, FeedShape, Table

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Step:
    """One step of cleaning: a named CTE of `sql/person_record.sql`, which reads the step before it.

    Attributes:
        name: also the CTE's name.
        does: what it does to a record.
        why: the reason, or whose rule it is.
    """

    name: str
    does: str
    why: str

    @property
    def sql(self) -> str:
        """The step's own CTE, `name AS (...)`."""
        return _step_texts()[self.name]


PERSON_STEPS: tuple[Step, ...] = (
    Step(
        "provider_codes",
        "Turns the provider's own codes into those of the code lists; values come trimmed, empty ones as null.",
        "What is empty in one system is a blank in another; codes are the provider file's business (`values:`).",
    ),
    Step(
        "left_out",
        "Marks deleted records and test patients (by flag, or by a name such as ZZTEST or Test Patient).",
        "They are no persons of the registry. Real names such as Tester or Testa stay.",
    ),
    Step(
        "nhs_numbers",
        "Keeps NHS numbers that are valid: ten digits, Modulus 11, no placeholder, from a range that is issued here.",
        "The check digit alone is not validity: every number of ten equal digits passes it.",
    ),
    Step(
        "names_in_one_field",
        "Parts 'SMITH, John' in the family or the given name, where the other one is empty.",
        "Some systems keep one display name.",
    ),
    Step(
        "names_folded",
        "Keeps names as delivered for display; folds those for comparison to upper case without diacritics.",
        "String distances work on bytes, and the same name is typed with and without its marks.",
    ),
    Step(
        "other_names_set_aside",
        "Takes what stands in brackets or quotes, or after 'known as', 'prefers', 'nee' or 'formerly', out of a name.",
        "Names are matched word by word: a nickname inside a name spoils both.",
    ),
    Step(
        "other_names_named",
        "Makes a former name the previous family name, where that is empty, and the other ones alias names.",
        "They are evidence of identity, and the linkage model compares them on their own.",
    ),
    Step(
        "names_as_words",
        "Removes apostrophes and digits, turns other marks into blanks, and keeps each word once.",
        "O'BRIEN and OBRIEN, ANNE-MARIE and ANNE MARIE are the same name. Letters of any script stay.",
    ),
    Step(
        "titles",
        "Moves titles from the head of a name to the title, where that is empty.",
        "MR JOHN is no other given name than JOHN.",
    ),
    Step(
        "family_name_prefixes",
        "Joins Mc, Mac, O and D to the family name that follows.",
        "MC DONALD and MCDONALD are one name; van, de, al, bin, Singh and Kaur are words of their own.",
    ),
    Step(
        "placeholder_names",
        "Sets names to null that are none: unknown, baby, baby of ..., twin 1, male, infant, test, a bare title.",
        "Two records of 'Baby' at one address are usually twins, and 'Unknown' agrees with 'Unknown'.",
    ),
    Step(
        "dates_read",
        "Reads dates of birth and death in the provider's format, else in ISO 8601.",
        "A guess between day and month would make wrong dates look right, so no other form is tried.",
    ),
    Step(
        "dates_judged",
        "Sets dates to null that are placeholders (1900-01-01, ...), before 1895, ahead of the night, or a month only.",
        "A placeholder agrees with every other one. 1895 is the earliest birth that Hospital Episode Statistics take.",
    ),
    Step(
        "sex_and_ethnicity",
        "Sex becomes M, F or O; unknown and unspecified become null. Ethnic category 2001 is kept as it is.",
        "Not known must never count as a disagreement. Not stated and not known ethnicity are answers.",
    ),
    Step(
        "postcodes_normal",
        "Writes postcodes with one blank, mends O/0 and I/1 where the form leaves no choice, names pseudo-postcodes.",
        "The linkage model's sector level needs the blank; everybody without a home shares ZZ99 3VZ.",
    ),
    Step(
        "addresses",
        "Makes the comparison form of an address: upper case, letters and digits, one blank between words.",
        "No fixed abode and unknown are no addresses. A postcode of another country counts as a word of the address.",
    ),
    Step(
        "contacts",
        "Writes telephone numbers as national digits and e-mail addresses in lower case; placeholders become null.",
        "One number is written in five ways. Numbers abroad are kept with their country.",
    ),
    Step(
        "gp_practices",
        "Keeps practice codes; default codes (V81997 not registered, V81999 not known, ...) become null.",
        "A default is no practice that two people share.",
    ),
    Step(
        "null_reasons",
        "Gathers, for every value that a step set to null, the column and why.",
        "Data quality is fed back to the provider by reason; a value that was empty has none.",
    ),
    Step(
        "named_records",
        "Names the record provider:local_id, and marks verified NHS numbers, sensitive records and local merges.",
        "Every later table speaks of records by this name.",
    ),
)
"""The cleaning of a person record, from top to bottom."""


@dataclass(frozen=True)
class Standardised:
    """What became of a feed's accepted rows.

    Attributes:
        table: the table that was written.
        rows: its rows (for a patient feed in deltas: the provider's whole state).
        left_out: reason to rows that go no further.
        null_reasons: "column: reason" to values that were set to null.
    """

    table: str
    rows: int
    left_out: dict[str, int]
    null_reasons: dict[str, int]


_TRIMMED = 'trimmed("{}")'


def standardise_feed(
    configuration: Configuration, provider: Provider, feed: str, night: date, *, previous: date | None
) -> Standardised:
    """Bring one feed's accepted rows of a night into the registry's shape.

    Of rows that carry the same key the last one stands. A patient feed in deltas is folded into the provider's state
    of the `previous` night, so that `person_record` is always the whole of it; event feeds in deltas hold tonight's
    rows only, deleted ones marked.

    Args:
        configuration: the deployment.
        provider: who delivered.
        feed: one of `tables.FEEDS`.
        night: the night of the extract; its `accepted_<feed>` must be there.
        previous: night of the feed's last accepted extract before this one, or None.

    Raises:
        RunFailed: the previous state is not there, or the disk is full.
    """
    home = Home(configuration.home)
    shape = FEEDS[feed]
    settings = configuration.deployment
    accepted = home.staged(f"accepted_{feed}", provider.provider, night)
    threads = threads_for(accepted, settings.threads)
    used = (_TRIMMED, *map(load_sql, (shape.becomes, "event_origin", "carried_over")))
    connection = connect(home, memory_limit=settings.memory_limit, threads=threads, macros="\n".join(used))
    try:
        _view(connection, "accepted", f"FROM {scan(accepted)}")
        superseded = _keep_last_rows(connection, shape)
        parameters = _parameters(configuration, provider, feed, night)
        if shape.becomes == "person_record":
            made = _person_records(connection, home, provider, night, previous, parameters)
        elif shape.becomes == "nhs_number_replacement":
            made = _replacements(connection, home, provider, night, parameters)
        else:
            made = _events(connection, home, provider, shape, night, parameters)
    finally:
        connection.close()
    if superseded:
        made.left_out["repeated_key"] = superseded
    return made


def _person_records(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    provider: Provider,
    night: date,
    previous: date | None,
    parameters: dict[str, Any],
) -> Standardised:
    query = load_sql("person_record")
    carries_over = provider.delivery_of("patient") == "delta" and previous is not None
    if carries_over and previous is not None:
        _view(connection, "previous_state", f"FROM {_state_of(home, provider, previous)}")
        _name_withheld(connection, home, provider, night)
        query = f"FROM ({query}) UNION ALL BY NAME FROM ({load_sql('carried_over')})"
    left_out = f"{steps_through('left_out')} FROM left_out SELECT left_out"
    return _written(
        connection,
        query,
        TABLES["person_record"],
        home.staged("person_record", provider.provider, night),
        parameters,
        left_out=left_out,
        carries_over=carries_over,
    )


def _name_withheld(connection: duckdb.DuckDBPyConnection, home: Home, provider: Provider, night: date) -> None:
    """`withheld_record`: records of the carried state whose identity is withheld by now."""
    left = sorted(withheld.known(home, provider.provider, night, whole=False))
    if not left:
        connection.execute("CREATE OR REPLACE TEMP TABLE withheld_record (record_id VARCHAR)")
        return
    inner, outer = withheld.pads(home)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE withheld_record AS {load_sql('withheld_state')}",
        {"left": left, "inner": inner, "outer": outer},
    )


def _state_of(home: Home, provider: Provider, previous: date) -> str:
    path = home.staged("person_record", provider.provider, previous)
    if not path.is_file():
        raise RunFailed(
            f"{provider.provider} delivers changes, but its person records of {previous} are missing from staging/: "
            f"run {previous} again, then this night."
        )
    return scan(path)


def _events(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    provider: Provider,
    shape: FeedShape,
    night: date,
    parameters: dict[str, Any],
) -> Standardised:
    table = TABLES[shape.becomes]
    parameters = {
        **parameters,
        "feed": shape.name,
        # In a full extract a deleted event is simply not there; a delta has to say that it went.
        "keep_deleted": provider.delivery_of(shape.name) == "delta",
    }
    origin = load_sql("event_origin")
    body = load_sql(table.name)
    query = f"WITH event AS ({origin}) FROM ({body})"
    return _written(
        connection,
        query,
        table,
        home.staged(table.name, provider.provider, night, shape.name),
        parameters,
        left_out=f"WITH event AS ({origin}) FROM event SELECT left_out",
    )


def _replacements(
    connection: duckdb.DuckDBPyConnection, home: Home, provider: Provider, night: date, parameters: dict[str, Any]
) -> Standardised:
    table = TABLES["nhs_number_replacement"]
    query = load_sql(table.name)
    path = home.staged(table.name, provider.provider, night, "nhs_number_replacement")
    return _written(
        connection,
        f"FROM ({query}) WHERE left_out IS NULL",
        table,
        path,
        parameters,
        left_out=f"FROM ({query}) SELECT left_out",
    )


def _written(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    table: Table,
    path: Path,
    parameters: dict[str, Any],
    *,
    left_out: str,
    carries_over: bool = False,
) -> Standardised:
    """Write the table, and count what was left out and what was set to null."""
    rows = write_table(connection, query, table, path, _used(parameters, query))
    out: dict[str, int] = {}
    # Why rows were left out is only asked where some were: it costs a tenth of a small feed.
    if carries_over or rows != connection.execute("SELECT count(*) FROM delivered").fetchall()[0][0]:
        counted = f"FROM ({left_out}) SELECT left_out, count(*) WHERE left_out IS NOT NULL GROUP BY ALL ORDER BY ALL"
        out = dict(connection.execute(counted, _used(parameters, counted)).fetchall())
    reasons: dict[str, int] = {}
    if "null_reasons" in table.column_names:
        _view(connection, "written", f"FROM {scan(path)}")
        reasons = dict(connection.execute(load_sql("null_reason_count")).fetchall())
    return Standardised(table=table.name, rows=rows, left_out=out, null_reasons=reasons)


def _keep_last_rows(connection: duckdb.DuckDBPyConnection, shape: FeedShape) -> int:
    """Make the view `delivered` of accepted rows, of each key the last one; returns how many rows that left out.

    Its values are trimmed, and null where nothing is left; so are columns that another feed of the same table has, and
    this one has not.
    """
    missing = {c for f in FEEDS.values() if f.becomes == shape.becomes for c in f.column_names} - set(
        shape.column_names
    )
    origin = [f'"{c.name}"' for c in DELIVERY_COLUMNS]
    trimmed = [f'{_TRIMMED.format(c)} AS "{c}"' for c in shape.column_names]
    listed = ", ".join(origin + trimmed + [f'NULL::VARCHAR AS "{c}"' for c in sorted(missing)])
    _view(connection, "keyed", f"FROM accepted SELECT {listed}, {_TRIMMED.format(shape.key[0])} AS row_key")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE repeated_key AS {load_sql('repeated_keys')}")
    repeated = connection.execute("SELECT count(*) FROM repeated_key").fetchall()[0][0]
    if not repeated:
        _view(connection, "delivered", "SELECT * EXCLUDE (row_key) FROM keyed")
        return 0
    _view(connection, "delivered", f"FROM ({load_sql('last_rows')}) SELECT * EXCLUDE (row_key)")
    counts = connection.execute("SELECT (SELECT count(*) FROM accepted) - (SELECT count(*) FROM delivered)").fetchall()
    return int(counts[0][0])


def _parameters(configuration: Configuration, provider: Provider, feed: str, night: date) -> dict[str, Any]:
    """What the SQL of any table may ask for: who delivered, when, and the provider's own codes and formats."""
    columns = provider.feeds[feed].columns  # type: ignore[index]  # feed names are checked on load
    names = [c for f in FEEDS.values() for c in f.column_names if f.becomes == FEEDS[feed].becomes]
    names = list(dict.fromkeys(names))
    return {
        "provider": provider.provider,
        "setting": provider.setting,
        "night": night.isoformat(),
        "synthetic_allowed": configuration.deployment.synthetic_nhs_numbers,
        "values": _map({name: _codes(columns[name]) if name in columns else None for name in names}),
        "formats": _map({name: columns[name].format if name in columns else None for name in names}),
    }


def _codes(column: Column) -> dict[str, list[Any]] | None:
    """A provider's code map as a parameter of `provider_value`; None where the column has none."""
    return _map(column.codes) if column.codes else None


def _map(content: dict[str, Any]) -> dict[str, list[Any]]:
    """A DuckDB MAP as its Python client takes one."""
    return {"key": list(content), "value": list(content.values())}


def _used(parameters: dict[str, Any], query: str) -> dict[str, Any]:
    """The parameters that a query names: DuckDB refuses others."""
    named = set(re.findall(r"\$([a-z_]+)", query))
    return {name: value for name, value in parameters.items() if name in named}


def _view(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {query}')


def steps_through(name: str) -> str:
    """The `WITH` clause of the steps up to and with the named one."""
    names = [step.name for step in PERSON_STEPS]
    return "WITH " + ",\n".join(step.sql for step in PERSON_STEPS[: names.index(name) + 1])


@cache
def _step_texts() -> dict[str, str]:
    """CTE texts of `person_record.sql` by name, cut at its `-- step:` lines."""
    _, *blocks = re.split(r"^-- step: *(\w+)\n", load_sql("person_record"), flags=re.MULTILINE)
    texts = dict(zip(blocks[::2], blocks[1::2], strict=True))
    last = list(texts)[-1]
    texts[last] = texts[last][: texts[last].rindex("\n)") + 2]
    return {step: text.rstrip().removesuffix(",") for step, text in texts.items()}
