"""A made-up `audit_measure` with everything that a page must be able to show: signals, hidden numbers, nothing at all."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from registry_pipeline.audit import funnel
from registry_pipeline.audit.measures import MEASURES, Measure
from registry_pipeline.config import Configuration, Deployment, Provider
from registry_pipeline.consumer import Reading
from registry_pipeline.tables import CONSUMER_TABLES

NIGHT = date(2026, 4, 2)
MONTHS = [date(2024 + (3 + n) // 12, (3 + n) % 12 + 1, 1) for n in range(24)]
"""April 2024 to March 2026."""

COLUMNS = CONSUMER_TABLES["audit_measure"].column_names
USUAL = {"share": 0.62, "rate": 14.0, "mean": 6.2, "standardised": 212.0}
ETHNICITIES = ("Asian", "Black", "Mixed", "Other", "White", "not known")
PRACTICES = ("A81001", "A81002", "B81003", "B81004", "C81005", "C81006")
PROVIDERS = ("RX1", "RY1")
NEIGHBOURHOODS = {"North Made-Up": PRACTICES[:3], "South Made-Up": PRACTICES[3:]}

Row = dict[str, Any]


def month_end(start: date) -> date:
    """The last day of a month."""
    return (start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def units(
    practices: Sequence[str], providers: Sequence[str], neighbourhoods: Sequence[str]
) -> list[tuple[str, str, float]]:
    """Every organisation and group, and how large it is."""
    return [
        ("system", "all", 6000.0),
        *(("practice", name, 300.0 + 160.0 * (n % 9)) for n, name in enumerate(practices)),
        *(("provider", name, 2500.0) for name in providers),
        *(("neighbourhood", name, 1500.0) for name in neighbourhoods),
        *(("ethnicity", name, 900.0 - 140 * n) for n, name in enumerate(ETHNICITIES)),
        *(("deprivation", str(n), 1200.0) for n in range(1, 6)),
        ("lsoa", "E01000001", 90.0),
    ]  # fmt: skip


def rows(
    measures: Sequence[Measure] = MEASURES,
    practices: Sequence[str] = PRACTICES,
    providers: Sequence[str] = PROVIDERS,
    neighbourhoods: Sequence[str] = tuple(NEIGHBOURHOODS),
) -> list[Row]:
    """Rows of every measure by every dimension that it has."""
    chance = random.Random(5)
    made: list[Row] = []
    for measure in measures:
        for dimension, name, size in units(practices, providers, neighbourhoods):
            if dimension in measure.dimensions:
                made += _series(measure, dimension, name, size, chance)
    return made


def _series(measure: Measure, dimension: str, name: str, size: float, chance: random.Random) -> list[Row]:
    usual = USUAL[measure.kind]
    lean = 1 + chance.gauss(0, 0.05) * (dimension != "system")
    noise = 0.25 / math.sqrt(size / 40)
    values = [usual * lean * (1 + chance.gauss(0, noise)) for _ in MONTHS]
    months = MONTHS[-1:] if measure.only_latest else MONTHS
    made = [
        _row(measure, dimension, name, start, 1, value, size / 12) for start, value in zip(months, values, strict=False)
    ]
    if not measure.is_state and not measure.only_latest:
        limits = {
            "centre": usual * lean, "limit_low": usual * lean * (1 - 3 * noise), "limit_high": usual * lean * (1 + 3 * noise),
        }  # fmt: skip
        made = [{**row, **limits, **_beyond(measure, row["value"], limits)} for row in made]
    years = [MONTHS[12]] if measure.only_latest else [MONTHS[0], MONTHS[12]]
    for start in years:
        year = _row(measure, dimension, name, start, 12, usual * lean, size)
        if dimension in ("practice", "provider") and measure.counts_people:
            year["funnel"] = _side(measure, year["value"], usual, size)
        if measure.is_moved_by_linkage:
            year |= {"linkage_low": year["value"] * 0.985, "linkage_high": year["value"] * 1.004}
        made.append(year)
    return made


def _row(measure: Measure, dimension: str, name: str, start: date, months: int, value: float, size: float) -> Row:
    if measure.kind == "share":
        value = min(value, 0.99)
    last = MONTHS[MONTHS.index(start) + months - 1]
    spread = 1.96 * value / math.sqrt(max(size, 8) * (value if measure.kind == "share" else 0.4))
    return dict.fromkeys(COLUMNS) | {
        "measure": measure.name, "title": measure.title, "dimension": dimension, "value_of_dimension": name,
        "period_start": start, "period_end": month_end(last), "period_months": months,
        "numerator": float(round(value * size / measure.per)), "denominator": float(round(size)), "value": value,
        "per": measure.per, "unit": measure.unit, "interval_low": max(value - spread, 0.0),
        "interval_high": min(value + spread, 1.0) if measure.kind == "share" else value + spread,
        "is_suppressed": False, "is_standardised": measure.is_standardised, "better": measure.better,
    }  # fmt: skip


def _beyond(measure: Measure, value: float, limits: Mapping[str, float]) -> Row:
    if limits["limit_low"] <= value <= limits["limit_high"]:
        return {}
    high = value > limits["centre"]
    says = "change" if measure.better == "neither" else "improvement" if high == (measure.better == "up") else "concern"
    return {"signal": "outside_limits", "signal_is": says}


def _side(measure: Measure, value: float, centre: float, size: float) -> str:
    found = funnel.limits(measure, centre, size)
    if found is None:
        return "within"
    low_998, low_95, high_95, high_998 = found
    judged = [(value > high_998, "above_99_8"), (value < low_998, "below_99_8"), (value > high_95, "above_95"),
              (value < low_95, "below_95")]  # fmt: skip
    return next((side for beyond, side in judged if beyond), "within")


def hidden(row: Row) -> Row:
    """A row as the rule of small numbers leaves it."""
    nothing = dict.fromkeys(("numerator", "denominator", "value", "interval_low", "interval_high", "centre", "limit_low",
                             "limit_high", "signal", "signal_is", "funnel", "linkage_low", "linkage_high"))  # fmt: skip
    return {**row, **nothing, "is_suppressed": True}


def changed(made: Sequence[Row], change: Mapping[str, Any], **where: Any) -> list[Row]:
    """Rows with some columns changed, where others have given values; fails where there is no such row."""
    chosen = [all(row[name] == value for name, value in where.items()) for row in made]
    assert any(chosen), where
    return [{**row, **change} if meant else row for row, meant in zip(made, chosen, strict=True)]


def hiding(made: Sequence[Row], **where: Any) -> list[Row]:
    """Rows with those hidden that have given values."""
    return [hidden(row) if all(row[name] == value for name, value in where.items()) else row for row in made]


def told_in_full() -> list[Row]:
    """The made-up table with every case: what a page of A81001 and the system's must show."""
    made = rows()
    admissions = {"measure": "emergency_admissions_65", "dimension": "practice", "value_of_dimension": "A81001"}
    for start in MONTHS[-7:]:
        made = changed(
            made,
            {"value": 251.0, "signal": "shift", "signal_is": "concern"},
            **admissions,
            period_start=start,
            period_months=1,
        )
    for start in MONTHS[:12]:  # counted anew from April 2025 on
        made = changed(
            made,
            {"centre": 190.0, "limit_low": 150.0, "limit_high": 230.0},
            **admissions,
            period_start=start,
            period_months=1,
        )
    plans = {"measure": "readmission_30_days", "dimension": "practice", "value_of_dimension": "A81001"}
    made = changed(
        made,
        {"value": 0.41, "signal": "outside_limits", "signal_is": "improvement"},
        **plans,
        period_start=MONTHS[-1],
        period_months=1,
    )
    made = hiding(made, measure="long_stays", dimension="practice", value_of_dimension="A81001")
    made = hiding(made, measure="diabetes_hba1c", dimension="ethnicity", value_of_dimension="Mixed")
    made = hiding(made, **plans, period_start=MONTHS[3], period_months=1)
    far = {"value": 0.98, "funnel": "above_99_8", "interval_low": 0.95, "interval_high": 0.99}
    made = changed(
        made, far, measure="care_plan_coverage", dimension="practice", value_of_dimension="A81001", period_months=12
    )
    low = {
        "value": 0.21,
        "funnel": "below_99_8",
        "interval_low": 0.18,
        "interval_high": 0.24,
        "linkage_low": 0.15,
        "linkage_high": 0.29,
    }
    return changed(
        made, low, measure="coordinator_coverage", dimension="practice", value_of_dimension="A81001", period_months=12
    )


