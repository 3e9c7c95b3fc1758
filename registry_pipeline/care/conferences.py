"""Whom a neighbourhood team should discuss: the table `case_conference_list`, and a page for each team.

What belongs here: the rule by which people are listed and ranked, with its figures and their reasons, and the summary
of a person over all settings. What does not: scores (`risk`), what is due (`gaps`), who is involved (`teams`), how a
page looks (`conference_pages`), and what the purpose may see (`consumer`).

The rule. Somebody is listed who is alive, belongs to a team by their practice, has a reason (high or very high risk, a
risk that has risen, an emergency admission in 90 days, a discharge in 30 days, or a step of care that is due), and was
not discussed in the last `again_after_days` days, unless they had an emergency admission since. Of these each team gets
as many as its meetings have room for, those with most points first, and by patient_id where points are the same.

Points are the sum of three parts, where one point is one percentage point of probability of an emergency admission in
12 months, so that whoever chairs can check a place on the list by hand:

* risk: the probability as a percentage. Where there is no probability, what the published scores say stands for it;
* recent change: by how many percentage points the probability rose since the last night, `POINTS_OF_EMERGENCY` for each
  emergency admission in 90 days, and `POINTS_OF_DISCHARGE` for a discharge in 30 days;
* open gaps: `POINTS_OF_GAP` each, more where something was lost between settings.

Each part only ever adds, so a higher probability, another admission or another gap never takes anybody down the list.
The list helps to choose; it is no decision about anybody, and the team may discuss whom it will.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from registry_pipeline import codes
from registry_pipeline.care import teams
from registry_pipeline.care.conference_pages import Standing, write_pages
from registry_pipeline.consumer import Made, Reading
from registry_pipeline.outcomes import CheckOutcome
from registry_pipeline.storage import load_sql, scan, write_table
from registry_pipeline.tables import CONSUMER_TABLES

if TYPE_CHECKING:
    import duckdb

TABLE = CONSUMER_TABLES["case_conference_list"]

POINTS_OF_PROBABILITY = 100.0
"""Points of a probability of 1: a point is a percentage point."""

PUBLISHED_HIGH, PUBLISHED_MODERATE = 0.30, 0.15
"""What stands for a probability where none was estimated and a published score is high or moderate. Not fitted: they
put such people among those of high risk, and below somebody with a probability that is higher still."""

CHARLSON_HIGH, CHARLSON_MODERATE = 5, 3
"""Charlson index (updated weights) from which comorbidity counts as high or moderate: the usual bands 1-2, 3-4 and 5 or
more. The frailty scores have the bands of their authors. The Cambridge Multimorbidity Score publishes none."""

RECENT_DAYS = 90
"""Days in which an emergency admission is recent: most of the excess risk after one falls in these, and a fitted
probability knows of it only as of the night that it was made."""

POINTS_OF_EMERGENCY, MOST_EMERGENCIES = 10.0, 3
"""Of each recent emergency admission, and how many count: a fourth says nothing that the third did not."""

DISCHARGE_DAYS, POINTS_OF_DISCHARGE = 30, 10.0
"""Days after a stay of a night or more in which somebody is newly home, the usual window of readmission: what was
changed in hospital is to be taken over by those who care for them at home."""

RISE_WORTH_SAYING = 0.05
"""A rise of the probability from which it is a reason by itself; smaller ones only add their points."""

BEFORE_DAYS = 90
"""Days back that an earlier probability may lie: an older one says nothing of recent change."""

POINTS_OF_GAP, POINTS_OF_SEAMLESSNESS_GAP, MOST_GAP_POINTS = 1.0, 5.0, 10.0
"""Of each step that is due; of each that fell between two settings, which is what a conference of all settings can
mend; and of all gaps of a person: a recall system finds overdue checks, a meeting is not for counting them."""

REASONS_SHOWN = 3
"""Of what raises somebody's probability, how much is told beside it: a line, not a list."""

CONFERENCE_LIST = "case_conference"
"""Code list of observations that say that somebody was discussed."""

CONDITIONS: tuple[tuple[str, str], ...] = (
    ("palliative_care", "palliative care"),
    ("severe_frailty", "severe frailty"),
    ("frailty", "frailty"),
    ("dementia", "dementia"),
    ("cancer", "cancer"),
    ("severe_mental_illness", "severe mental illness"),
    ("learning_disability", "learning disability"),
    ("heart_failure", "heart failure"),
    ("copd", "COPD"),
    ("diabetes", "diabetes"),
)
"""Code lists that the summary names conditions by, in its order, and their plain names."""

MORE_CONDITIONS = "cambridge_multimorbidity"
"""Code list whose items name every other long-term condition."""

