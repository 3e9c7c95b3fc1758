"""The pages of case conferences: one for each neighbourhood team, and an index.

What belongs here: what a page says of each person, and its head: for whom, for what, of which night. What does not:
who is listed and why (`conferences`), and the frame of a page (`pages.shell`).

No personal value stands on a page: no name, NHS number, birth date, address or contact, and nothing that a provider
wrote as text. A person is known by the practice's own record and the patient_id, by which the team opens them in its
own system. A record whose id is an NHS number, or holds the person's family name or birth date, is not shown either,
nor a coordinator's id that is text or such a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry_pipeline.consumer import Reading
from registry_pipeline.pages import shell
from registry_pipeline.storage import scan, write_texts

INDEX = "index.html"

MOST_GAPS = 5
"""Things due that a card shows: it is to fit a screen; the table has them all."""

LONGEST_FILE = 80
"""Letters of a team's name in the name of its file: file systems take no more than 255 bytes."""

SEXES = {"M": "male", "F": "female", "O": "other sex"}
LEVELS = {"very_high": "Very high risk", "high": "High risk", "moderate": "Moderate risk", "low": "Low risk"}


@dataclass(frozen=True)
class Standing:
    """How a team stands.

    Attributes:
        practices: practice codes of its people.
        listed: people on its list.
        waiting: people with a reason for whom its meetings have no room.
        discussed: people with a reason who were left off because they were discussed not long ago.
    """

    practices: tuple[str, ...]
    listed: int
    waiting: int
    discussed: int


def write_pages(
    reading: Reading,
    table: Path,
    folder: Path,
    teams: Mapping[str, Standing],
    *,
    missing: Sequence[str],
    teamless: int,
) -> tuple[Path, ...]:
    """Write a page for each team, and the index.

    Args:
        reading: what the list was made from.
        table: the list.
        folder: where the pages go.
        teams: every team by name.
        missing: sentences on what the list had to do without.
        teamless: people with a grave reason who are on nobody's list.

    Returns:
        The files, the index first.

    Raises:
        RunFailed: the disk is full.
    """
    deployment = reading.configuration.deployment
    files = file_names(teams)
    people = _people(reading, table)
    shared = {
        "deployment": deployment.name,
        "snapshot_id": reading.snapshot_id,
        "night": reading.night.isoformat(),
        "choices": deployment.case_conferences,
        "missing": missing,
        "most_gaps": MOST_GAPS,
        "index": INDEX,
    }
    texts = {}
    for name, standing in teams.items():
        listed = people.get(name, [])
        texts[folder / files[name]] = _render(
            "conference.html",
            f"Case conference: {name}",
            name,
            team=name,
            standing=standing,
            meetings=_meetings(listed),
            organisations=_organisations(reading, listed),
            **shared,
        )
    index = folder / INDEX
    told = [(name, files[name], standing) for name, standing in teams.items()]
    texts[index] = _render(
        "conferences.html", "Case conferences", deployment.name, teams=told, teamless=teamless, **shared
    )
    write_texts(texts)
    return (index, *(path for path in texts if path != index))


def file_names(teams: Mapping[str, Any]) -> dict[str, str]:
    """A file for each team: its name in letters that any file system takes, numbered where two would be the same."""
    given: dict[str, str] = {}
    taken = {INDEX}
    for name in teams:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:LONGEST_FILE].strip("-") or "team"
        file, number = f"{slug}.html", 1
        while file in taken:
            number += 1
            file = f"{slug}-{number}.html"
        taken.add(file)
        given[name] = file
    return given


def _render(template: str, title: str, subtitle: str, **context: Any) -> str:
    return shell.render(
        "registry_pipeline.care",
        template,
        title=title,
        heading="Case conference" if template == "conference.html" else "Case conferences",
        subtitle=subtitle,
        styles=("conference.css",),
        **context,
    )


def _people(reading: Reading, table: Path) -> dict[str, list[dict[str, Any]]]:
    """Who is listed, by team, as a card tells of them."""
    query = f"""
        SELECT
            listed.* EXCLUDE (patient_id, last_discussed, night), listed.patient_id::VARCHAR AS patient_id,
            listed.last_discussed::VARCHAR AS last_discussed,
            practice_record_id IS NOT NULL
            AND conference_tells_who(
                substr(practice_record_id, position(':' IN practice_record_id) + 1),
                patient.nhs_number, patient.family_name, patient.birth_date
            ) AS tells_who
        FROM {scan(table)} AS listed
        LEFT JOIN patient ON patient.patient_id = listed.patient_id
        ORDER BY neighbourhood, rank
    """  # noqa: S608  # a file of ours
    result = reading.connection.execute(query)
    names = [column[0] for column in result.description or ()]
    people: dict[str, list[dict[str, Any]]] = {}
    for row in result.fetchall():
        told = dict(zip(names, row, strict=True))
        people.setdefault(told["neighbourhood"], []).append(_card(told))
    return people


def _card(told: dict[str, Any]) -> dict[str, Any]:
    """A row of the list as a card shows it."""
    lines = [line.partition(": ") for line in told["summary"]]
    change = told["risk_change"]
    return {
        **told,
        "practice_record_id": None if told["tells_who"] else told["practice_record_id"],
        "sex": SEXES.get(told["sex"] or "", "sex not known"),
        "level": LEVELS.get(told["risk_level"] or "", "Risk not estimated"),
        "tone": {"very_high": "red", "high": "amber"}.get(told["risk_level"] or "", "grey"),
        "rose": change is not None and round(100 * change) >= 1,
        "fell": change is not None and round(100 * change) <= -1,
        "lines": [(who, did) for who, _, did in lines],
    }


def _meetings(listed: Sequence[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    by_meeting: dict[int, list[dict[str, Any]]] = {}
    for person in listed:
        by_meeting.setdefault(person["meeting"], []).append(person)
    return sorted(by_meeting.items())


def _organisations(reading: Reading, listed: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Organisations that the page names by their code, with their names."""
    words = " ".join(
        f"{who} {did} {person['practice_record_id'] or ''}" for person in listed for who, did in person["lines"]
    )
    providers = reading.configuration.providers
    return [
        (code, provider.name)
        for code, provider in sorted(providers.items())
        if provider.name and re.search(rf"\b{re.escape(code)}\b", words)
    ]