def configuration(folder: Path, neighbourhoods: Mapping[str, Sequence[str]] | None = None) -> Configuration:
    """A deployment with two providers, one of them without a name."""
    teams = NEIGHBOURHOODS if neighbourhoods is None else neighbourhoods
    deployment = Deployment(
        name="Made-up Integrated Care System", neighbourhoods={k: tuple(v) for k, v in teams.items()}
    )
    provider = Provider.model_validate({
        "provider": "RX1", "name": "St Made-Up's Hospital", "setting": "acute",
        "feeds": {"patient": {"source": {"kind": "csv", "path": "patients.csv"}}},
    })  # fmt: skip
    return Configuration(directory=folder, home=folder / "home", deployment=deployment, providers={"RX1": provider})


@contextmanager
def opened(made: Sequence[Row], folder: Path, **more: Any) -> Iterator[Reading]:
    """A reading whose connection has the view `audit_measure` of these rows."""
    import pyarrow as pa

    table = pa.Table.from_pylist(list(made), schema=_schema())
    with closing(duckdb.connect()) as connection:
        connection.register("made_up_rows", table)
        connection.execute("CREATE TEMP VIEW audit_measure AS FROM made_up_rows")
        yield Reading(configuration(folder, **more), "audit", "2026-04-02.1", NIGHT, connection)


def _schema() -> Any:
    import pyarrow as pa

    types: dict[str, Callable[[], Any]] = {
        "VARCHAR": pa.string, "DATE": pa.date32, "DOUBLE": pa.float64, "INTEGER": pa.int32, "BOOLEAN": pa.bool_,
    }  # fmt: skip
    return pa.schema([(c.name, types[c.type]()) for c in CONSUMER_TABLES["audit_measure"].columns])