PLAIN_NAMES = {
    "anorexia_bulimia": "anorexia or bulimia", "anxiety_depression": "anxiety or depression", "copd": "COPD",
    "eczema_psoriasis": "eczema or psoriasis", "parkinsons_disease": "Parkinson's disease",
    "prostate_disorders": "prostate disorder", "psychosis_bipolar": "severe mental illness",
    "stroke_tia": "stroke or TIA", "thyroid_disorders": "thyroid disorder",
    "connective_tissue_disorders": "connective tissue disorder",
}  # fmt: skip
"""Names of its items that do not read well, or that a list above gives already; others are named as they are."""


def list_conferences(reading: Reading, folder: Path) -> Made:
    """Write `case_conference_list` and a page for each neighbourhood team.

    Args:
        reading: one snapshot, for the purpose `case_conference`.
        folder: where the table and `pages/` go.

    Returns:
        Rows, checks and pages; `about` says which code lists were used, what was missing, and how many people have a
        reason but no team.

    Raises:
        BadInput: a code list cannot be used.
        RunFailed: the disk is full.
    """
    connection, night = reading.connection, {"night": reading.night}
    connection.execute(load_sql("conference_macros"))
    used = _name_meanings(reading)
    _score(reading)
    choices = reading.configuration.deployment.case_conferences
    room = {"capacity": choices.capacity, "meetings": choices.meetings}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE conference_listed AS {load_sql('conference_listed')}", room)
    teams.name_people(connection, "SELECT patient_id FROM conference_listed")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE conference_involved AS {teams.team_of_people()}", night)
    path = folder / f"{TABLE.name}.parquet"
    ordered = f"FROM ({load_sql('conference_table')}) ORDER BY neighbourhood, rank"
    rows = write_table(connection, ordered, TABLE, path, {**night, "reasons_shown": REASONS_SHOWN})
    teamless, missing = _teamless(connection), _missing(reading)
    pages = write_pages(reading, path, folder / "pages", _by_team(connection), missing=missing, teamless=teamless)
    about = {
        "rule": {name.lower(): globals()[name] for name in RULE},
        **room,
        "again_after_days": choices.again_after_days,
        "code_lists": {name: code_list.about for name, code_list in used.items()},
        "missing": list(missing),
        "people_without_a_team": teamless,
    }
    return Made({TABLE.name: rows}, _checks(reading, path, teamless), about, pages)


RULE = (
    "POINTS_OF_PROBABILITY", "PUBLISHED_HIGH", "PUBLISHED_MODERATE", "CHARLSON_HIGH", "CHARLSON_MODERATE",
    "RECENT_DAYS", "POINTS_OF_EMERGENCY", "MOST_EMERGENCIES", "DISCHARGE_DAYS", "POINTS_OF_DISCHARGE",
    "RISE_WORTH_SAYING", "BEFORE_DAYS", "POINTS_OF_GAP", "POINTS_OF_SEAMLESSNESS_GAP", "MOST_GAP_POINTS",
)  # fmt: skip
"""The figures of the rule: bound to the SQL by these names, and told in the manifest."""


def _name_meanings(reading: Reading) -> Mapping[str, codes.CodeList]:
    """Name what codes mean, and the plain names of conditions (TEMP TABLE `conference_condition`)."""
    wanted = (CONFERENCE_LIST, MORE_CONDITIONS, *(name for name, _ in CONDITIONS))
    used = codes.name_meanings(reading.connection, reading.configuration, wanted)
    named: list[tuple[str, str | None, str]] = [(name, None, words) for name, words in CONDITIONS]
    items = used[MORE_CONDITIONS].items
    named += [(MORE_CONDITIONS, item, PLAIN_NAMES.get(item, item.replace("_", " "))) for item in items]
    reading.connection.execute(
        "CREATE OR REPLACE TEMP TABLE conference_condition AS"
        " SELECT unnest($list::VARCHAR[]) AS list, unnest($item::VARCHAR[]) AS item, unnest($word::VARCHAR[]) AS word,"
        " unnest(range(len($list::VARCHAR[]))) AS place",
        {"list": [n for n, _, _ in named], "item": [i for _, i, _ in named], "word": [w for _, _, w in named]},
    )
    return used


def _score(reading: Reading) -> None:
    """Make the TEMP TABLEs `conference_team` and `conference_scored`."""
    connection, deployment = reading.connection, reading.configuration.deployment
    teams.name_practices(connection)
    grouped = [(practice, name) for name, practices in deployment.neighbourhoods.items() for practice in practices]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE conference_team AS {load_sql('conference_team')}",
        {"practices": [p for p, _ in grouped], "neighbourhoods": [n for _, n in grouped], "night": reading.night},
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE conference_scored AS {load_sql('conference_scored')}",
        {
            **{name.lower(): globals()[name] for name in RULE},
            "night": reading.night,
            "again_after_days": deployment.case_conferences.again_after_days,
            "conference_list": CONFERENCE_LIST,
            "spells_known": _has_spells(connection),
            "gaps_known": "care_gap" not in reading.absent,
        },
    )


