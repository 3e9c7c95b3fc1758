"""Counting: what every measure counts, by month and group, and what a moved linkage threshold would make of it.

What belongs here: running the statements of `sql/audit_*.sql` in order, and naming their inputs. What does not: which
values may be shown, and what they mean (`table`).

Everything is counted in several worlds at once: the registry as published, and for each move of the linkage threshold
the few people whom it touches, once as published and once as they would be. What a move changes is the difference, so
that nobody else is counted again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from registry_pipeline import codes
from registry_pipeline.audit.measures import (
    MEASURES,
    PROCESS_LISTS,
    STANDARD_POPULATION,
    Dimension,
    Needs,
)
from registry_pipeline.audit.periods import (
    Month,
    Period,
    first_whole_month,
    last_whole_month,
    periods_of,
    whole_months,
)
from registry_pipeline.consumer import Reading
from registry_pipeline.govern.postcodes import name_areas
from registry_pipeline.storage import load_sql

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CODE_LISTS: tuple[str, ...] = (
    "ambulatory_care_sensitive", "diabetes", "copd", *PROCESS_LISTS, "copd_review", "carers_assessment",
    "case_conference",
)  # fmt: skip
"""Every code list that a measure rests on."""

GROUPS: tuple[Dimension, ...] = ("practice", "neighbourhood", "lsoa", "ethnicity", "deprivation")
"""Dimensions that a person is in."""

NO_RECORDS: Mapping[Needs, str] = {
    "spell": "the registry holds no hospital stays",
    "method": "no hospital says how people were admitted",
    "diagnosis": "no hospital says of what people were treated",
    "ready": "no hospital says when people are clinically ready to leave",
    "contact": "the registry holds no contacts outside hospital",
    "observation": "the registry holds no record of a care process or conference",
    "condition": "the registry holds no conditions",
    "care_plan": "the registry holds no care plans",
    "carer": "the registry holds no unpaid carers",
}
"""Why a measure cannot be counted."""

_BEGINS: Mapping[Needs, tuple[str, str]] = {
    "spell": ("patient_activity WHERE activity_kind = 'spell'", "start_time::DATE"),
    "ready": (
        "patient_activity WHERE activity_kind = 'spell' AND clinically_ready_date IS NOT NULL", "end_time::DATE",
    ),
    "method": (
        "patient_activity WHERE activity_kind = 'spell' AND admission_method IS NOT NULL", "start_time::DATE",
    ),
    "diagnosis": ("patient_activity WHERE activity_kind = 'spell' AND len(diagnoses) > 0", "start_time::DATE"),
    "contact": ("patient_activity WHERE activity_kind = 'contact' AND setting <> 'acute'", "start_time::DATE"),
    "observation": ("patient_observation WHERE true", "start_date"),
    "care_plan": ("patient_care_plan WHERE true", "start_date"),
}  # fmt: skip
"""Where each kind of record lies and by what day it begins. Conditions and carers begin with people, not with a
feed."""

_COLUMN_OF_STAYS: tuple[Needs, ...] = ("ready", "method", "diagnosis")
"""Columns of stays, which a small ward may fill now and then only."""

_STEADY: tuple[Needs, ...] = ("spell", "contact", "observation")
"""Records that come every day, so that their feed has stopped where they stop."""

_ALWAYS: Mapping[Needs, str] = {"condition": "patient_condition", "carer": "patient_carer"}

_ALWAYS_BEFORE = -10_000
"""Month of what begins with people, long before any feed."""

_FACTS: tuple[str, ...] = (
    "audit_admission", "audit_bed_day", "audit_discharge", "audit_readmission", "audit_first_contact",
    "audit_conference",
)  # fmt: skip
_FACT_COLUMNS = ("measure", "person", "provider", "month", "band", "n", "d", "cases", "at_risk", "n2", "d2", "nd")

_STATES: Mapping[str, tuple[str, str]] = {
    **{f"diabetes_{name}": ("diabetes", name) for name in PROCESS_LISTS},
    "diabetes_all_eight": ("diabetes", "all_eight"),
    "copd_review": ("copd", "copd_review"),
    "care_plan_coverage": ("target", "plan"),
    "coordinator_coverage": ("target", "coordinator"),
    "enrolment_diabetes": ("diabetes", "enrolled"),
    "enrolment_75": ("old", "enrolled"),
    "carers_assessed": ("carer", "carer_assessed"),
}
"""Measures of a state: the cohort, and what of it."""

_PERSON_TIME: tuple[str, ...] = (
    *(m.name for m in MEASURES if m.sql in ("audit_admission", "audit_bed_day")), "people_discussed",
)  # fmt: skip
"""Measures by person-years of the population."""


@dataclass(frozen=True)
class Counted:
    """What was counted.

    Attributes:
        totals: one row a measure, group and period, see `sql/audit_value.sql`; exact, so nothing of it may be shown as
            it is.
        neighbourhood_of: practice to neighbourhood, of practices that one names.
        setting_of: provider to its setting: hospitals for mental health are no peers of others.
        periods: months and years of each measure that could be counted.
        not_made: measure to why it could not be counted.
        begins: kind of record to the first day of the first whole month.
        begins_later: of those kinds, the providers whose records begin later than the first provider's, with the day.
        ends_early: kind of record to the providers whose records stop before the newest month, with the last day of
            their last whole month.
        without_method: providers of stays that never say how people were admitted, where others do.
        lists: what the manifest says of the code lists.
        moves: moves of the linkage threshold that were looked at.
    """

    totals: pa.Table
    neighbourhood_of: Mapping[str, str]
    setting_of: Mapping[str, str]
    periods: Mapping[str, Sequence[Period]]
    not_made: Mapping[str, str]
    begins: Mapping[str, date]
    begins_later: Mapping[str, Mapping[str, date]]
    ends_early: Mapping[str, Mapping[str, date]]
    without_method: Sequence[str]
    lists: Mapping[str, Mapping[str, str]]
    moves: Sequence[float]


def count(reading: Reading) -> Counted:
    """Count every measure that the registry has records for.

    Raises:
        BadInput: a code list or the list of postcodes cannot be used.
    """
    connection, deployment = reading.connection, reading.configuration.deployment
    months = whole_months(reading.night, deployment.audit.months)
    _name_months(connection, months)
    has_areas = name_areas(connection, reading.configuration)
    neighbourhood_of = {p: name for name, practices in deployment.neighbourhoods.items() for p in practices}
    _name_pairs(connection, "audit_neighbourhood", ("practice", "neighbourhood"), neighbourhood_of.items())
    begins_of = {need: _first_months(connection, need, reading.night) for need in NO_RECORDS}
    begins = {need: first for need, (first, _) in begins_of.items()}
    ends_of = {need: _last_months(connection, need, reading.night, months) for need in _STEADY}
    periods, not_made = _plan(months, begins, {need: last for need, (last, _) in ends_of.items()}, reading.night)
    lists = codes.name_meanings(connection, reading.configuration, CODE_LISTS)
    known = {"lsoa": has_areas, "deprivation": has_areas, "neighbourhood": bool(neighbourhood_of)}
    groups = tuple(group for group in GROUPS if known.get(group, True))
    _name_people(connection)
    _count_months(connection, reading.night, months, groups, set(periods))
    _name_choices(connection, periods, ("system", "provider", *groups))
    return Counted(
        totals=connection.sql(load_sql("audit_value")).to_arrow_table(),
        neighbourhood_of=neighbourhood_of,
        setting_of={code: provider.setting for code, provider in reading.configuration.providers.items()},
        periods=periods,
        not_made=not_made,
        begins={need: months[n].first for need, n in begins.items() if n is not None and 0 <= n < len(months)},
        begins_later=_later(months, begins_of),
        ends_early={need: ends for need, (_, ends) in ends_of.items() if ends},
        without_method=_without_method(connection) if begins["method"] is not None else (),
        lists={name: code_list.about for name, code_list in lists.items()},
        moves=[row[0] for row in connection.execute("SELECT threshold_move FROM audit_move ORDER BY 1").fetchall()],
    )


def _name_pairs(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """A temporary table of texts from rows of a configuration."""
    listed = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns]
    names = ", ".join(f"unnest($c{i}::VARCHAR[]) AS {name}" for i, name in enumerate(columns))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {names}",  # names of this module
        {f"c{i}": values for i, values in enumerate(listed)},
    )


def _name_months(connection: duckdb.DuckDBPyConnection, months: Sequence[Month]) -> None:
    first = months[0].first
    connection.execute(
        load_sql("audit_macros")
        .replace("/* first */", str(first.year * 12 + first.month))
        .replace("/* months */", str(len(months)))
    )
    rows = [(m.number, m.first.isoformat(), m.last.isoformat()) for m in months]
    _name_pairs(connection, "audit_month_text", ("month", "first_day", "last_day"), rows)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE audit_month AS SELECT month::INTEGER AS month, first_day::DATE AS first_day,"
        " last_day::DATE AS last_day FROM audit_month_text"
    )


def _first_months(connection: duckdb.DuckDBPyConnection, need: Needs, night: date) -> tuple[int | None, dict[str, int]]:
    """The first whole month of a kind of record, and of each provider; None where there is none at all."""
    if need in _ALWAYS:
        there = connection.execute(f"SELECT count(*) > 0 FROM {_ALWAYS[need]}").fetchall()[0][0]  # noqa: S608  # names of this module
        return _ALWAYS_BEFORE if there else None, {}
    source, day = _BEGINS[need]
    found = connection.execute(
        f"SELECT provider, audit_month_of({day}) AS month, count(*), min({day}) FROM {source} AND {day} <= $night"  # noqa: S608  # as above
        " GROUP BY provider, month",
        {"night": night},
    ).fetchall()
    months: dict[str | None, tuple[dict[int, int], dict[int, date]]] = defaultdict(lambda: ({}, {}))
    for provider, month, rows, first in found:
        for whose in (None, provider):
            counts, days = months[whose]
            counts[month] = counts.get(month, 0) + rows
            days[month] = min(days.get(month, first), first)
    begins = {whose: first_whole_month(*counted) for whose, counted in months.items()}
    return begins.pop(None, None), {provider: month for provider, month in begins.items() if provider and month}


def _last_months(
    connection: duckdb.DuckDBPyConnection, need: Needs, night: date, months: Sequence[Month]
) -> tuple[int, dict[str, date]]:
    """The last whole month of a kind of record, and the last day of that of each provider whose feed has stopped."""
    source, day = _BEGINS[need]
    found = connection.execute(
        f"SELECT provider, audit_month_of({day}) AS month, count(*), max({day}) FROM {source} AND {day} <= $night"  # noqa: S608  # names of this module
        " GROUP BY provider, month",
        {"night": night},
    ).fetchall()
    counted: dict[str | None, tuple[dict[int, int], dict[int, date]]] = defaultdict(lambda: ({}, {}))
    for provider, month, rows, last in found:
        for whose in (None, provider):
            counts, days = counted[whose]
            counts[month] = counts.get(month, 0) + rows
            days[month] = max(days.get(month, last), last)
    ends = {whose: last_whole_month(*of, months) for whose, of in counted.items()}
    newest = months[-1].number
    stopped = {
        provider: months[end].last for provider, end in sorted(ends.items(), key=str) if provider and 0 <= end < newest
    }
    return ends.get(None, newest), stopped


def _without_method(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute(
        "SELECT provider FROM patient_activity WHERE activity_kind = 'spell' GROUP BY provider"
        " HAVING count(admission_method) = 0 ORDER BY provider"
    )
    return [provider for (provider,) in found.fetchall()]


def _later(
    months: Sequence[Month], begins: Mapping[Needs, tuple[int | None, dict[str, int]]]
) -> dict[str, dict[str, date]]:
    """Providers whose records of a kind begin after the first provider's and within the months looked at."""
    found: dict[str, dict[str, date]] = {}
    for need, (first, by_provider) in begins.items():
        if need in _COLUMN_OF_STAYS:
            continue
        for provider, month in sorted(by_provider.items()):
            # A month later may be chance, where records are few.
            if max(first or 0, 0) + 1 < month < len(months):
                found.setdefault(need, {})[provider] = months[month].first
    return found


