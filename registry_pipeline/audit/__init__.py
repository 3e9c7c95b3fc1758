"""Clinical audit: measures by organisation, area, group and month, with their intervals and signals.

What belongs here: the table `audit_measure` and its pages. What does not: code lists (`codes`), and the arithmetic of
control charts (`xmr`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline import codes
from registry_pipeline.audit import cells, table
from registry_pipeline.audit.measures import BY_NAME, MEASURES
from registry_pipeline.config import Configuration
from registry_pipeline.consumer import Made, Reading
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import scan, write_table
from registry_pipeline.tables import CONSUMER_TABLES, LINKAGE_ALTERNATIVE

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = CONSUMER_TABLES["audit_measure"]

LIMITATIONS: tuple[str, ...] = (
    (
        "Denominators are people alive (and born) by the period as the registry knows them: it holds no history of"
        " registrations, so that people who moved away are in them, at the practice and address that they have now."
    ),
    "Groups (practice, area, ethnicity, deprivation) are those of the person tonight, for earlier periods too.",
    "Admissions of one person are taken as independent of each other in the intervals of rates.",
    "Funnels do not model that practices differ for reasons that are no chance (overdispersion).",
    "Measures of a state at a period's end have no control limits: successive months share most of what they count.",
    "A provider is judged among those of its own setting, and not at all where it is the only one.",
    "Rates of the population are not told by provider: nobody lives at a hospital.",
    "A series with a hidden month, or of fewer than one event a month, has no control limits.",
)
"""What a reader has to know of every figure."""

SMALL_NUMBERS = (
    "Counts of 1 to 7 people or stays are hidden with their whole row, others rounded to the nearest 5; shares and"
    " rates are made of rounded counts, and their intervals and places in a funnel allow for what rounding leaves open;"
    " means and standardised rates (to three figures) are shown where 8 or more stand behind them. Where"
    " a hidden row would follow from a total and the rows beside it (months of a year, groups of a dimension, practices"
    " of a neighbourhood), another row is hidden as well. Not defended against: several breakdowns, measures or nights,"
    " or successive months of a state, taken together."
)
"""The rule, in words."""


def check(configuration: Configuration) -> None:
    """Refuse choices of a deployment that audit cannot follow, before a night rests on them.

    Raises:
        BadInput: audit.rebase names a measure that there is none of or a day within a month, or a code list of audit's
            cannot be used.
    """
    table.refuse_unusable_rebase(configuration)
    for name in cells.CODE_LISTS:
        codes.load(configuration, name)


def measure(reading: Reading, folder: Path) -> Made:
    """Count every measure, and write `audit_measure.parquet` and its pages.

    Args:
        reading: one published snapshot, for the purpose audit.
        folder: where the table and its pages go.

    Raises:
        BadInput: a code list, the list of postcodes or a name under audit.rebase cannot be used.
    """
    from registry_pipeline.audit.pages import write_pages

    connection, audit = reading.connection, reading.configuration.deployment.audit
    check(reading.configuration)
    counted = cells.count(reading)
    is_linkage_known = LINKAGE_ALTERNATIVE.name not in reading.absent
    rows = table.shown(counted, audit.rebase, is_linkage_known=is_linkage_known)
    file = folder / f"{TABLE.name}.parquet"
    connection.register("audit_shown", rows)
    order = ", ".join(TABLE.key)
    written = write_table(connection, f"SELECT * FROM audit_shown ORDER BY {order}", TABLE, file)  # noqa: S608  # columns of tables.py
    connection.unregister("audit_shown")
    cells.forget_counts(connection)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {TABLE.name} AS FROM {scan(file)}")
    pages = write_pages(connection, reading, folder, MEASURES, not_made=counted.not_made, steps=_steps(counted))
    about = _about(reading, counted, is_linkage_known=is_linkage_known)
    return Made({TABLE.name: written}, tuple(_checks(counted, rows)), about, tuple(pages))


def _about(reading: Reading, counted: cells.Counted, *, is_linkage_known: bool) -> dict[str, Any]:
    asked = reading.configuration.deployment.audit.months
    return {
        "months_asked": asked,
        "records_begin": {kind: day.isoformat() for kind, day in counted.begins.items()},
        "providers_begin_later": {
            kind: {provider: day.isoformat() for provider, day in providers.items()}
            for kind, providers in counted.begins_later.items()
        },
        "providers_without_admission_method": list(counted.without_method),
        "providers_end_early": {
            kind: {provider: day.isoformat() for provider, day in providers.items()}
            for kind, providers in counted.ends_early.items()
        },
        "measures": {
            name: {
                "source": BY_NAME[name].source,
                "first_period": min(p.first for p in periods).isoformat(),
                "last_period_ends": max(p.last for p in periods).isoformat(),
                "months": sum(p.months == 1 for p in periods),
                "years": sum(p.months == 12 for p in periods),
            }
            for name, periods in counted.periods.items()
        },
        "not_counted": dict(counted.not_made),
        "code_lists": {name: dict(said) for name, said in counted.lists.items()},
        "linkage": (
            {"moves": [float(move) for move in counted.moves]}
            if is_linkage_known
            else "Not known: no link stage told whose records would be whose at a moved threshold, so linkage_low and"
            " linkage_high are empty."
        ),
        "small_numbers": SMALL_NUMBERS,
        "limitations": list(LIMITATIONS),
    }


_KINDS = {
    "spell": "Hospital stays",
    "contact": "Contacts outside hospital",
    "observation": "Care processes",
    "care_plan": "Care plans",
}
"""Kinds of record of which a provider can begin late or stop early."""


def _steps(counted: cells.Counted) -> list[str]:
    """Where a series steps because records begin or end, or lacks a provider's, as sentences."""
    return [
        *(
            f"No stay from {provider} says how somebody was admitted: none of them counts as an emergency."
            for provider in counted.without_method
        ),
        *(
            f"{_KINDS[kind]} from {provider} {what} {day:%B %Y}: a step there is no change of care."
            for what, of in (("begin in", counted.begins_later), ("end with", counted.ends_early))
            for kind, providers in of.items()
            for provider, day in providers.items()
        ),
    ]


def _by_reason(not_made: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, why in not_made.items():
        found.setdefault(why, []).append(name)
    return found


def _checks(counted: cells.Counted, rows: pa.Table) -> list[CheckOutcome]:
    import pyarrow.compute as pc

    hidden = int(pc.sum(rows["is_suppressed"]).as_py() or 0)
    return [
        CheckOutcome(
            name="every_measure_is_counted",
            passed=not counted.not_made,
            severity="warning",
            dimension="completeness",
            reason="; ".join(f"{why}: {', '.join(names)}" for why, names in _by_reason(counted.not_made).items()),
            observed=f"{len(counted.periods)} of {len(MEASURES)} measures",
        ),
        CheckOutcome(
            name="every_provider_has_the_whole_history",
            passed=not _steps(counted),
            severity="warning",
            dimension="completeness",
            reason=" ".join(_steps(counted)),
        ),
        CheckOutcome(
            name="rows_hidden_by_small_numbers",
            passed=True,
            severity="info",
            dimension="plausibility",
            observed=f"{hidden:,} of {rows.num_rows:,} rows",
        ),
    ]