def _has_spells(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(connection.execute("FROM patient_activity SELECT 1 WHERE activity_kind = 'spell' LIMIT 1").fetchall())


def _by_team(connection: duckdb.DuckDBPyConnection) -> dict[str, Standing]:
    """Each team by name, those with nobody to tell of too."""
    rows = connection.execute("""
        WITH
        open_to AS (
            SELECT neighbourhood, patient_id, has_new_reason OR NOT was_discussed AS is_open
            FROM conference_scored
            WHERE neighbourhood IS NOT NULL AND has_reason
        )
        SELECT
            neighbourhood,
            list(DISTINCT gp_practice ORDER BY gp_practice),
            (SELECT count(*) FROM conference_listed AS l WHERE l.neighbourhood = team.neighbourhood),
            (SELECT count(*) FROM open_to AS o WHERE o.neighbourhood = team.neighbourhood AND is_open),
            (SELECT count(*) FROM open_to AS o WHERE o.neighbourhood = team.neighbourhood AND NOT is_open)
        FROM conference_team AS team
        GROUP BY neighbourhood
        ORDER BY neighbourhood
    """).fetchall()
    return {
        name: Standing(tuple(practices), int(listed), int(open_to) - int(listed), int(discussed))
        for name, practices, listed, open_to, discussed in rows
    }


def _teamless(connection: duckdb.DuckDBPyConnection) -> int:
    """People with a grave reason who are on nobody's list: their practice is not known, withheld or outside."""
    query = "SELECT count(*) FROM conference_scored WHERE neighbourhood IS NULL AND has_grave_reason"
    return int(connection.execute(query).fetchall()[0][0])


def _missing(reading: Reading) -> tuple[str, ...]:
    """What the list had to do without, in sentences for its readers."""
    connection = reading.connection
    said = []
    if "risk_stratification" in reading.absent:
        said.append("Risk was not estimated for this night: people are ranked by recent change and open gaps only.")
    elif not connection.execute(
        "FROM risk_stratification SELECT 1 WHERE emergency_admission_probability IS NOT NULL LIMIT 1"
    ).fetchall():
        said.append(
            "No model of emergency admission is fitted: published frailty and comorbidity scores stand for the risk."
        )
    if "risk_before" in reading.absent:
        said.append("There is no earlier night to compare the risk with: a change of risk is not known.")
    if "care_gap" in reading.absent:
        said.append("Care gaps were not found for this night: what is due is not known.")
    if not _has_spells(connection):
        said.append("No provider delivers hospital stays: emergency admissions and discharges are not known.")
    if not connection.execute("FROM patient_observation SELECT 1 LIMIT 1").fetchall():
        said.append("No provider delivers observations: when people were last discussed is not known.")
    return tuple(said)


def _checks(reading: Reading, path: Path, teamless: int) -> tuple[CheckOutcome, ...]:
    choices = reading.configuration.deployment.case_conferences
    query = f"""
        WITH made AS (FROM {scan(path)})
        SELECT
            (SELECT count(*) FROM (FROM made SELECT 1 GROUP BY neighbourhood, meeting HAVING count(*) > $capacity)),
            count(*) FILTER (practice_record_id IS NULL),
            count(*)
        FROM made
    """  # noqa: S608  # a file of ours
    over, keyless, listed = reading.connection.execute(query, {"capacity": choices.capacity}).fetchall()[0]
    return (
        CheckOutcome(
            name="meetings_within_capacity",
            passed=over == 0,
            reason="A meeting that is given more people than it can discuss discusses none of them well.",
            failing=int(over),
        ),
        CheckOutcome(
            name="everybody_listed_has_a_practice_record",
            passed=keyless == 0,
            severity="warning",
            dimension="completeness",
            reason="The team opens a person in its own system by the practice's record.",
            observed=f"{keyless} of {listed} people listed have none",
        ),
        CheckOutcome(
            name="everybody_with_a_grave_reason_has_a_team",
            passed=teamless == 0,
            severity="warning",
            dimension="completeness",
            reason="People whose practice is not known, withheld or outside are on nobody's list.",
            observed=f"{teamless} people",
        ),
        CheckOutcome(
            name="risk_and_gaps_are_known",
            passed=not {"risk_stratification", "care_gap"} & reading.absent,
            severity="warning",
            dimension="completeness",
            reason="Without them the list ranks by what is left.",
            observed=", ".join(sorted({"risk_stratification", "care_gap"} & reading.absent)) or "both",
        ),
    )
