"""Who is involved in somebody's care: the table `patient_care_team`.

What belongs here: which organisations count as involved, what each does, and what does not agree between them. What
does not: who is to be discussed (`conferences`), what is due (`gaps`), and what a purpose may see (`consumer`).

An organisation is involved with a living person if within the 12 months before the night it saw, treated or served
them, or recorded something of them; if it is their registered practice; or if it holds a care plan, gives a service or
knows an unpaid carer in force. Of several plans of one organisation the newest updated one stands for it; plans of
several organisations, or several coordinators in any plans in force, are shown on each row as a conflict, never settled
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_pipeline.consumer import Made, Reading
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import load_sql, scan, write_table
from registry_pipeline.tables import CONSUMER_TABLES

if TYPE_CHECKING:
    import duckdb

TABLE = CONSUMER_TABLES["patient_care_team"]

LIVING = """
SELECT patient_id FROM patient WHERE death_date IS NULL OR death_date > $night::DATE
"""
"""People whom somebody still cares for. A death is known from the night on that follows it."""

RULES = {
    "involved": "12 months before the night; registered practice; care plan, service or carer in force",
    "contact": "attended contacts (ATTENDED OR DID NOT ATTEND 5 or 6, or not told), stays, attendances and services",
    "care_plan": "started by the night and not ended by it; of one organisation's the newest updated",
    "coordinator": "of one organisation's the one in the newest updated plan that names any; all are counted",
    "carer": "caring begun by the night and not ended by it; of one organisation's the newest begun",
    "registered_practice": "never told of sensitive people, whose practice the registry withholds",
}
"""What the manifest says of how the table is made."""


def find_teams(reading: Reading, folder: Path) -> Made:
    """Write `patient_care_team`: one row per living person and organisation that is involved.

    Args:
        reading: one snapshot, for direct care.
        folder: where the table goes.

    Returns:
        Rows, and how many people have plans or coordinators that do not agree.

    Raises:
        RunFailed: the disk is full.
    """
    connection = reading.connection
    name_practices(connection)
    name_people(connection, LIVING, {"night": reading.night})
    path = folder / f"{TABLE.name}.parquet"
    ordered = f"{team_of_people()} ORDER BY patient_id, provider"
    rows = write_table(connection, ordered, TABLE, path, {"night": reading.night})
    told = _counts(connection, path)
    return Made(rows={TABLE.name: rows}, checks=_checks(told), about={"rules": RULES, "counts": told})


def name_practices(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the TEMP TABLE `team_practice`: the practice's own record of each person; and the macros of care teams."""
    connection.execute(load_sql("team_macros"))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE team_practice AS {load_sql('team_practice')}")


def name_people(
    connection: duckdb.DuckDBPyConnection, people: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """Say of whom `team_of_people` is to tell (TEMP TABLE `team_person`).

    Args:
        connection: the reading's.
        people: a SELECT of patient_id.
        parameters: bound to it; only those that it names.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE team_person AS {people}", dict(parameters or {}))


def team_of_people() -> str:
    """A SELECT of the table's columns for the people of `name_people`, after `name_practices`; parameter: $night."""
    return load_sql("team_table")


def _counts(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, int]:
    query = f"""
        SELECT
            (SELECT count(*) FROM team_person) AS people,
            count(DISTINCT patient_id) AS people_with_a_team,
            count(DISTINCT patient_id) FILTER (care_plans_in_force > 0) AS people_with_a_care_plan,
            count(DISTINCT patient_id) FILTER (coordinators > 0) AS people_with_a_coordinator,
            count(DISTINCT patient_id) FILTER ('several_care_plans' IN conflicts) AS several_care_plans,
            count(DISTINCT patient_id) FILTER ('several_coordinators' IN conflicts) AS several_coordinators,
            count(*) - count(DISTINCT (patient_id, provider)) AS rows_beside_another
        FROM {scan(path)}
    """  # noqa: S608  # a file of ours
    result = connection.execute(query)
    names = [column[0] for column in result.description or ()]
    return dict(zip(names, (int(count) for count in result.fetchall()[0]), strict=True))


def _checks(told: Mapping[str, int]) -> tuple[CheckOutcome, ...]:
    planned = told["people_with_a_care_plan"]
    return (
        CheckOutcome(
            name="one_row_per_person_and_organisation",
            passed=told["rows_beside_another"] == 0,
            reason="An organisation told twice would be counted twice.",
            failing=told["rows_beside_another"],
        ),
        CheckOutcome(
            name="care_plans_agree",
            passed=told["several_care_plans"] == 0,
            severity="info",
            dimension="plausibility",
            reason="Plans that several organisations made apart are to be made one.",
            observed=f"{told['several_care_plans']} of {planned} people with a plan have several",
        ),
        CheckOutcome(
            name="coordinators_agree",
            passed=told["several_coordinators"] == 0,
            severity="info",
            dimension="plausibility",
            reason="Somebody with two coordinators has none who knows that it is them.",
            observed=f"{told['several_coordinators']} of {planned} people with a plan have several",
        ),
    )