def _plan(
    months: Sequence[Month], begins: Mapping[Needs, int | None], ends: Mapping[Needs, int], night: date
) -> tuple[dict[str, list[Period]], dict[str, str]]:
    """Months and years of each measure, and why the others cannot be counted."""
    periods: dict[str, list[Period]] = {}
    not_made: dict[str, str] = {}
    for measure in MEASURES:
        lacking = [need for need in measure.needs if begins[need] is None]
        if lacking:
            not_made[measure.name] = NO_RECORDS[lacking[0]]
            continue
        first = max(begin for need in measure.needs if (begin := begins[need]) is not None)
        last = min((ends[need] for need in measure.needs if need in ends), default=None)
        found = periods_of(measure, months, first, night, ends=last)
        if found:
            periods[measure.name] = found
        else:
            needed = f"{measure.looks_back_months + 1} whole months" if measure.looks_back_months else "one whole month"
            not_made[measure.name] = f"its records do not go back far enough: it needs {needed}"
    return periods, not_made


def _name_people(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(load_sql("audit_person"))


def _count_months(
    connection: duckdb.DuckDBPyConnection, night: date, months: Sequence[Month], groups: Sequence[str], made: set[str]
) -> None:
    """Fill `audit_cell`."""
    first, size = months[0].first, len(months)
    connection.execute(load_sql("audit_stay"), {"first": first, "night": night})
    connection.execute(load_sql("audit_contact"), {"first": first, "night": night})
    lists = [*PROCESS_LISTS, "copd_review", "carers_assessment", "case_conference"]
    connection.execute(load_sql("audit_done"), {"lists": lists, "night": night})
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE audit_ready_provider AS SELECT DISTINCT provider FROM patient_activity"
        " WHERE activity_kind = 'spell' AND clinically_ready_date IS NOT NULL"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE audit_cell (world INTEGER, measure VARCHAR, month INTEGER, band INTEGER,"
        " dimension VARCHAR, value VARCHAR, n DOUBLE, d DOUBLE, cases DOUBLE, at_risk DOUBLE, n2 DOUBLE, d2 DOUBLE,"
        " nd DOUBLE)"
    )
    _count_facts(connection, night, size, groups)
    _count_population(connection, size, groups)
    _count_states(connection, night, size, groups)
    _count_conferences(connection, size, "neighbourhood" in groups)
    connection.execute("DELETE FROM audit_cell WHERE measure NOT IN (SELECT unnest($made))", {"made": sorted(made)})


def _grouped(sql: str, groups: Sequence[str]) -> str:
    """A statement with its dimensions written in."""
    named = " ".join(f"WHEN grouping({group}) = 0 THEN '{group}'" for group in groups)
    return (
        sql.replace("/* dimension */", f"CASE {named} ELSE 'system' END")
        .replace("/* value */", f"coalesce({', '.join(groups)}, 'all')")
        .replace("/* sets */", ", ".join(["()", *(f"({group})" for group in groups)]))
    )


def _count_facts(connection: duckdb.DuckDBPyConnection, night: date, months: int, groups: Sequence[str]) -> None:
    kinds = {"measure": "VARCHAR", "provider": "VARCHAR", "person": "INTEGER", "month": "INTEGER", "band": "INTEGER"}
    columns = ", ".join(f"{name} {kinds.get(name, 'INTEGER')}" for name in _FACT_COLUMNS)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE audit_fact ({columns})")
    for name in _FACTS:
        given = {"months": months, "night": night}
        sql = load_sql(name)
        connection.execute(
            f"INSERT INTO audit_fact BY NAME {sql}", {key: value for key, value in given.items() if f"${key}" in sql}
        )
    connection.execute(
        "UPDATE audit_fact SET at_risk = if(list_contains($person_time, measure), 0, 1), n2 = coalesce(n2, 0),"
        " d2 = coalesce(d2, 0), nd = coalesce(nd, 0)",
        {"person_time": list(_PERSON_TIME)},
    )
    connection.execute(_grouped(load_sql("audit_cells"), [*groups, "provider"]), {"months": months})
    # Things that no provider did (a person is discussed, not a provider) make a group without a name.
    connection.execute("DELETE FROM audit_cell WHERE dimension = 'provider' AND value = 'all'")


def _count_population(connection: duckdb.DuckDBPyConnection, months: int, groups: Sequence[str]) -> None:
    """Person-days: the denominators of the measures of the population; `audit_value` makes years of them."""
    connection.execute(_grouped(load_sql("audit_population"), groups), {"months": months})
    for measure in MEASURES:
        if measure.name not in _PERSON_TIME:
            continue
        band, aged = ("band", measure.lowest_age // 5) if measure.is_standardised else ("NULL", -1)
        connection.execute(
            f"INSERT INTO audit_cell SELECT world, $measure, month, {band}, dimension, value, 0,"  # noqa: S608  # a word of this module
            " sum(months * (last_day - first_day + 1)), 0, sum(months), 0, 0, 0"
            " FROM audit_population JOIN audit_month USING (month) WHERE coalesce(band, -1) >= $aged GROUP BY ALL",
            {"measure": measure.name, "aged": aged},
        )


def _count_states(connection: duckdb.DuckDBPyConnection, night: date, months: int, groups: Sequence[str]) -> None:
    processes = "".join(
        f"coalesce(bit_or(audit_months(month, month + 11)) FILTER (list = '{name}'), 0) AS {name}, "
        for name in PROCESS_LISTS
    )
    done = "".join(f"coalesce({name}, 0) AS {name}, " for name in PROCESS_LISTS)
    all_eight = " & ".join(f"coalesce({name}, 0)" for name in PROCESS_LISTS)
    sql = load_sql("audit_state").replace("/* processes */", processes)
    connection.execute(
        sql.replace("/* processes_done */", f"{done}{all_eight} AS all_eight,"), {"months": months, "night": night}
    )
    pairs = sorted({*_STATES.values(), *((cohort, cohort) for cohort, _ in _STATES.values())})
    flags = ", ".join(f"audit_in({cohort} & {what}, month) AS {cohort}_{what}" for cohort, what in pairs)
    sums = ", ".join(f"sum({cohort}_{what})::DOUBLE AS {cohort}_{what}" for cohort, what in pairs)
    summed = load_sql("audit_state_cells").replace("/* flags */", flags).replace("/* sums */", sums)
    connection.execute(_grouped(summed, groups), {"months": months})
    for measure, (cohort, what) in _STATES.items():
        connection.execute(
            f"INSERT INTO audit_cell SELECT world, $measure, month, NULL, dimension, value, {cohort}_{what},"  # noqa: S608  # names of this module
            f" {cohort}_{cohort}, {cohort}_{what}, {cohort}_{cohort}, 0, 0, 0 FROM audit_state_sum",
            {"measure": measure},
        )


def _count_conferences(connection: duckdb.DuckDBPyConnection, months: int, by_neighbourhood: bool) -> None:
    """Different days on which a provider discussed somebody; every group that could have had one counts each month."""
    dimensions = {"practice": "practice", "provider": "provider", "system": "'all'"}
    if by_neighbourhood:
        dimensions["neighbourhood"] = "neighbourhood"
    for dimension, value in dimensions.items():
        connection.execute(
            "INSERT INTO audit_cell BY NAME"  # noqa: S608  # names of this module
            f" WITH held AS (SELECT {value} AS value, month, provider, day FROM audit_done"
            " JOIN audit_person USING (person) WHERE list = 'case_conference' AND world = 0 AND month >= 0),"
            " counted AS (SELECT value, month, count(DISTINCT (provider, day)) AS n FROM held GROUP BY ALL)"
            " SELECT 0 AS world, 'case_conferences' AS measure, month, $dimension AS dimension, value,"
            " coalesce(n, 0) AS n, 1 AS d, coalesce(n, 0) AS cases, 1 AS at_risk,"
            " coalesce(n, 0) AS n2, 1 AS d2, 0 AS nd"
            " FROM (SELECT DISTINCT value FROM held) CROSS JOIN (SELECT unnest(range($months))::INTEGER AS month)"
            " LEFT JOIN counted USING (value, month)",
            {"dimension": dimension, "months": months},
        )


def _name_choices(
    connection: duckdb.DuckDBPyConnection, periods: Mapping[str, Sequence[Period]], dimensions: Sequence[str]
) -> None:
    """The small tables of choices that `audit_value` reads."""
    rows = [
        (name, p.first.isoformat(), p.last.isoformat(), str(p.months), str(number))
        for name, told in periods.items()
        for p in told
        for number in p.numbers
    ]
    _name_pairs(
        connection, "audit_period_text", ("measure", "period_start", "period_end", "period_months", "month"), rows
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE audit_period AS SELECT measure, period_start::DATE AS period_start,"
        " period_end::DATE AS period_end, period_months::INTEGER AS period_months, month::INTEGER AS month"
        " FROM audit_period_text"
    )
    pairs = [(m.name, d) for m in MEASURES for d in m.dimensions if d in dimensions]
    _name_pairs(connection, "audit_dimension", ("measure", "dimension"), pairs)
    kinds = [(m.name, str(m.is_standardised), str(m.name in _PERSON_TIME)) for m in MEASURES]
    _name_pairs(connection, "audit_kind_text", ("measure", "is_standardised", "is_person_time"), kinds)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE audit_kind AS SELECT measure, is_standardised::BOOLEAN AS is_standardised,"
        " is_person_time::BOOLEAN AS is_person_time FROM audit_kind_text"
    )
    weights = [
        (m.name, str(band), str(weight)) for m in MEASURES if m.is_standardised
        for band, weight in enumerate(STANDARD_POPULATION) if 5 * band >= m.lowest_age
    ]  # fmt: skip
    _name_pairs(connection, "audit_weight_text", ("measure", "band", "weight"), weights)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE audit_weight AS SELECT measure, band::INTEGER AS band, weight::DOUBLE AS weight"
        " FROM audit_weight_text"
    )


def forget_counts(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what was counted exactly, and its memory."""
    names = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE temporary AND table_name LIKE 'audit\\_%' ESCAPE '\\'"
    ).fetchall()
    for (name,) in names:
        connection.execute(f'DROP TABLE "{name}"')
